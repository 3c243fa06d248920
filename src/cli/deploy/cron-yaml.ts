/**
 * cron.yaml: its fields, its English of times, and whether the service has the routes that it names.
 * https://cloud.google.com/appengine/docs/standard/reference/cron-yaml
 */
import { readYaml, type YamlFile } from './yaml-file.js';

export interface CronYaml {
  cron: Array<{ url: string; schedule: string; timezone?: string }>;
}

const DAYS = '(?:mon|tue|wed|thu|fri|sat|sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday)';
const MONTHS =
  '(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|january|february|march|april|june|july|august|september|october|november|december)';
const ORDINALS = '(?:1st|2nd|3rd|4th|5th|first|second|third|fourth|fifth)';
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d';
const some = (word: string): string => `${word}(?:,${word})*`;
const INTERVAL = `every [1-9]\\d* (?:hours?|minutes?|mins?)(?: synchronized| from ${TIME} to ${TIME})?`;
const ON_DAYS = `(?:every|${some(ORDINALS)}) (?:day|${some(DAYS)})(?: of (?:month|${some(MONTHS)}))? ${TIME}`;
const ON_DATES = `${some('(?:[1-9]|[12]\\d|3[01])')} of (?:month|${some(MONTHS)}) ${TIME}`;

const CRON_YAML = {
  type: 'object',
  additionalProperties: false,
  required: ['cron'],
  properties: {
    cron: {
      type: 'array',
      maxItems: 250,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['url', 'schedule'],
        properties: {
          url: { type: 'string', pattern: '^/', description: 'a path of the service' },
          schedule: {
            type: 'string',
            pattern: `^(?:${INTERVAL}|${ON_DAYS}|${ON_DATES})$`,
            description: 'a schedule such as "every 1 minutes" or "every day 03:00"',
          },
          timezone: { type: 'string', maxLength: 100 },
          description: { type: 'string', maxLength: 499 },
          target: { type: 'string', pattern: '^[a-z\\d-]+(:[a-z\\d-]+)?$' },
          retry_parameters: {
            type: 'object',
            additionalProperties: false,
            properties: {
              job_retry_limit: { type: 'integer', minimum: 0, maximum: 5 },
              job_age_limit: { type: 'string', pattern: '^\\d+(\\.\\d+)?[smhd]$' },
              min_backoff_seconds: { type: 'number', minimum: 0 },
              max_backoff_seconds: { type: 'number', minimum: 0 },
              max_doublings: { type: 'integer', minimum: 0 },
            },
          },
        },
      },
    },
  },
};

/** @param routes what the service answers to with GET */
export function readCronYaml(path: string, routes: ReadonlySet<string>): YamlFile<CronYaml> {
  const file = readYaml<CronYaml>(path, 'cron.yaml', CRON_YAML);
  for (const { url, timezone } of file.errors.length === 0 ? (file.content?.cron ?? []) : []) {
    if (!routes.has(url.split('?', 1)[0] as string)) {
      const known = [...routes].sort().join(', ');
      file.errors.push(`cron.yaml: the service has no route ${url} (for cron it has ${known})`);
    }
    if (timezone !== undefined && !isTimezone(timezone)) {
      file.errors.push(`cron.yaml: "${timezone}" is not a time zone, such as Etc/UTC or Europe/Oslo`);
    }
  }
  return file;
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

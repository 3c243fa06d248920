/** Calls any HTTP predictor: a template makes the request, JSON pointers read the answer. */
import jsonpointer from 'jsonpointer';
import type { Agent, request } from 'undici';
import type { Candidate } from '../event/prediction.js';
import type { BackendSpec } from '../event/predictor.js';
import { type Backend, BackendFailure } from './backend.js';

/** Largest answer that is read, bytes. */
const ANSWER_LIMIT = 1024 * 1024;
/** Most candidates that are read from one answer. */
const CANDIDATES_LIMIT = 1000;
const LABEL_LIMIT = 256;

interface HttpSettings {
  url: string;
  headers: Record<string, string>;
  timeoutMs: number;
  request: unknown;
  candidates: { path: string; label: string; confidence: string };
}

interface Client {
  request: typeof request;
  agent: Agent;
}

export function httpBackend(spec: BackendSpec): Backend {
  const settings = settingsOf(spec);
  let client: Client | null = null;
  const open = async (): Promise<Client> => {
    // Large, and not needed to start: a service may never ask anybody over HTTP.
    const undici = await import('undici');
    const connect = { timeout: settings.timeoutMs };
    return (client ??= {
      request: undici.request,
      agent: new undici.Agent({ connections: 64, pipelining: 1, connect }),
    });
  };
  return {
    predict: async (input, limit, traceparent) => {
      const body = JSON.stringify(fillTemplate(settings.request, { input, limit }));
      const headers = traceparent === undefined ? settings.headers : { ...settings.headers, traceparent };
      return readCandidates(await ask(settings, client ?? (await open()), headers, body), settings);
    },
    close: async (atOnce) => (atOnce ? client?.agent.destroy() : client?.agent.close()),
  };
}

function settingsOf(spec: BackendSpec): HttpSettings {
  const given = spec as unknown as Partial<HttpSettings>;
  return {
    url: String(spec.url),
    headers: { ...given.headers, 'content-type': 'application/json', accept: 'application/json' },
    timeoutMs: given.timeoutMs ?? 2000,
    request: given.request ?? { input: '{{input}}', limit: '{{limit}}' },
    candidates: { path: '/candidates', label: '/label', confidence: '/confidence', ...given.candidates },
  };
}

/** Replaces the strings "{{input}}" and "{{limit}}", wherever they stand as a whole value. */
function fillTemplate(template: unknown, values: { input: unknown; limit: number }): unknown {
  if (template === '{{input}}') return values.input;
  if (template === '{{limit}}') return values.limit;
  if (Array.isArray(template)) return template.map((item) => fillTemplate(item, values));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([key, item]) => [key, fillTemplate(item, values)]));
}

async function ask(
  settings: HttpSettings,
  { request, agent }: Client,
  headers: Record<string, string>,
  body: string,
): Promise<unknown> {
  let status: number;
  let text: string;
  try {
    const answer = await request(settings.url, {
      method: 'POST',
      headers,
      body,
      dispatcher: agent,
      signal: AbortSignal.timeout(settings.timeoutMs),
    });
    status = answer.statusCode;
    text = await readLimited(answer.body);
  } catch (error) {
    throw asFailure(error, settings);
  }
  if (status < 200 || status > 299) {
    throw new BackendFailure('rejected', `${settings.url} answered ${status}: ${text.slice(0, 200)}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new BackendFailure(
      'invalid',
      `${settings.url} answered with something that is not JSON: ${text.slice(0, 200)}`,
    );
  }
}

async function readLimited(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > ANSWER_LIMIT)
      throw new BackendFailure('invalid', `the answer is larger than ${ANSWER_LIMIT} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function asFailure(error: unknown, { url, timeoutMs }: HttpSettings): BackendFailure {
  if (error instanceof BackendFailure) return error;
  const { name, code, message } = error as Error & { code?: string };
  if (name === 'TimeoutError' || code?.includes('TIMEOUT') === true) {
    return new BackendFailure('timeout', `${url} did not answer within ${timeoutMs} ms`);
  }
  return new BackendFailure('unreachable', `${url} could not be reached: ${message || code || name}`);
}

function readCandidates(answer: unknown, { url, candidates: mapping }: HttpSettings): Candidate[] {
  const list: unknown = mapping.path === '' ? answer : valueAt(answer, mapping.path);
  if (!Array.isArray(list)) {
    throw new BackendFailure('invalid', `${url} answered without a list of candidates at "${mapping.path}"`);
  }
  const candidates = list.slice(0, CANDIDATES_LIMIT).map((item) => readCandidate(item, url, mapping));
  // Predictors that score but do not sort are common; an unscored list is taken as ranked.
  const scored = candidates.every(({ confidence }) => typeof confidence === 'number');
  return scored ? candidates.sort((a, b) => (b.confidence ?? 0) - (a.confidence ?? 0)) : candidates;
}

function readCandidate(item: unknown, url: string, mapping: HttpSettings['candidates']): Candidate {
  const label = mapping.label === '' ? item : valueAt(item, mapping.label);
  if (
    (typeof label !== 'string' && typeof label !== 'number') ||
    label === '' ||
    String(label).length > LABEL_LIMIT
  ) {
    throw new BackendFailure(
      'invalid',
      `${url} answered a candidate without a label of 1 to ${LABEL_LIMIT} characters at "${mapping.label}"`,
    );
  }
  const confidence = mapping.confidence === '' ? undefined : valueAt(item, mapping.confidence);
  if (confidence === undefined || confidence === null) return { label: wellFormedLabel(label) };
  if (typeof confidence !== 'number' || !Number.isFinite(confidence)) {
    throw new BackendFailure(
      'invalid',
      `${url} answered a confidence that is not a number at "${mapping.confidence}"`,
    );
  }
  return { label: wellFormedLabel(label), confidence };
}

/** No database text can hold lone surrogates or U+0000. */
function wellFormedLabel(label: string | number): string {
  return String(label).toWellFormed().replaceAll('\0', '\ufffd');
}

function valueAt(value: unknown, pointer: string): unknown {
  return typeof value === 'object' && value !== null
    ? (jsonpointer.get(value, pointer) as unknown)
    : undefined;
}

/** Environment -> one frozen object. Reports every error at once, each with what to do. */
import { readFileSync } from 'node:fs';
import { completePolicy, DEFAULT_POLICY, type PartialPolicy, type Policy } from './event/policy.js';

/** DI token of the configuration. */
export const CONFIGURATION = Symbol('Configuration');

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export interface Configuration {
  /** 0 takes any free port. */
  readonly port: number;
  readonly host: string;
  readonly store: { readonly kind: 'sqlite'; readonly path: string };
  readonly warehouse: { readonly kind: 'duckdb'; readonly path: string };
  /** Key of the subjects' HMAC; null: one is made and kept beside the events. */
  readonly subjectSecret: string | null;
  /** Whether a prediction is refused or served unrecorded while the store cannot write. */
  readonly unrecorded: 'refuse' | 'serve';
  /** Terms of every canary that does not bring its own. */
  readonly policy: Policy;
  /** Who else carries out traffic splits; null: this service alone. */
  readonly traffic: { readonly kind: 'appengine'; readonly shardBy: 'COOKIE' | 'IP' | 'RANDOM' } | null;
  /** The Google Cloud project in which this service runs, where it runs in one. */
  readonly project: string | null;
  readonly logLevel: LogLevel;
}

interface Variable {
  name: string;
  fallback: string;
  meaning: string;
}

/** What `assay serve --help` lists. */
export const VARIABLES: readonly Variable[] = [
  { name: 'PORT', fallback: '8080', meaning: 'port to listen on, 0 for any free one' },
  {
    name: 'HOST',
    fallback: '127.0.0.1',
    meaning: 'address to listen on; loopback only while there are no API keys',
  },
  { name: 'ASSAY_STORE', fallback: 'sqlite:./data/events.db', meaning: 'where events are kept' },
  {
    name: 'ASSAY_WAREHOUSE',
    fallback: 'duckdb:./data/warehouse.duckdb',
    meaning: 'where they are projected to',
  },
  {
    name: 'ASSAY_SUBJECT_SECRET',
    fallback: '',
    meaning:
      'key under which subjects are hashed, 16 characters or more; default: made once, kept beside the events',
  },
  {
    name: 'ASSAY_UNRECORDED',
    fallback: 'refuse',
    meaning: '"serve" answers predictions with recorded: false while the store cannot write',
  },
  { name: 'ASSAY_POLICY', fallback: '', meaning: 'JSON file with the terms on which canaries are judged' },
  {
    name: 'ASSAY_TRAFFIC',
    fallback: 'service',
    meaning:
      'who splits traffic: "service" this service alone, "appengine" App Engine too, by cookie ("appengine:ip", "appengine:random")',
  },
  { name: 'LOG_LEVEL', fallback: 'info', meaning: 'error, warn, info or debug' },
];

/** Variables that are for the commands beside `serve`. */
const OF_COMMANDS = new Set(['ASSAY_SERVER']);

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** Everything that is wrong with the environment, in one error. */
export class InvalidConfiguration extends Error {
  override readonly name = 'InvalidConfiguration';
}

/** @throws InvalidConfiguration */
export function readConfiguration(
  environment: Record<string, string | undefined>,
  policyErrors: (policy: unknown) => string[] = () => [],
): Configuration {
  const errors: string[] = [];
  const text = (name: string): string => {
    const given = environment[name]?.trim();
    return given === undefined || given === ''
      ? (VARIABLES.find((v) => v.name === name)?.fallback ?? '')
      : given;
  };
  const configuration: Configuration = {
    port: portOf(text('PORT'), errors),
    host: hostOf(text('HOST'), errors),
    store: { kind: 'sqlite', path: pathOf('ASSAY_STORE', 'sqlite', text('ASSAY_STORE'), errors) },
    warehouse: { kind: 'duckdb', path: pathOf('ASSAY_WAREHOUSE', 'duckdb', text('ASSAY_WAREHOUSE'), errors) },
    subjectSecret: secretOf(text('ASSAY_SUBJECT_SECRET'), errors),
    unrecorded: oneOf('ASSAY_UNRECORDED', text('ASSAY_UNRECORDED'), ['refuse', 'serve'], errors),
    policy: policyOf(text('ASSAY_POLICY'), policyErrors, errors),
    traffic: trafficOf(text('ASSAY_TRAFFIC'), errors),
    project: environment.GOOGLE_CLOUD_PROJECT?.trim() || null,
    logLevel: oneOf('LOG_LEVEL', text('LOG_LEVEL'), ['error', 'warn', 'info', 'debug'], errors),
  };
  for (const name of unknownNames(environment)) errors.push(name);
  if (errors.length > 0) {
    throw new InvalidConfiguration(
      `The configuration has ${errors.length === 1 ? 'an error' : `${errors.length} errors`}:\n` +
        errors.map((error) => `  - ${error}`).join('\n') +
        '\n`assay serve --help` lists every variable.',
    );
  }
  return Object.freeze(configuration);
}

function portOf(text: string, errors: string[]): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  errors.push(`PORT is "${text}": give a number from 0 to 65535`);
  return 0;
}

function hostOf(host: string, errors: string[]): string {
  if (!LOOPBACK.has(host)) {
    errors.push(
      `HOST is "${host}": without API keys the service listens on loopback only (127.0.0.1, ::1 or localhost); put a proxy that authenticates in front of it`,
    );
  }
  return host;
}

function pathOf(name: string, kind: string, text: string, errors: string[]): string {
  const path = text.startsWith(`${kind}:`) ? text.slice(kind.length + 1) : '';
  if (path === '') errors.push(`${name} is "${text}": give ${kind}:PATH, such as ${fallbackOf(name)}`);
  return path;
}

function fallbackOf(name: string): string {
  return VARIABLES.find((variable) => variable.name === name)?.fallback ?? '';
}

function secretOf(text: string, errors: string[]): string | null {
  if (text === '') return null;
  if (text.length < 16)
    errors.push('ASSAY_SUBJECT_SECRET is shorter than 16 characters: give a longer random text');
  return text;
}

function trafficOf(text: string, errors: string[]): Configuration['traffic'] {
  if (text === 'service') return null;
  const shardBy = { appengine: 'COOKIE', 'appengine:ip': 'IP', 'appengine:random': 'RANDOM' } as const;
  if (Object.hasOwn(shardBy, text)) {
    return { kind: 'appengine', shardBy: shardBy[text as keyof typeof shardBy] };
  }
  errors.push(`ASSAY_TRAFFIC is "${text}": give service, appengine, appengine:ip or appengine:random`);
  return null;
}

function oneOf<T extends string>(
  name: string,
  text: string,
  allowed: readonly [T, ...T[]],
  errors: string[],
): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) errors.push(`${name} is "${text}": give ${allowed.join(' or ')}`);
  return found ?? allowed[0];
}

function policyOf(path: string, policyErrors: (policy: unknown) => string[], errors: string[]): Policy {
  if (path === '') return DEFAULT_POLICY;
  let policy: unknown;
  try {
    policy = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    errors.push(`ASSAY_POLICY: ${path} cannot be read as JSON (${(error as Error).message})`);
    return DEFAULT_POLICY;
  }
  const wrong = policyErrors(policy);
  errors.push(...wrong.map((detail) => `ASSAY_POLICY: ${path}: ${detail}`));
  return wrong.length > 0 ? DEFAULT_POLICY : completePolicy(policy as PartialPolicy);
}

/** A mistyped name would be a default in silence. */
function unknownNames(environment: Record<string, string | undefined>): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('ASSAY_') && !OF_COMMANDS.has(name))
    .filter((name) => !VARIABLES.some((variable) => variable.name === name))
    .map((name) => `${name} is not a variable of this service`);
}

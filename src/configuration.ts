/** Environment -> one frozen object. Reports every error at once, each with what to do. */
import { readFileSync } from 'node:fs';
import {
  storeOf,
  type StoreConfiguration,
  warehouseOf,
  type WarehouseConfiguration,
} from './configuration.places.js';
import { VARIABLES } from './configuration.variables.js';
import { completePolicy, DEFAULT_POLICY, type PartialPolicy, type Policy } from './event/policy.js';
import { readWebhooks } from './webhooks/settings.js';
import type { Webhook } from './webhooks/webhook.js';

/** DI token of the configuration. */
export const CONFIGURATION = Symbol('Configuration');

export type LogFormat = 'text' | 'json';
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** At most so many requests of one key, or of one address where there are no keys, in each window. */
export interface RateLimit {
  readonly requests: number;
  readonly windowMs: number;
}

export interface Configuration {
  /** 0 takes any free port. */
  readonly port: number;
  readonly host: string;
  readonly store: StoreConfiguration;
  readonly warehouse: WarehouseConfiguration;
  /** Key of the subjects' HMAC; null: one is made and kept beside the events. */
  readonly subjectSecret: string | null;
  /** Whether a prediction is refused or served unrecorded while the store cannot write. */
  readonly unrecorded: 'refuse' | 'serve';
  /** Terms of every canary that does not bring its own. */
  readonly policy: Policy;
  /** Who else carries out traffic splits; null: this service alone. */
  readonly traffic: { readonly kind: 'appengine'; readonly shardBy: 'COOKIE' | 'IP' | 'RANDOM' } | null;
  /** Who is told of verdicts and steps. */
  readonly webhooks: readonly Webhook[];
  /** The Google Cloud project in which this service runs, where it runs in one. */
  readonly project: string | null;
  readonly logLevel: LogLevel;
  /** `auto`: none while no key is asked for, a generous one otherwise. */
  readonly rateLimit: RateLimit | 'auto' | 'off';
  /** Origins whose pages may ask from a browser, such as `https://app.example`. */
  readonly corsOrigins: readonly string[];
  /** Whether App Engine runs the service, which then vouches for some headers. */
  readonly appEngine: boolean;
  readonly logFormat: LogFormat;
  /** Where traces and metrics are sent by OTLP. */
  readonly telemetry: Telemetry;
}

/** google: to Google Cloud's own endpoint; otlp: to the one that OTEL_EXPORTER_OTLP_ENDPOINT names. */
export type TelemetryTarget = 'off' | 'otlp' | 'google';

export interface Telemetry {
  readonly traces: TelemetryTarget;
  readonly metrics: TelemetryTarget;
}

/** Variables that are for the commands beside `serve`. */
const OF_COMMANDS = new Set(['ASSAY_SERVER', 'ASSAY_KEY']);

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** Whether only programs of this machine reach an address. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host);
}

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
    host: text('HOST'),
    store: storeOf(text, environment, errors),
    warehouse: warehouseOf(text, errors),
    subjectSecret: secretOf(text('ASSAY_SUBJECT_SECRET'), errors),
    unrecorded: oneOf('ASSAY_UNRECORDED', text('ASSAY_UNRECORDED'), ['refuse', 'serve'], errors),
    policy: policyOf(text('ASSAY_POLICY'), policyErrors, errors),
    traffic: trafficOf(text('ASSAY_TRAFFIC'), errors),
    webhooks: readWebhooks(text('ASSAY_WEBHOOKS'), errors),
    project: environment.GOOGLE_CLOUD_PROJECT?.trim() || null,
    logLevel: oneOf('LOG_LEVEL', text('LOG_LEVEL'), ['error', 'warn', 'info', 'debug'], errors),
    rateLimit: rateLimitOf(text('ASSAY_RATE_LIMIT'), errors),
    corsOrigins: originsOf(text('ASSAY_CORS_ORIGINS'), errors),
    appEngine: Boolean(environment.GAE_APPLICATION ?? environment.GAE_ENV),
    logFormat: oneOf('ASSAY_LOG_FORMAT', logFormatOf(environment), ['text', 'json'], errors),
    telemetry: telemetryOf(environment),
  };
  if (configuration.store.kind === 'firestore' && configuration.subjectSecret === null) {
    errors.push(
      'ASSAY_SUBJECT_SECRET is missing: with Firestore there is no file beside which one is kept, and every instance needs the same; give a random text of 16 characters or more',
    );
  }
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

/** App Engine and Cloud Run say so in the environment. */
function isOnGoogleCloud(environment: Record<string, string | undefined>): boolean {
  return Boolean(environment.GAE_ENV) || Boolean(environment.K_SERVICE);
}

/** The format in which even a configuration that cannot be read is complained about. */
export function logFormatOf(environment: Record<string, string | undefined>): string {
  return environment.ASSAY_LOG_FORMAT?.trim() || (isOnGoogleCloud(environment) ? 'json' : 'text');
}

/** Read as https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables says. */
function telemetryOf(environment: Record<string, string | undefined>): Telemetry {
  const isDisabled = environment.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true';
  const targetOf = (signal: 'TRACES' | 'METRICS'): TelemetryTarget => {
    if (isDisabled || environment[`OTEL_${signal}_EXPORTER`]?.trim() === 'none') return 'off';
    const endpoint =
      environment[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]?.trim() ||
      environment.OTEL_EXPORTER_OTLP_ENDPOINT?.trim();
    if (endpoint) return /^https:\/\/telemetry\.googleapis\.com\b/.test(endpoint) ? 'google' : 'otlp';
    return isOnGoogleCloud(environment) ? 'google' : 'off';
  };
  return { traces: targetOf('TRACES'), metrics: targetOf('METRICS') };
}

function portOf(text: string, errors: string[]): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  errors.push(`PORT is "${text}": give a number from 0 to 65535`);
  return 0;
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

const WINDOW_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000 };

function rateLimitOf(text: string, errors: string[]): RateLimit | 'auto' | 'off' {
  if (text === '') return 'auto';
  if (text === 'off') return 'off';
  const [, requests, count = '1', unit = ''] = /^([1-9]\d{0,8})\/(\d{0,4})([smh])$/.exec(text) ?? [];
  const windowMs = Number(count || '1') * (WINDOW_MS[unit] ?? 0);
  if (requests !== undefined && windowMs > 0) return { requests: Number(requests), windowMs };
  errors.push(`ASSAY_RATE_LIMIT is "${text}": give requests and a time, such as 600/1m, or off`);
  return 'off';
}

function originsOf(text: string, errors: string[]): string[] {
  const origins = text.split(',').map((origin) => origin.trim());
  for (const origin of origins) {
    if (
      origin === '' ||
      (/^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin)
    )
      continue;
    errors.push(
      `ASSAY_CORS_ORIGINS has "${origin}": give origins such as https://app.example, without a path`,
    );
  }
  return origins.filter((origin) => origin !== '');
}

/** A mistyped name would be a default in silence. */
function unknownNames(environment: Record<string, string | undefined>): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('ASSAY_') && !OF_COMMANDS.has(name))
    .filter((name) => !VARIABLES.some((variable) => variable.name === name))
    .map((name) => `${name} is not a variable of this service`);
}

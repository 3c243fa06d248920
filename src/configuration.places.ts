/** Where the events are kept and where they are asked: ASSAY_STORE, ASSAY_WAREHOUSE and what belongs to them. */
import { VARIABLES } from './configuration.variables.js';

export type StoreConfiguration =
  | { readonly kind: 'sqlite'; readonly path: string }
  | {
      readonly kind: 'firestore';
      readonly project: string;
      readonly database: string;
      /** host:port of a server in the place of Google's; FIRESTORE_EMULATOR_HOST. */
      readonly emulator: string | null;
      /** How long the youngest events are kept back from readers of the log, milliseconds. */
      readonly horizonMs: number;
    };

export type WarehouseConfiguration =
  { readonly kind: 'duckdb'; readonly path: string } | BigQueryConfiguration;

/** A dataset of BigQuery, how it is reached, and what a question may read. */
export interface BigQueryConfiguration {
  readonly kind: 'bigquery';
  readonly project: string;
  readonly dataset: string;
  readonly location: string;
  readonly endpoint: string | null;
  readonly storageEndpoint: string | null;
  readonly maxGib: number;
}

/** @param errors takes what is wrong, with what to do */
export function storeOf(
  text: (name: string) => string,
  environment: Record<string, string | undefined>,
  errors: string[],
): StoreConfiguration {
  const given = text('ASSAY_STORE');
  if (!given.startsWith('firestore:')) {
    return { kind: 'sqlite', path: pathOf('ASSAY_STORE', 'sqlite', given, errors) };
  }
  const [, project = '', database = '(default)'] = FIRESTORE_PATTERN.exec(given) ?? [];
  if (project === '') {
    errors.push(
      `ASSAY_STORE is "${given}": give firestore:PROJECT or firestore:PROJECT/DATABASE, with the ids as gcloud shows them`,
    );
  }
  const seconds = Number(text('ASSAY_SETTLE_SECONDS'));
  if (!(seconds >= 0.1 && seconds <= 300)) {
    errors.push(
      `ASSAY_SETTLE_SECONDS is "${text('ASSAY_SETTLE_SECONDS')}": give a number of seconds from 0.1 to 300`,
    );
  }
  const emulator = environment.FIRESTORE_EMULATOR_HOST?.trim() || null;
  if (emulator !== null && !/^\S+:\d+$/.test(emulator)) {
    errors.push(`FIRESTORE_EMULATOR_HOST is "${emulator}": give host:port`);
  }
  return { kind: 'firestore', project, database, emulator, horizonMs: seconds * 1_000 };
}

/** Ids of projects, those of old domains included, and of databases. */
const FIRESTORE_PATTERN =
  /^firestore:((?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9])(?:\/(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]))?$/;

function pathOf(name: string, kind: string, text: string, errors: string[]): string {
  const path = text.startsWith(`${kind}:`) ? text.slice(kind.length + 1) : '';
  if (path === '') {
    const cloud = name === 'ASSAY_STORE' ? ', or firestore:PROJECT' : '';
    errors.push(`${name} is "${text}": give ${kind}:PATH, such as ${fallbackOf(name)}${cloud}`);
  }
  return path;
}

/** @param errors takes what is wrong, with what to do */
export function warehouseOf(text: (name: string) => string, errors: string[]): WarehouseConfiguration {
  const given = text('ASSAY_WAREHOUSE');
  if (!given.startsWith('bigquery:')) {
    return { kind: 'duckdb', path: pathOf('ASSAY_WAREHOUSE', 'duckdb', given, errors) };
  }
  const [, project = '', dataset = ''] = /^bigquery:([a-z0-9:.-]+)\.([A-Za-z0-9_]+)$/.exec(given) ?? [];
  if (dataset === '') {
    errors.push(
      `ASSAY_WAREHOUSE is "${given}": give bigquery:PROJECT.DATASET, such as bigquery:my-project.assay`,
    );
  }
  const maxGib = Number(text('ASSAY_BIGQUERY_MAX_GIB'));
  if (!(Number.isInteger(maxGib) && maxGib > 0)) {
    errors.push(
      `ASSAY_BIGQUERY_MAX_GIB is "${text('ASSAY_BIGQUERY_MAX_GIB')}": give a whole number from 1, such as 100`,
    );
  }
  return {
    kind: 'bigquery',
    project,
    dataset,
    location: text('ASSAY_BIGQUERY_LOCATION'),
    endpoint: urlOf('ASSAY_BIGQUERY_ENDPOINT', text, errors),
    storageEndpoint: urlOf('ASSAY_BIGQUERY_STORAGE_ENDPOINT', text, errors),
    maxGib,
  };
}

function urlOf(name: string, text: (name: string) => string, errors: string[]): string | null {
  const given = text(name);
  if (given === '') return null;
  if (!/^https?:\/\/[^/]+$/.test(given)) {
    errors.push(`${name} is "${given}": give a URL without a path, such as http://127.0.0.1:9050`);
  }
  return given;
}

function fallbackOf(name: string): string {
  return VARIABLES.find((variable) => variable.name === name)?.fallback ?? '';
}

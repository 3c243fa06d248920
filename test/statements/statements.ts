/**
 * Every GoogleSQL statement that the service can send: what the BigQuery adapter sends of itself, and the
 * questions of quality and verdict, in all their forms. `unlisted.ts` notices one that is missing here.
 */
import { DEFAULT_POLICY } from '#assay/event/policy.js';
import { PROJECTION } from '#assay/projection/views.js';
import { seriesStatement, totalsStatement } from '#assay/quality/questions.js';
import { bucketsStatement, type CellPolicy, predictedAtStatement } from '#assay/verdict/cells.js';
import { type PairsPolicy, pairsStatement, speedStatement } from '#assay/verdict/challenger-pairs.js';
import { DEFAULT_CHALLENGER_POLICY } from '#assay/event/challenger.js';
import { bigqueryStorage, type StorageDialect } from '#assay/warehouse/warehouse.bigquery.dialect.js';
import { adapterStatements, type Literals } from '#assay/warehouse/warehouse.bigquery.statements.js';
import type { ParameterTypes } from '../googlesql/zetasql.js';

export interface SentStatement {
  name: string;
  sql: string;
  parameters: ParameterTypes;
}

export const DATASET = 'assay';

export const googlesql: StorageDialect = bigqueryStorage(DATASET);

/** The literals of the snapshots. */
export const LITERALS: Literals = {
  generation: 1,
  next: 2,
  sealedTo: 1000,
  upTo: 2000,
  tailFrom: '2026-03-01T09:00:00.000Z',
  streamsFrom: '2026-01-30T09:00:00.000Z',
};

/** With and without a limit of latency, with scores, and with as few age bins as there may be. */
export const POLICIES: Record<string, CellPolicy> = {
  default: DEFAULT_POLICY,
  timed: { ...DEFAULT_POLICY, latencyLimitMs: 99.5 },
  scored: { ...DEFAULT_POLICY, scores: [{ from: '/cost' }, { from: '/a.b/c' }] },
  'one bin': { rightWithin: 3, bucketSeconds: 450, ageEdgesSeconds: [0, 300] },
};

/** Where only the first candidate counts, and where others do. */
export const PAIRS_POLICIES: Record<string, PairsPolicy> = {
  default: DEFAULT_CHALLENGER_POLICY,
  'right within 3': { rightWithin: 3, bucketSeconds: 450, labelWindowSeconds: 600 },
};

const ASKED_OF_CHALLENGER = { predictor: 'STRING', challenger: 'STRING', since: 'INT64' };

const ASKED = { predictor: 'STRING', from: 'INT64', to: 'INT64' };
const ASKED_OF_VERSION = { ...ASKED, version: 'STRING' };
const ASKED_OF_CANARY = {
  predictor: 'STRING',
  baseline: 'STRING',
  canary: 'STRING',
  since: 'INT64',
  labelsSince: 'INT64',
};
const ASKED_OF_BUCKETS = { ...ASKED_OF_CANARY, from: 'INT64', buckets: 'STRING' };

/** What is asked through `Warehouse.query`. */
export function questions(dialect: StorageDialect = googlesql): SentStatement[] {
  return [
    ...(['hour', 'day'] as const).flatMap((interval) => [
      {
        name: `series by ${interval}`,
        sql: seriesStatement(interval, false)(dialect),
        parameters: ASKED,
      },
      {
        name: `series by ${interval}, one version`,
        sql: seriesStatement(interval, true)(dialect),
        parameters: ASKED_OF_VERSION,
      },
    ]),
    { name: 'totals', sql: totalsStatement(false)(dialect), parameters: ASKED },
    { name: 'totals, one version', sql: totalsStatement(true)(dialect), parameters: ASKED_OF_VERSION },
    ...Object.entries(POLICIES).map(([policy, cells]) => ({
      name: `canary buckets, ${policy}`,
      sql: bucketsStatement(cells)(dialect),
      parameters: ASKED_OF_CANARY,
    })),
    ...Object.entries(POLICIES).map(([policy, cells]) => ({
      name: `some canary buckets, ${policy}`,
      sql: bucketsStatement(cells, true)(dialect),
      parameters: ASKED_OF_BUCKETS,
    })),
    {
      name: 'when predictions were made',
      sql: predictedAtStatement(dialect),
      parameters: { predictor: 'STRING', ids: 'STRING' },
    },
    ...Object.entries(PAIRS_POLICIES).map(([policy, terms]) => ({
      name: `challenger pairs, ${policy}`,
      sql: pairsStatement(terms)(dialect),
      parameters: { ...ASKED_OF_CHALLENGER, baseline: 'STRING', skewedSince: 'INT64' },
    })),
    { name: 'challenger speed', sql: speedStatement(dialect), parameters: ASKED_OF_CHALLENGER },
  ];
}

/** All of them, each after those that make what it reads. */
export function sentStatements(literals: Literals = LITERALS): SentStatement[] {
  const adapter = adapterStatements(PROJECTION, literals).map(({ name, statement, parameters }) => ({
    name,
    sql: statement(googlesql),
    parameters,
  }));
  const isEnd = ({ name }: SentStatement) => name.startsWith('drop-');
  return [...adapter.filter((one) => !isEnd(one)), ...questions(), ...adapter.filter(isEnd)];
}

/**
 * Every statement in both dialects, as committed under test/snapshots, so that a review sees the SQL change.
 * UPDATE_SNAPSHOTS=1 writes them anew.
 */
import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_POLICY } from '#assay/event/policy.js';
import { PROJECTION } from '#assay/projection/views.js';
import { seriesStatement, totalsStatement } from '#assay/quality/questions.js';
import { DEFAULT_CHALLENGER_POLICY } from '#assay/event/challenger.js';
import { bucketsStatement, predictedAtStatement } from '#assay/verdict/cells.js';
import { pairsStatement, speedStatement } from '#assay/verdict/challenger-pairs.js';
import { eventBucketsStatement } from '#assay/warehouse/digest.js';
import { bigquery, duckdb } from '#assay/warehouse/sql.js';
import { bigqueryStorage } from '#assay/warehouse/warehouse.bigquery.dialect.js';
import { adapterStatements } from '#assay/warehouse/warehouse.bigquery.statements.js';
import type { Statement } from '#assay/warehouse/warehouse.js';

const FOLDER = new URL('../snapshots/', import.meta.url);
const isUpdate = process.env.UPDATE_SNAPSHOTS === '1';

const STATEMENTS: Record<string, Statement> = {
  ...Object.fromEntries(
    PROJECTION.derivations.map(({ name, select }) => [
      `derive-${name}`,
      select({ after: '1000', upTo: '2000' }),
    ]),
  ),
  ...Object.fromEntries(PROJECTION.views.map(({ name, select }) => [`view-${name}`, select])),
  'event-buckets': eventBucketsStatement,
  'quality-series': seriesStatement('hour', true),
  'quality-totals': totalsStatement(false),
  'challenger-pairs': pairsStatement(DEFAULT_CHALLENGER_POLICY),
  'challenger-speed': speedStatement,
  'canary-buckets': bucketsStatement({ ...DEFAULT_POLICY, latencyLimitMs: 250 }),
  'canary-buckets-some': bucketsStatement(DEFAULT_POLICY, true),
  'predicted-at': predictedAtStatement,
  'canary-buckets-scores': bucketsStatement({
    ...DEFAULT_POLICY,
    scores: [{ from: '/cost' }, { from: '/usage/tokens.total' }],
  }),
};

/** What the BigQuery adapter sends besides. */
const ADAPTER = adapterStatements(PROJECTION, {
  generation: 1,
  next: 2,
  sealedTo: 1000,
  upTo: 2000,
  tailFrom: '2026-03-01T09:00:00.000Z',
  streamsFrom: '2026-01-30T09:00:00.000Z',
});

const FILES = [
  ...Object.entries(STATEMENTS).flatMap(([name, statement]) =>
    [duckdb, bigquery('assay')].map(
      (dialect) => [`${name}.${dialect.name}.sql`, statement(dialect).trim()] as const,
    ),
  ),
  ...ADAPTER.map(
    ({ name, statement }) => [`bigquery/${name}.sql`, statement(bigqueryStorage('assay')).trim()] as const,
  ),
];

test.each(FILES)('%s', (name, rendered) => {
  const file = new URL(name, FOLDER);
  if (isUpdate) writeFileSync(file, `${rendered}\n`);
  expect(readFileSync(file, 'utf8')).toBe(`${rendered}\n`);
});

test('there is no snapshot without a statement', () => {
  const files = readdirSync(FOLDER, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(fileURLToPath(FOLDER), join(parentPath, name)));
  expect(files.sort()).toEqual(FILES.map(([name]) => name).sort());
});

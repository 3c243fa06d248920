/** However events arrive, whatever is sealed when, and whatever goes wrong: BigQuery shows what DuckDB shows. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { PROJECTION } from '#assay/projection/views.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import type { Warehouse } from '#assay/warehouse/warehouse.js';
import { BigQueryServer } from '../bigquery/server.js';
import { TaughtWarehouse } from '../contract/warehouse.bigquery.given.js';
import { deliveries, forSeconds, happenings, logOf, redelivered } from '../histories.js';

let folder: string;
let duckdb: Warehouse;
let server: BigQueryServer;
let datasets = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'assay-sealing-'));
  duckdb = await DuckDbWarehouse.open(join(folder, 'w.duckdb'), PROJECTION);
  server = await BigQueryServer.start();
});

afterAll(async () => {
  await duckdb.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

const WATCHED = {
  predictions: 'prediction_id',
  corrections: 'event_id',
  deployments: 'event_id',
  prediction_outcomes: 'prediction_id',
};

async function shown(warehouse: Warehouse): Promise<unknown[]> {
  const tables: unknown[] = [];
  for (const [table, order] of Object.entries(WATCHED)) {
    const rows = await warehouse.query<Record<string, unknown>>(
      (sql) => `SELECT * FROM ${sql.table(table)} ORDER BY ${order}`,
    );
    // Each warehouse counts for itself.
    tables.push(rows.map((row) => ({ ...row, position: undefined })));
  }
  const { events, checkpoint } = await warehouse.head();
  return [...tables, events, checkpoint];
}

/** What happens on the way: UNAVAILABLE before anything was done, or an answer that never came. */
const mishaps = fc.array(fc.constantFrom('none', 'none', 'refused', 'lost', 'restarted'), {
  minLength: 1,
  maxLength: 6,
});

test('sealing in any steps, through redeliveries, lost answers and restarts', async () => {
  await fc.assert(
    fc.asyncProperty(
      happenings(6),
      deliveries,
      mishaps,
      fc.integer({ min: 1, max: 12 }),
      forSeconds(15, async (happened, steps, chances, sealAfterEvents) => {
        const dataset = `d${++datasets}`;
        let bigquery = new TaughtWarehouse(server, dataset, { sealAfterEvents });
        await duckdb.clear();
        const pieces = redelivered(logOf(happened), steps);
        for (const [index, piece] of pieces.entries()) {
          const checkpoint = piece.at(-1)?.position ?? '0';
          await duckdb.append(piece, checkpoint);
          const chance = chances[index % chances.length];
          if (chance === 'refused') server.fail('append events', { kind: 'refuse', status: 14 }, 5);
          if (chance === 'lost') server.fail('append events', { kind: 'lost' }, 5);
          if (chance === 'restarted') {
            await bigquery.close();
            bigquery = new TaughtWarehouse(server, dataset, { sealAfterEvents });
          }
          await bigquery.append(piece, checkpoint).catch(() => bigquery.append(piece, checkpoint));
          server.unmet();
        }
        expect(await shown(bigquery)).toEqual(await shown(duckdb));
        expect((await bigquery.deriveGeneration()).differences).toEqual([]);
        await bigquery.swapGeneration();
        expect(await shown(bigquery)).toEqual(await shown(duckdb));
        await bigquery.close();
      }),
    ),
    { numRuns: 10 },
  );
}, 90_000);

import { BigQueryServer } from '../bigquery/server.js';
import { TaughtWarehouse } from './warehouse.bigquery.given.js';
import { warehouseContract } from './warehouse.js';

/** Sealing never, and after each step. */
for (const [name, sealAfterEvents] of [
  ['BigQuery', 50_000],
  ['BigQuery, sealing each step,', 1],
] as const) {
  warehouseContract(name, async () => {
    const server = await BigQueryServer.start();
    return {
      open: async () => new TaughtWarehouse(server, 'assay', { sealAfterEvents }),
      remove: () => server.close(),
    };
  });
}

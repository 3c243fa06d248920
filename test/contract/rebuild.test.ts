import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROJECTION } from '#assay/projection/views.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import { BigQueryServer } from '../bigquery/server.js';
import { rebuildContract } from './rebuild.js';
import { TaughtWarehouse } from './warehouse.bigquery.given.js';

rebuildContract('DuckDB', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'assay-rebuild-'));
  return {
    open: () => DuckDbWarehouse.open(join(folder, 'warehouse.duckdb'), PROJECTION),
    remove: async () => rmSync(folder, { recursive: true }),
  };
});

rebuildContract('BigQuery', async () => {
  const server = await BigQueryServer.start();
  return {
    open: async () => new TaughtWarehouse(server, 'assay'),
    remove: () => server.close(),
  };
});

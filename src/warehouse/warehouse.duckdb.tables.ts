/** The tables of a DuckDB file: made where there are none, derived anew where an older service made them. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { rows } from './warehouse.duckdb.rows.js';
import {
  AFTER,
  CREATE_TABLES,
  type DerivedTable,
  FILE_VERSION,
  type FileSchema,
  UP_TO,
} from './warehouse.duckdb.schema.js';

/** Inside a transaction of the caller: a file is of one version or of the other. */
export async function bringUpToDate(connection: DuckDBConnection, { derived }: FileSchema): Promise<void> {
  const [there] = await rows<{ tables: number }>(
    connection,
    `SELECT COUNT(*) AS tables FROM duckdb_tables() WHERE database_name = 'warehouse'`,
  );
  if (there?.tables === 0) for (const statement of CREATE_TABLES) await connection.run(statement);
  else if ((await versionOf(connection)) === FILE_VERSION) return;
  const position = await positionOf(connection);
  for (const table of derived) {
    await connection.run(`CREATE OR REPLACE TABLE ${table.name}_sealed AS ${between(table, 0, position)}`);
  }
  await connection.run(`UPDATE assay_projection SET file_version = ${FILE_VERSION}`);
}

/** The SELECT of a derived table for the events in (after, upTo]; literals, so that row groups are skipped. */
export function between({ select }: DerivedTable, after: number, upTo: number): string {
  return select.replaceAll(AFTER, String(after)).replaceAll(UP_TO, String(upTo));
}

/** Position of the last event. */
export async function positionOf(connection: DuckDBConnection): Promise<number> {
  const [head] = await rows<{ position: number }>(connection, 'SELECT position FROM assay_projection');
  if (head === undefined) throw new Error('the table assay_projection is empty');
  return head.position;
}

async function versionOf(connection: DuckDBConnection): Promise<number | undefined> {
  const [head] = await rows<{ version: number }>(
    connection,
    'SELECT file_version AS version FROM assay_projection',
  );
  return head?.version;
}

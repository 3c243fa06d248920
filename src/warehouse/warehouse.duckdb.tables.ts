/** The tables of a DuckDB file: made where there are none, completed where an older service made them. */
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

/** Inside a transaction of the caller. A derived table that is added holds the rows of the events that are there. */
export async function bringUpToDate(connection: DuckDBConnection, { derived }: FileSchema): Promise<void> {
  const there = await rows<{ name: string }>(
    connection,
    `SELECT table_name AS name FROM duckdb_tables() WHERE database_name = 'warehouse'`,
  );
  if (there.length === 0) for (const statement of CREATE_TABLES) await connection.run(statement);
  const position = await positionOf(connection);
  for (const table of derived) {
    if (there.some(({ name }) => name === `${table.name}_sealed`)) continue;
    await connection.run(`CREATE TABLE ${table.name}_sealed AS ${between(table, 0, position)}`);
  }
  await connection.run(
    `UPDATE assay_projection SET file_version = ${FILE_VERSION} WHERE file_version < ${FILE_VERSION}`,
  );
}

/** The SELECT of a derived table for the events in (after, upTo]; literals, so that row groups are skipped. */
export function between(table: DerivedTable, after: number, upTo: number): string {
  return table.select.replaceAll(AFTER, String(after)).replaceAll(UP_TO, String(upTo));
}

/** Position of the last event. */
export async function positionOf(connection: DuckDBConnection): Promise<number> {
  const [head] = await rows<{ position: number }>(connection, 'SELECT position FROM assay_projection');
  if (head === undefined) throw new Error('the table assay_projection is empty');
  return head.position;
}

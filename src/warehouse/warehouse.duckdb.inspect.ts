/** What a DuckDB file is, found out without writing to it: ours, another application's, or a newer version's. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { rows } from './warehouse.duckdb.rows.js';
import { FILE_VERSION } from './warehouse.duckdb.schema.js';

/**
 * Looks at a file before anything is written to it.
 * @throws Error FOREIGN, NEWER with the version, or what DuckDB says when it cannot read the file
 */
export async function inspect(connection: DuckDBConnection, path: string): Promise<void> {
  await connection.run(`ATTACH ${literal(path)} AS inspected (TYPE duckdb, READ_ONLY)`);
  try {
    const tables = await rows<{ name: string }>(
      connection,
      `SELECT table_name AS name FROM duckdb_tables() WHERE database_name = 'inspected'`,
    );
    if (tables.length === 0) return;
    if (!tables.some(({ name }) => name === 'assay_projection')) throw new Error('FOREIGN');
    const [found] = await rows<{ version: number }>(
      connection,
      'SELECT file_version AS version FROM inspected.assay_projection',
    );
    if ((found?.version ?? 0) > FILE_VERSION) throw new Error(`NEWER ${found?.version}`);
  } finally {
    await connection.run('DETACH inspected');
  }
}

/** Text as a SQL literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

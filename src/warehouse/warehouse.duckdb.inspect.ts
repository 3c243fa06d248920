/** What a DuckDB file is, found out without writing to it: ours, another application's, or a newer version's. */
import { statSync } from 'node:fs';
import type { DuckDBConnection } from '@duckdb/node-api';
import { rows } from './warehouse.duckdb.rows.js';
import { FILE_VERSION } from './warehouse.duckdb.schema.js';

/** Three headers come before the blocks of a file, bytes; the size of a block. */
const HEADERS = 3 * 4096;
const BLOCK = 262_144;

/**
 * Looks at a file before anything is written to it.
 * @throws Error FOREIGN, NEWER with the version, CUT SHORT, or what DuckDB says when it cannot read the file
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
    for (const { name } of tables) await unlessCutShort(connection, path, name);
  } finally {
    await connection.run('DETACH inspected');
  }
}

/** DuckDB opens a file that has lost its end and fails when somebody asks for what was there. */
async function unlessCutShort(connection: DuckDBConnection, path: string, table: string): Promise<void> {
  const [found] = await rows<{ last: number | null }>(
    connection,
    `SELECT MAX(block_id) AS last FROM pragma_storage_info(${literal(`inspected.main.${table}`)})`,
  );
  const end = HEADERS + ((found?.last ?? -1) + 1) * BLOCK;
  if (end > statSync(path).size) throw new Error('CUT SHORT');
}

/** Text as a SQL literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

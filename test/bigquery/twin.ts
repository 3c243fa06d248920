/** The dialect of BigQuery's storage over DuckDB: what the local server runs instead of what it was sent. */
import { bigquery, type Dialect, duckdb } from '#assay/warehouse/sql.js';
import type { StorageDialect } from '#assay/warehouse/warehouse.bigquery.dialect.js';

const COLUMN_TYPES = { text: 'VARCHAR', integer: 'BIGINT', timestamp: 'TIMESTAMPTZ', json: 'VARCHAR' };

/** Over one dataset, which is a schema. */
export function twin(dataset: string): StorageDialect {
  const table = (name: string) => `"${dataset}".${duckdb.table(name)}`;
  const dialect: Dialect = {
    ...duckdb,
    table,
    // The default stream may hold a row twice.
    eachOnce: (key, order) => bigquery(dataset).eachOnce(key, order),
    isReadable: (column) => `${column} IS NOT NULL`,
    payloadDigest: () => 'payload_digest',
  };
  return {
    ...dialect,
    columnType: (type) => COLUMN_TYPES[type],
    moment: (time) => `TIMESTAMPTZ '${time}'`,
    layout: () => '',
    expire: (name, days) => `COMMENT ON TABLE ${table(name)} IS 'expires in ${days} days'`,
  };
}

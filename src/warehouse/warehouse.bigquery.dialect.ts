/** What the statements of the BigQuery adapter need beside the common dialect: how tables are laid out. */
import { bigquery, type Dialect } from './sql.js';

export type ColumnType = 'text' | 'integer' | 'timestamp' | 'json';

/** How a table is cut and sorted, so that a question reads only its part. */
export interface Layout {
  /** Timestamp column, and the stretch of time that one partition holds. */
  partition?: { column: string; by: 'DAY' | 'MONTH' };
  /** Up to four columns. */
  sortedBy?: readonly string[];
  /** Refuse a statement that would read every partition. */
  requiresFilter?: boolean;
}

/** A value that is written into a statement as it is: a whole number, or text of digits and such. */
export type Literal = number | string;

export interface StorageDialect extends Dialect {
  columnType(type: ColumnType): string;
  /** A moment, as RFC 3339 text. */
  moment(time: Literal): string;
  /** What stands between a table's columns and its rows in CREATE TABLE. */
  layout(layout: Layout): string;
  /** A statement after which a table goes away by itself. */
  expire(table: string, days: number): string;
}

const COLUMN_TYPES: Record<ColumnType, string> = {
  text: 'STRING',
  integer: 'INT64',
  timestamp: 'TIMESTAMP',
  json: 'JSON',
};

/** GoogleSQL with BigQuery's storage clauses, over one dataset (`project.dataset`). */
export function bigqueryStorage(dataset: string): StorageDialect {
  const sql = bigquery(dataset);
  return {
    ...sql,
    columnType: (type) => COLUMN_TYPES[type],
    moment: (time) => `TIMESTAMP '${time}'`,
    layout: ({ partition, sortedBy, requiresFilter }) =>
      [
        partition && `PARTITION BY TIMESTAMP_TRUNC(${partition.column}, ${partition.by})`,
        sortedBy && `CLUSTER BY ${sortedBy.join(', ')}`,
        requiresFilter && 'OPTIONS (require_partition_filter = TRUE)',
      ]
        .filter(Boolean)
        .join('\n'),
    expire: (table, days) =>
      `ALTER TABLE ${sql.table(table)} SET OPTIONS (expiration_timestamp = ` +
      `TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL ${days} DAY))`,
  };
}

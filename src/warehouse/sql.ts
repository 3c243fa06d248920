/** The few expressions in which the two dialects differ; every statement is written once, over these. */
export interface Dialect {
  readonly name: 'duckdb' | 'bigquery';
}

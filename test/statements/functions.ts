/**
 * Functions that BigQuery documents, as far as the statements call them; ZetaSQL knows more. Whoever needs
 * another one looks it up in BigQuery's reference and adds it here.
 */
export const BIGQUERY_FUNCTIONS: ReadonlySet<string> = new Set([
  // aggregate and window
  'approx_quantiles',
  'array_agg',
  'bit_xor',
  'count',
  'countif',
  'max',
  'min',
  'row_number',
  'sum',
  // conditional
  'coalesce',
  'if',
  'nullif',
  // hash
  'farm_fingerprint',
  'md5',
  // JSON
  'json_query',
  'json_query_array',
  'json_value',
  'to_json_string',
  // mathematical
  'div',
  'round',
  'safe_divide',
  // string
  'concat',
  'split',
  'substr',
  'to_hex',
  // array
  'array_length',
  // time
  'current_timestamp',
  'format_timestamp',
  'timestamp_add',
  'timestamp_millis',
  'timestamp_trunc',
  'unix_millis',
]);

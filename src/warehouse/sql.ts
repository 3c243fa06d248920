/**
 * The few expressions in which the two dialects differ. Every statement is written once, as a function of a
 * `Dialect`; what both engines understand alike (IF, QUALIFY, windows, INT64, STRING) is written out in the
 * statement itself.
 *
 * Not to be used in a statement, because the engines differ silently: division by zero (write `safeDivide`),
 * COUNTIF (write `countIf`), GREATEST and LEAST over NULLs, a column named `at`, JSON functions outside of
 * `json` and its readers.
 */

/** Fields that a statement reads from a payload; `json` keeps a part as JSON text. */
export interface JsonShape {
  readonly [field: string]: 'text' | 'number' | 'boolean' | 'json' | JsonShape | readonly [JsonShape];
}

export type TimeUnit = 'hour' | 'day';

export interface Dialect {
  readonly name: 'duckdb' | 'bigquery';

  /** One of the warehouse's tables or views. */
  table(name: string): string;
  /** A named parameter. */
  param(name: string): string;

  /** Timestamp from whole milliseconds since 1970. */
  fromMillis(millis: string): string;
  /** Whole milliseconds since 1970 of a timestamp. */
  toMillis(timestamp: string): string;
  /** Start of the UTC hour or day. */
  truncate(unit: TimeUnit, timestamp: string): string;
  /** `YYYY-MM-DD` of a timestamp, in UTC. */
  day(timestamp: string): string;

  /** A payload column, ready for the readers below; select it `AS j`. NULL when it cannot be read. */
  json(column: string, shape: JsonShape): string;
  /** Whether a payload column can be read at all. */
  isReadable(column: string): string;
  text(json: string, ...path: string[]): string;
  number(json: string, ...path: string[]): string;
  /** A number rounded to a whole one. */
  integer(json: string, ...path: string[]): string;
  boolean(json: string, ...path: string[]): string;
  /** A part of the payload as JSON text; NULL when it is missing or null. */
  jsonText(json: string, ...path: string[]): string;
  /** A part of the payload to be kept in a column, for `scoreIn`; NULL when it is missing. */
  jsonPart(json: string, ...path: string[]): string;
  /**
   * A number in [0, 1] out of a column of `jsonPart`, by the names of fields on the way to it; true is 1, false
   * 0. NULL for every other value, a text that looks like a number among them.
   */
  scoreIn(column: string, path: readonly string[]): string;
  /** The field `candidates` as ARRAY<STRUCT<rank INT64, label STRING, confidence FLOAT64>>, rank from 0. */
  candidates(json: string): string;

  /** A field of the first element of an array of structs; NULL when it is empty. */
  first(array: string, field: string): string;
  /** A field of the element at a 0-based place; NULL beyond the end. */
  at(array: string, place: string, field: string): string;
  length(array: string): string;
  /** Lowest rank of the candidates with exactly this label; NULL when there is none. */
  rankOf(candidates: string, label: string): string;

  /**
   * QUALIFY clause that keeps one row of each key, where the engine may hold an event twice; empty where the
   * adapter keeps repeats out.
   */
  eachOnce(key: string, order: string): string;

  struct(fields: Record<string, string>): string;
  /** Aggregate: the value of the row that comes first in this order. */
  firstBy(value: string, order: string): string;
  /** Aggregate: in how many rows this holds; 0 when it is NULL in all of them. */
  countIf(condition: string): string;
  /** Aggregate: a quantile, exact or approximate as the engine has it. */
  quantile(value: string, share: number): string;
  /** NULL where the divisor is 0. */
  safeDivide(dividend: string, divisor: string): string;
  /** Whole quotient of two integers, towards zero. */
  quotient(dividend: string, divisor: string): string;
  /** A number that stands for a text within one statement, to group by. */
  fingerprint(text: string): string;
  /** Aggregate: checksum over whole rows of a table, whatever their order; only good within one engine. */
  rowsChecksum(alias: string): string;

  /** FROM item: the lines of a text, in a column `line`. */
  lines(text: string): string;

  /** The first 52 bits of the MD5 of a text, as an integer: the same number everywhere. */
  digest(text: string): string;
  /** `digest` of the payload column as it was when the event was accepted. */
  payloadDigest(): string;
}

/** A name as it may stand in a statement unquoted, or as a path into JSON. */
function plain(name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new Error(`not a plain name: ${name}`);
  return name;
}

/**
 * JSONPath to a field of objects, the same in both engines: every name quoted, none of them with a quote or a
 * backslash in it.
 */
function quotedPath(path: readonly string[]): string {
  const steps = path.map((step) => {
    if (!/^[A-Za-z_][A-Za-z0-9_.:-]*$/.test(step)) throw new Error(`not a plain field: ${step}`);
    return `."${step}"`;
  });
  return `'$${steps.join('')}'`;
}

/** From the JSON text of a value, which both engines write alike; a string in it keeps its quotes. */
function scoreFrom(text: string, number: string): string {
  return (
    `CASE WHEN ${text} = 'true' THEN 1.0 WHEN ${text} = 'false' THEN 0.0 ` +
    `WHEN ${number} >= 0 AND ${number} <= 1 THEN ${number} END`
  );
}

function fieldsOf(fields: Record<string, string>, write: (value: string, name: string) => string): string {
  return Object.entries(fields)
    .map(([name, value]) => write(value, plain(name)))
    .join(', ');
}

const DUCKDB_JSON_TYPES = { text: 'VARCHAR', number: 'DOUBLE', boolean: 'BOOLEAN', json: 'JSON' } as const;

/** The structure that DuckDB's from_json takes: the shape with DuckDB's type names in it. */
function structureOf(shape: JsonShape): Record<string, unknown> {
  return Object.fromEntries<unknown>(
    Object.entries(shape).map(([field, type]) => {
      if (typeof type === 'string') return [plain(field), DUCKDB_JSON_TYPES[type]];
      return [plain(field), isArrayShape(type) ? [structureOf(type[0])] : structureOf(type)];
    }),
  );
}

function isArrayShape(shape: JsonShape | readonly [JsonShape]): shape is readonly [JsonShape] {
  return Array.isArray(shape);
}

const dotted = (json: string, path: string[]) => [json, ...path.map(plain)].join('.');

export const duckdb: Dialect = {
  name: 'duckdb',
  table: plain,
  param: (name) => `$${plain(name)}`,

  fromMillis: (millis) => `make_timestamptz(CAST(${millis} AS BIGINT) * 1000)`,
  toMillis: (timestamp) => `epoch_ms(${timestamp})`,
  truncate: (unit, timestamp) => `date_trunc('${unit}', ${timestamp})`,
  day: (timestamp) => `CAST(CAST(${timestamp} AS DATE) AS VARCHAR)`,

  // A payload that cannot be read must not stop every later rebuild, hence TRY.
  json: (column, shape) => `TRY(from_json(${column}, '${JSON.stringify(structureOf(shape))}'))`,
  isReadable: (column) => `json_valid(${column})`,
  text: (json, ...path) => dotted(json, path),
  number: (json, ...path) => dotted(json, path),
  integer: (json, ...path) => `TRY_CAST(round(${dotted(json, path)}) AS BIGINT)`,
  boolean: (json, ...path) => dotted(json, path),
  jsonText: (json, ...path) => `CAST(${dotted(json, path)} AS VARCHAR)`,
  jsonPart: (json, ...path) => duckdb.jsonText(json, ...path),
  scoreIn: (column, path) => {
    const text = `CAST(json_extract(${column}, ${quotedPath(path)}) AS VARCHAR)`;
    return scoreFrom(text, `TRY_CAST(${text} AS DOUBLE)`);
  },
  candidates: (json) =>
    `list_transform(coalesce(${json}.candidates, []), ` +
    `lambda c, i: {rank: CAST(i - 1 AS BIGINT), label: c.label, confidence: c.confidence})`,

  first: (array, field) => `${array}[1].${plain(field)}`,
  at: (array, place, field) => `${array}[${place} + 1].${plain(field)}`,
  length: (array) => `len(${array})`,
  rankOf: (candidates, label) =>
    `list_min(list_transform(list_filter(${candidates}, lambda one: one.label = ${label}), lambda one: one.rank))`,

  // A window over nothing but unique rows costs a third of the derivation.
  eachOnce: () => '',

  struct: (fields) => `{${fieldsOf(fields, (value, name) => `${name}: ${value}`)}}`,
  firstBy: (value, order) => `first(${value} ORDER BY ${order})`,
  // COUNTIF is NULL here where the condition is NULL in every row.
  countIf: (condition) => `COUNT(*) FILTER (WHERE ${condition})`,
  quantile: (value, share) => `quantile_disc(${value}, ${share})`,
  safeDivide: (dividend, divisor) => `((${dividend}) / NULLIF(${divisor}, 0))`,
  quotient: (dividend, divisor) => `((${dividend}) // (${divisor}))`,
  fingerprint: (text) => `hash(${text})`,
  rowsChecksum: (alias) => `CAST(bit_xor(hash(${alias})) AS VARCHAR)`,

  lines: (text) => `unnest(string_split(${text}, chr(10))) AS lines(line)`,

  digest: (text) => `CAST('0x' || substr(md5(${text}), 1, 13) AS BIGINT)`,
  payloadDigest: () => duckdb.digest('payload'),
};

const jsonPath = (path: string[]) => `'$${path.map((step) => `.${plain(step)}`).join('')}'`;
const jsonValue = (json: string, path: string[]) => `JSON_VALUE(${json}, ${jsonPath(path)})`;

/** GoogleSQL of 2023 over the tables of one dataset (`project.dataset` or `dataset`). */
export function bigquery(dataset: string): Dialect {
  const digest = (text: string) => `CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(${text})), 1, 13)) AS INT64)`;
  return {
    name: 'bigquery',
    table: (name) => `\`${dataset}.${plain(name)}\``,
    param: (name) => `@${plain(name)}`,

    fromMillis: (millis) => `TIMESTAMP_MILLIS(${millis})`,
    toMillis: (timestamp) => `UNIX_MILLIS(${timestamp})`,
    truncate: (unit, timestamp) => `TIMESTAMP_TRUNC(${timestamp}, ${unit.toUpperCase()})`,
    day: (timestamp) => `FORMAT_TIMESTAMP('%F', ${timestamp})`,

    json: (column) => column,
    isReadable: (column) => `${column} IS NOT NULL`,
    text: (json, ...path) => jsonValue(json, path),
    number: (json, ...path) => `SAFE_CAST(${jsonValue(json, path)} AS FLOAT64)`,
    integer: (json, ...path) => `SAFE_CAST(ROUND(SAFE_CAST(${jsonValue(json, path)} AS FLOAT64)) AS INT64)`,
    boolean: (json, ...path) => `SAFE_CAST(${jsonValue(json, path)} AS BOOL)`,
    // TO_JSON_STRING writes `null` for a field that is not there, too.
    jsonText: (json, ...path) => `NULLIF(TO_JSON_STRING(JSON_QUERY(${json}, ${jsonPath(path)})), 'null')`,
    jsonPart: (json, ...path) => `JSON_QUERY(${json}, ${jsonPath(path)})`,
    scoreIn: (column, path) => {
      const text = `TO_JSON_STRING(JSON_QUERY(${column}, ${quotedPath(path)}))`;
      return scoreFrom(text, `SAFE_CAST(${text} AS FLOAT64)`);
    },
    candidates: (json) =>
      `ARRAY(SELECT AS STRUCT o AS rank, JSON_VALUE(c, '$.label') AS label, ` +
      `SAFE_CAST(JSON_VALUE(c, '$.confidence') AS FLOAT64) AS confidence ` +
      `FROM UNNEST(JSON_QUERY_ARRAY(${json}, '$.candidates')) AS c WITH OFFSET AS o ORDER BY o)`,

    first: (array, field) => `${array}[SAFE_OFFSET(0)].${plain(field)}`,
    at: (array, place, field) => `${array}[SAFE_OFFSET(${place})].${plain(field)}`,
    length: (array) => `ARRAY_LENGTH(${array})`,
    rankOf: (candidates, label) =>
      `(SELECT MIN(one.rank) FROM UNNEST(${candidates}) AS one WHERE one.label = ${label})`,

    eachOnce: (key, order) => `QUALIFY ROW_NUMBER() OVER (PARTITION BY ${key} ORDER BY ${order}) = 1`,

    struct: (fields) => `STRUCT(${fieldsOf(fields, (value, name) => `${value} AS ${name}`)})`,
    firstBy: (value, order) => `ARRAY_AGG(${value} ORDER BY ${order} LIMIT 1)[OFFSET(0)]`,
    countIf: (condition) => `COUNTIF(${condition})`,
    quantile: (value, share) => `APPROX_QUANTILES(${value}, 1000)[OFFSET(${Math.round(share * 1000)})]`,
    safeDivide: (dividend, divisor) => `SAFE_DIVIDE(${dividend}, ${divisor})`,
    quotient: (dividend, divisor) => `DIV(${dividend}, ${divisor})`,
    fingerprint: (text) => `FARM_FINGERPRINT(${text})`,
    rowsChecksum: (alias) => `CAST(BIT_XOR(FARM_FINGERPRINT(TO_JSON_STRING(${alias}))) AS STRING)`,

    lines: (text) => `UNNEST(SPLIT(${text}, '\\n')) AS line`,

    digest,
    // Streamed JSON does not keep its bytes: the writer stores the digest beside it.
    payloadDigest: () => 'payload_digest',
  };
}

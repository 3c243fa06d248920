/** Whether two engines gave the same rows, whatever their order. */
import type { Row, Value } from '../googlesql/values.js';

/** Sums are added up in another order by another engine. */
const RELATIVE_TOLERANCE = 1e-9;

/** Rows of the one that the other does not have, side by side; empty when both gave the same. */
export function differingRows(googlesql: readonly Row[], duckdb: readonly Row[]) {
  const one = sorted(googlesql);
  const other = sorted(duckdb);
  const rows = Array.from({ length: Math.max(one.length, other.length) }, (_, index) => ({
    googlesql: one[index] ?? null,
    duckdb: other[index] ?? null,
  }));
  return rows.filter((row) => !isSame(row.googlesql, row.duckdb)).slice(0, 3);
}

function sorted(rows: readonly Row[]): Row[] {
  const keyed = rows.map((row) => [JSON.stringify(row, coarse), row] as const);
  return keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, row]) => row);
}

/** Fractions to six digits, and the fields of a row in order of their names. */
function coarse(_: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isInteger(value)) return Number(value.toPrecision(6));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function isSame(one: Value, other: Value): boolean {
  if (typeof one === 'number' && typeof other === 'number') {
    return (
      one === other || Math.abs(one - other) <= RELATIVE_TOLERANCE * Math.max(Math.abs(one), Math.abs(other))
    );
  }
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, index) => isSame(value, other[index] ?? null));
  }
  if (isObject(one) && isObject(other)) {
    const names = Object.keys(one);
    return (
      names.length === Object.keys(other).length &&
      names.every((name) => name in other && isSame(one[name] ?? null, other[name] ?? null))
    );
  }
  return one === other;
}

const isObject = (value: Value): value is Record<string, Value> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A type of DuckDB as GoogleSQL has it: `STRUCT(rank BIGINT)[]` is ARRAY<STRUCT<rank INT64>>. */
export function typeInGoogleSql(duckdb: string): string {
  const list = /^(.*)\[\]$/s.exec(duckdb);
  if (list?.[1] !== undefined) return `ARRAY<${typeInGoogleSql(list[1])}>`;
  const struct = /^STRUCT\((.*)\)$/s.exec(duckdb);
  if (struct?.[1] !== undefined) {
    const fields = struct[1].split(', ').map((field) => {
      const [, name, type] = /^"?(\w+)"? (.*)$/.exec(field) ?? [];
      return `${name} ${typeInGoogleSql(type ?? '')}`;
    });
    return `STRUCT<${fields.join(', ')}>`;
  }
  return SCALARS[duckdb] ?? duckdb;
}

const SCALARS: Record<string, string> = {
  VARCHAR: 'STRING',
  BIGINT: 'INT64',
  INTEGER: 'INT64',
  HUGEINT: 'INT64',
  DOUBLE: 'FLOAT64',
  BOOLEAN: 'BOOL',
  'TIMESTAMP WITH TIME ZONE': 'TIMESTAMP',
};

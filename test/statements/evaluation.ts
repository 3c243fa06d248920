/** The same statements run by both engines over the same log. */
import { seriesStatement, totalsStatement } from '#assay/quality/questions.js';
import { bucketsStatement, predictedAtStatement } from '#assay/verdict/cells.js';
import { pairsStatement, speedStatement } from '#assay/verdict/challenger-pairs.js';
import type { StorageDialect } from '#assay/warehouse/warehouse.bigquery.dialect.js';
import {
  derivedRows,
  EVER,
  type Seal,
  type StorageStatement,
} from '#assay/warehouse/warehouse.bigquery.schema.js';
import { sealRows } from '#assay/warehouse/warehouse.bigquery.statements.js';
import type { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import type { Derivation, Parameters, Statement } from '#assay/warehouse/warehouse.js';
import { DAY } from '../histories.js';
import { type Row, type SqlType, typeName, type Value } from '../googlesql/values.js';
import type { Catalogue, Contents, ParameterTypes, ZetaSql } from '../googlesql/zetasql.js';
import { typeInGoogleSql } from './same-rows.js';
import { DATASET, googlesql, PAIRS_POLICIES, POLICIES } from './statements.js';

/**
 * GoogleSQL for the evaluator, which has no APPROX_QUANTILES: the quantile is the value at its place among those
 * in order, as DuckDB has it. The statements themselves are analysed as they are sent.
 */
export const evaluable: StorageDialect = {
  ...googlesql,
  quantile: (value, share) =>
    `ARRAY_AGG(${value} IGNORE NULLS ORDER BY ${value})` +
    `[SAFE_OFFSET(CAST(CEIL(COUNT(${value}) * ${share}) AS INT64) - 1)]`,
};

export interface Answer {
  columns: Record<string, string>;
  rows: Row[];
}

/** A statement with what to ask it. */
export interface Question {
  name: string;
  statement: Statement;
  parameters: Parameters;
}

const HOUR = 3_600_000;

/** Every question of quality and verdict, over stretches of time that cut through the fixtures. */
export function askedQuestions(): Question[] {
  const asked = { predictor: 'p', from: DAY, to: DAY + 24 * HOUR };
  const ofCanary = { predictor: 'p', baseline: 'v1', canary: 'v2' };
  return [
    ...(['hour', 'day'] as const).flatMap((interval) => [
      {
        name: `series by ${interval}`,
        statement: seriesStatement(interval, false),
        parameters: { ...asked, from: Date.UTC(1900, 0, 1) },
      },
      {
        name: `series by ${interval}, one version`,
        statement: seriesStatement(interval, true),
        parameters: { ...asked, from: DAY + 300_000, version: 'v2' },
      },
    ]),
    { name: 'totals', statement: totalsStatement(false), parameters: asked },
    {
      name: 'totals, one version',
      statement: totalsStatement(true),
      parameters: { ...asked, version: 'v3' },
    },
    ...Object.entries(POLICIES).flatMap(([policy, cells]) =>
      [DAY, DAY + 450_000].map((since) => ({
        name: `canary buckets, ${policy}, since ${since - DAY}`,
        statement: bucketsStatement(cells),
        parameters: { ...ofCanary, since, labelsSince: since - 24 * HOUR },
      })),
    ),
    ...Object.entries(POLICIES).map(([policy, cells]) => {
      const [from, to] = [1, 2].map((nth) => DAY + nth * cells.bucketSeconds * 1000) as [number, number];
      return {
        name: `some canary buckets, ${policy}`,
        statement: bucketsStatement(cells, true),
        parameters: {
          ...ofCanary,
          since: DAY,
          labelsSince: DAY - 24 * HOUR,
          from,
          buckets: `${from}\n${to}`,
        },
      };
    }),
    {
      name: 'when predictions were made',
      statement: predictedAtStatement,
      parameters: { predictor: 'p', ids: 'id-0\nid-3\nid-7\nnone' },
    },
    ...Object.entries(PAIRS_POLICIES).map(([policy, terms]) => ({
      name: `challenger pairs, ${policy}`,
      statement: pairsStatement(terms),
      parameters: {
        predictor: 'p',
        baseline: 'v1',
        challenger: 'v9',
        since: DAY,
        skewedSince: DAY - 24 * HOUR,
      },
    })),
    {
      name: 'challenger speed',
      statement: speedStatement,
      parameters: { predictor: 'p', challenger: 'v9', since: DAY },
    },
  ];
}

export class BothEngines {
  constructor(
    private readonly zetasql: ZetaSql,
    private readonly catalogue: Catalogue,
    private readonly warehouse: DuckDbWarehouse,
  ) {}

  async inDuckDb(statement: Statement, parameters: Parameters = {}): Promise<Answer> {
    const described = await this.warehouse.query<{ column_name: string; column_type: string }>(
      (sql) => `SELECT column_name, column_type FROM (DESCRIBE ${statement(sql)})`,
      parameters,
    );
    const columns = described.map(({ column_name, column_type }) => [
      column_name,
      typeInGoogleSql(column_type),
    ]);
    const rows = await this.warehouse.query<Row>(statement, parameters);
    return { columns: Object.fromEntries(columns) as Record<string, string>, rows: rows.map(jsonRead) };
  }

  async inGoogleSql(
    statement: StorageStatement,
    contents: Contents,
    parameters: Parameters = {},
  ): Promise<Answer> {
    const { columns, rows } = await this.zetasql.evaluate(
      statement(evaluable).trim(),
      this.catalogue,
      contents,
      typesOf(parameters),
      parameters,
    );
    return {
      columns: Object.fromEntries(columns.map(({ name, type }) => [name, keptAs(type)])),
      rows: rows.map(jsonRead),
    };
  }

  /**
   * Rows of a derived table: up to a position those that sealing inserted, behind it derived by the view. In
   * pieces of whole streams, since the evaluator goes through a subquery again for every row.
   */
  async derived(derivation: Derivation, events: readonly Row[], split: Split): Promise<Answer> {
    const pieces = inPieces(events);
    const derived = await Promise.all(pieces.map((piece) => this.derivedOf(derivation, piece, split)));
    return { columns: derived[0]?.columns ?? {}, rows: derived.flatMap(({ rows }) => rows) };
  }

  private async derivedOf(derivation: Derivation, events: readonly Row[], split: Split): Promise<Answer> {
    const contents = new Map([[`${DATASET}.events`, events]]);
    const everything = { generation: 1, sealedTo: 0, tailFrom: EVER, streamsFrom: EVER };
    const sealing = sealRows(derivation, { ...everything, upTo: split.sealedUpTo })(googlesql).trim();
    const { table, rows } = await this.zetasql.changes(sealing, this.catalogue, contents);
    const seal: Seal = { ...everything, sealedTo: split.seenUpTo, tailFrom: split.tailFrom };
    const sealed = rows.map(({ cells }) => cells);
    return this.inGoogleSql(derivedRows(derivation, seal), new Map([...contents, [table, sealed]]));
  }
}

/** Events that a piece has at most, give or take a stream. */
const PIECE = 14;

function inPieces(events: readonly Row[]): Row[][] {
  const pieces = Math.ceil(events.length / PIECE);
  const streams = [...new Set(events.map(({ stream }) => stream))];
  const pieceOf = new Map(streams.map((stream, at) => [stream, at % pieces]));
  return Array.from({ length: pieces }, (_, piece) =>
    events.filter(({ stream }) => pieceOf.get(stream ?? null) === piece),
  );
}

/** JSON text is read: BigQuery does not keep the order of an object's fields. */
function jsonRead(row: Row): Row {
  const read = { ...row };
  for (const name of ['split', 'metadata']) {
    const text = read[name];
    if (typeof text === 'string') read[name] = JSON.parse(text) as Value;
  }
  return read;
}

/** Name of a type as DuckDB keeps it: JSON is text there. */
function keptAs(type: SqlType): string {
  return typeName(type).replace('JSON', 'STRING');
}

/** Where a derived table is cut in two. */
export interface Split {
  /** Rows of events up to this position are taken from the sealed table, */
  seenUpTo: number;
  /** in which there are already those up to this one. */
  sealedUpTo: number;
  /** When the first event behind was recorded, RFC 3339. */
  tailFrom: string;
}

function typesOf(parameters: Parameters): ParameterTypes {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name, typeof value === 'string' ? 'STRING' : 'INT64']),
  );
}

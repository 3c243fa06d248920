/**
 * The port to the warehouse: one table `events` that is appended to, and tables and views derived from it by
 * SQL (projection/derivations.ts). test/contract/warehouse.ts checks every adapter.
 */
import type { StoredEvent } from '../event/envelope.js';
import type { Dialect } from './sql.js';

/** DI token of the warehouse in use. */
export const WAREHOUSE = Symbol('Warehouse');

/** A statement written once, rendered for the warehouse that runs it. */
export type Statement = (sql: Dialect) => string;

/** Named parameters of a statement; dates go in as milliseconds through the dialect's helpers. */
export type Parameters = Record<string, string | number | boolean>;

/** Events by their position in the warehouse: after one (exclusive) and up to one (inclusive); SQL expressions. */
export interface EventRange {
  readonly after: string;
  readonly upTo?: string;
  /** Timestamps, where the engine reads by time: all events of the range were recorded at the first or later, */
  readonly recordedFrom?: string;
  /** and what else happened in their streams is looked for from the second on. */
  readonly streamsFrom?: string;
}

/**
 * A table derived from events. `${name}_sealed` keeps the rows of the events up to a position; the view under
 * the name itself shows them, and derives those of the events behind it where an adapter seals later than it
 * appends. The one SELECT serves all of it, and the rebuild.
 */
export interface Derivation {
  readonly name: string;
  /** Types of the events it is derived from; others give no row. */
  readonly types: readonly string[];
  /** Timestamp column by whose UTC day two generations are compared. */
  readonly dayColumn: string;
  /** Columns by which questions look for rows, up to four, where the engine keeps them sorted. */
  readonly sortedBy: readonly string[];
  readonly select: (range: EventRange) => Statement;
}

/** A view under a name that users know. */
export interface View {
  readonly name: string;
  readonly select: Statement;
}

/** All that a warehouse holds beside `events`, each view after those it uses. */
export interface Projection {
  readonly derivations: readonly Derivation[];
  readonly views: readonly View[];
}

/** How far the projection is. */
export interface WarehouseHead {
  /** Position in the store up to which events were taken; null while it is empty. */
  checkpoint: string | null;
  /** Events in the warehouse, each counted once. */
  events: number;
  /** When the youngest of them was recorded by the store, milliseconds; null while it is empty. */
  recordedAt: number | null;
}

/** Rows of each derived table and a checksum over its content, per UTC day of the prediction or correction. */
export interface DerivedDay {
  table: string;
  /** `YYYY-MM-DD` */
  day: string;
  rows: number;
  checksum: string;
}

/** Count and order-independent checksum of the events recorded in one UTC hour. */
export interface EventBucket {
  /** Start of the hour, milliseconds. */
  hour: number;
  events: number;
  checksum: string;
}

/** What the warehouse holds of the log, at one moment. */
export interface EventInventory {
  checkpoint: string | null;
  /** The warehouse's own count up to which the buckets go; for `forgetEvents`. */
  position: number;
  buckets: EventBucket[];
}

/** `derived` is what the derivation gives now, null on the one side means that there were no rows that day. */
export interface DerivedDifference {
  table: string;
  day: string;
  sealed: DerivedDay | null;
  derived: DerivedDay | null;
}

/** A copy of the log that can be asked in SQL; all of it can be derived anew from the store. */
export interface Warehouse {
  /** What and where it is, for people: `duckdb:./data/warehouse.duckdb`. Holds no secret. */
  readonly location: string;

  /** Makes a template readable for tests and snapshots: the dialect in which this warehouse runs. */
  readonly dialect: Dialect;

  head(): Promise<WarehouseHead>;

  /**
   * Takes events of the log and the checkpoint behind them in one step: after a crash either both are there
   * or neither. The same events again (by stream and revision) change nothing. Derived rows are visible when
   * it resolves.
   * @param events 0 to 10,000, in the order of the log
   * @param checkpoint null leaves it as it is: events are filled in that had been missing
   */
  append(events: readonly StoredEvent[], checkpoint: string | null): Promise<void>;

  /** Runs a question. Numbers come back as numbers, times as milliseconds, structs and lists as such. */
  query<Row>(statement: Statement, parameters?: Parameters): Promise<Row[]>;

  /**
   * Derives every sealed table anew from `events`, beside the ones in use, while appends and queries go on.
   * Compares both; `differences` lists the days on which they were not the same.
   */
  deriveGeneration(): Promise<{ rows: Record<string, number>; differences: DerivedDifference[] }>;

  /** Puts the derived generation in the place of the present one, with what arrived meanwhile, in one step. */
  swapGeneration(): Promise<void>;

  /** Throws the derived generation away. */
  discardGeneration(): Promise<void>;

  /** Count and checksum (digest.ts) of the events per UTC hour in which the store took them. */
  eventInventory(): Promise<EventInventory>;

  /**
   * Drops the events of one hour with what was derived from them, so that they can be appended afresh.
   * @param hour start of the hour, milliseconds
   * @param upTo position of the inventory that found them wrong: younger events stay
   */
  forgetEvents(hour: number, upTo: number): Promise<void>;

  /** Forgets everything: the next append starts from the beginning of the log. */
  clear(): Promise<void>;

  close(): Promise<void>;
}

/** The warehouse cannot answer now and may recover. */
export class WarehouseUnavailable extends Error {
  override readonly name = 'WarehouseUnavailable';
}

/** The file or dataset is there but cannot be used: damaged, foreign, or of a newer service. */
export class UnusableWarehouse extends Error {
  override readonly name = 'UnusableWarehouse';
}

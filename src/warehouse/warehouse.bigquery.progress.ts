/** How far the projection into BigQuery is: one row of the table `assay_projection`. Pure. */
import type { Row } from './warehouse.bigquery.rows.js';
import type { Seal } from './warehouse.bigquery.schema.js';

export interface Progress {
  /** Of the rows the one with the greatest holds. */
  readonly ordinal: number;
  /** Tells this dataset from one of the same name that was deleted: part of the ids of its jobs. */
  readonly incarnation: string;
  readonly checkpoint: string | null;
  /** Of the last event that is acknowledged: positions are given in the order of the log, from 1. */
  readonly position: number;
  /** Events up to it, each once. */
  readonly events: number;
  readonly recordedAt: number | null;
  /** Which tables hold the derived rows. */
  readonly generation: number;
  /** The derived rows of the events up to this position are in those tables. */
  readonly sealedTo: number;
  readonly sealedAt: number;
  /** The events behind `sealedTo` were recorded at this moment or later. */
  readonly tailFrom: number;
  /** A seal up to this position has begun, and must end there; null: none. */
  readonly sealingTo: number | null;
  /** `tailFrom` once it has ended. */
  readonly sealingFrom: number | null;
}

/** A row as a query gives it. */
export interface ProgressRow {
  ordinal: number;
  incarnation: string;
  checkpoint: string | null;
  position: number;
  events: number;
  recorded_at: number | null;
  generation: number;
  sealed_to: number;
  sealed_at: number;
  tail_from: number;
  sealing_to: number | null;
  sealing_from: number | null;
}

export function progressOf(row: ProgressRow): Progress {
  const { ordinal, incarnation, checkpoint, position, events, generation } = row;
  return {
    ordinal,
    incarnation,
    checkpoint,
    position,
    events,
    recordedAt: row.recorded_at,
    generation,
    sealedTo: row.sealed_to,
    sealedAt: row.sealed_at,
    tailFrom: row.tail_from,
    sealingTo: row.sealing_to,
    sealingFrom: row.sealing_from,
  };
}

export function rowOf(progress: Progress): Row {
  const time = (millis: number | null) => (millis === null ? null : micros(millis));
  const { ordinal, incarnation, checkpoint, position, events, generation } = progress;
  return {
    ordinal,
    incarnation,
    checkpoint,
    position,
    events,
    recorded_at: time(progress.recordedAt),
    generation,
    sealed_to: progress.sealedTo,
    sealed_at: time(progress.sealedAt),
    tail_from: time(progress.tailFrom),
    sealing_to: progress.sealingTo,
    sealing_from: time(progress.sealingFrom),
  };
}

/**
 * How far back the rest of a stream is looked for while rows are shown or sealed, milliseconds. Only a second
 * answer to a prediction that is older than this would count until the next rebuild, and intake refuses those.
 */
const STREAMS_MS = 30 * 86_400_000;

/** The seal that the views show. */
export function sealOf({ generation, sealedTo, tailFrom }: Progress): Seal {
  return { generation, sealedTo, tailFrom: moment(tailFrom), streamsFrom: moment(tailFrom - STREAMS_MS) };
}

function moment(millis: number): string {
  return new Date(Math.max(0, millis)).toISOString();
}

/** Milliseconds as microseconds, exactly also where a number would not be. */
export function micros(millis: number): number | string {
  const value = millis * 1000;
  return Number.isSafeInteger(value) ? value : String(BigInt(millis) * 1000n);
}

/**
 * What an event amounts to as a number, so that store and warehouse can be compared without moving the events.
 * `eventDigestSql` says the same in SQL (both engines); the contract suite holds the two together.
 */
import { createHash } from 'node:crypto';
import type { StoredEvent } from '../event/envelope.js';
import type { Dialect } from './sql.js';
import type { DerivedDay, DerivedDifference, EventBucket } from './warehouse.js';

const HOUR_MS = 3_600_000;

/** First 52 bits of the MD5 of a text: as many as a JavaScript number and an INT64 both hold. */
export function digest(text: string): number {
  return Number.parseInt(createHash('md5').update(text, 'utf8').digest('hex').slice(0, 13), 16);
}

/** Digest over everything of an event but its place in the log. */
export function eventDigest(event: StoredEvent): number {
  return digest(
    [
      event.stream,
      event.revision,
      event.id,
      event.type,
      event.schemaVersion,
      event.occurredAt,
      event.recordedAt,
      event.predictor ?? '',
      event.causationId ?? '',
      event.traceparent ?? '',
      digest(event.payload),
    ].join('|'),
  );
}

/** `eventDigest` over the columns of the table `events`. */
export function eventDigestSql(sql: Dialect): string {
  const columns = [
    'stream',
    'CAST(revision AS STRING)',
    'event_id',
    'type',
    'CAST(schema_version AS STRING)',
    `CAST(${sql.toMillis('occurred_at')} AS STRING)`,
    `CAST(${sql.toMillis('recorded_at')} AS STRING)`,
    "COALESCE(predictor, '')",
    "COALESCE(causation_id, '')",
    "COALESCE(traceparent, '')",
    `CAST(${sql.payloadDigest()} AS STRING)`,
  ];
  return sql.digest(`CONCAT(${columns.join(", '|', ")})`);
}

/** Statement: count and checksum per UTC hour of `recorded_at`. */
export function eventBucketsStatement(sql: Dialect): string {
  return eventBucketsOf(sql, sql.table('events'));
}

/** The same over something else with the columns of `events`. */
export function eventBucketsOf(sql: Dialect, events: string): string {
  return `
SELECT ${sql.toMillis('hour')} AS hour, COUNT(*) AS events, CAST(BIT_XOR(digest) AS STRING) AS checksum
FROM (
  SELECT ${sql.truncate('hour', 'recorded_at')} AS hour, ${eventDigestSql(sql)} AS digest
  FROM ${events}
) AS e
GROUP BY 1
ORDER BY 1`;
}

/** Adds events up to the buckets that `eventBucketsStatement` gives for them. */
export class EventBuckets {
  private readonly buckets = new Map<number, { events: number; high: number; low: number }>();

  add(event: StoredEvent): void {
    const hour = hourOf(event.recordedAt);
    const bucket = this.buckets.get(hour) ?? { events: 0, high: 0, low: 0 };
    const value = eventDigest(event);
    bucket.events += 1;
    // XOR works on 32 bits: two halves of 26.
    bucket.high ^= Math.floor(value / 2 ** 26);
    bucket.low ^= value % 2 ** 26;
    this.buckets.set(hour, bucket);
  }

  /** In order of time. */
  list(): EventBucket[] {
    return [...this.buckets]
      .map(([hour, { events, high, low }]) => ({ hour, events, checksum: String(high * 2 ** 26 + low) }))
      .sort((a, b) => a.hour - b.hour);
  }
}

/** Start of the UTC hour that a time lies in. */
export function hourOf(millis: number): number {
  return Math.floor(millis / HOUR_MS) * HOUR_MS;
}

/** The days on which a table in use and the same table derived anew do not hold the same rows. */
export function compareDays(sealed: DerivedDay[], derived: DerivedDay[]): DerivedDifference[] {
  const days = new Set([...sealed, ...derived].map(({ day }) => day));
  return [...days].sort().flatMap((day) => {
    const before = sealed.find((row) => row.day === day) ?? null;
    const after = derived.find((row) => row.day === day) ?? null;
    if (before?.rows === after?.rows && before?.checksum === after?.checksum) return [];
    return [{ table: (before ?? after)?.table ?? '', day, sealed: before, derived: after }];
  });
}

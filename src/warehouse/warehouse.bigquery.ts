/**
 * The warehouse in a BigQuery dataset. Events are streamed, each step of the projection leaves a row of progress
 * behind them, and everything else is derived by SQL where the data is. One process at a time appends and rebuilds;
 * any number asks. Nothing is asked of BigQuery before somebody needs it: while it is away, the service runs.
 */
import type { BigQuery } from '@google-cloud/bigquery';
import type { StoredEvent } from '../event/envelope.js';
import { Turn } from './turn.js';
import { EventRows } from './warehouse.bigquery.events.js';
import { bigqueryStorage, type StorageDialect } from './warehouse.bigquery.dialect.js';
import { explained, isMissing } from './warehouse.bigquery.failure.js';
import { Jobs } from './warehouse.bigquery.jobs.js';
import { type BigQueryWarehouseOptions, limitsOf, ROWS } from './warehouse.bigquery.limits.js';
import { earliest, keyOf, latest, RecentKeys } from './warehouse.bigquery.keys.js';
import { migrate } from './warehouse.bigquery.migrations.js';
import { type BigQueryPlace, restClient } from './warehouse.bigquery.place.js';
import { type Progress, progressOf, type ProgressRow, rowOf } from './warehouse.bigquery.progress.js';
import { RowStream } from './warehouse.bigquery.rows.js';
import { PROGRESS_COLUMNS, type StorageStatement } from './warehouse.bigquery.schema.js';
import { type Generation, Seals, tailBehind } from './warehouse.bigquery.seals.js';
import * as statements from './warehouse.bigquery.statements.js';
import {
  type DerivedDifference,
  type EventBucket,
  type EventInventory,
  type Parameters,
  type Projection,
  type Statement,
  type Warehouse,
  type WarehouseHead,
  WarehouseUnavailable,
} from './warehouse.js';
import { hourOf } from './digest.js';

const HOUR_MS = 3_600_000;
export class BigQueryWarehouse implements Warehouse {
  readonly location: string;
  readonly dialect: StorageDialect;
  private readonly client: BigQuery;
  private readonly jobs: Jobs;
  private readonly seals: Seals;
  private readonly events: EventRows;
  private readonly progressRows: RowStream;
  private readonly writing = new Turn();
  private readonly deriving = new Turn();
  private prepared: Promise<void> | null = null;
  /** As it was last read or written here; null: not known. */
  private progress: Progress | null = null;
  private recent = new RecentKeys(Infinity);
  private generation: Generation | null = null;
  /** When a seal that failed is tried again, milliseconds. */
  private sealAgainAt = 0;
  private isClosed = false;

  constructor(
    private readonly place: BigQueryPlace,
    private readonly projection: Projection,
    private readonly options: BigQueryWarehouseOptions,
  ) {
    const { project, dataset } = place;
    this.location = `bigquery:${project}.${dataset}`;
    this.dialect = bigqueryStorage(`${project}.${dataset}`);
    this.client = restClient(place);
    this.jobs = new Jobs(this.client, place, options.limits ?? limitsOf(options.maxGib));
    this.seals = new Seals(this.client, place, this.jobs, this.dialect, projection);
    const rows = options.rows ?? ROWS;
    this.events = new EventRows(place, this.jobs, rows);
    this.progressRows = new RowStream(place, 'assay_projection', PROGRESS_COLUMNS, rows);
  }

  head(): Promise<WarehouseHead> {
    return this.inTurn(async () => {
      // Another process may have been at work since.
      this.progress = null;
      const { checkpoint, events, recordedAt } = await this.known();
      return { checkpoint, events, recordedAt };
    });
  }

  append(events: readonly StoredEvent[], checkpoint: string | null): Promise<void> {
    return this.inTurn(async () => {
      const progress = await this.known();
      const fresh = await this.unknown(events, progress);
      if (fresh.length > 0 || (checkpoint !== null && checkpoint !== progress.checkpoint)) {
        const from = await this.reachingBackTo(fresh, progress);
        await this.events.write(fresh, progress, checkpoint === null);
        await this.save({
          ...from,
          checkpoint: checkpoint ?? from.checkpoint,
          position: from.position + fresh.length,
          events: from.events + fresh.length,
          recordedAt: fresh.length === 0 ? from.recordedAt : Math.max(from.recordedAt ?? 0, latest(fresh)),
        });
        this.recent.add(fresh);
      }
      await this.sealIfDue();
    });
  }

  query<Row>(statement: Statement, parameters: Parameters = {}): Promise<Row[]> {
    return this.guarded(() =>
      this.jobs.run<Row>({
        purpose: 'question',
        text: statement(this.dialect).trim(),
        parameters,
        kind: 'question',
      }),
    );
  }

  deriveGeneration(): Promise<{ rows: Record<string, number>; differences: DerivedDifference[] }> {
    return this.deriving.run(async () => {
      const progress = await this.inTurn(() => this.known());
      const { generation, rows, differences } = await this.guarded(() => this.seals.derive(progress));
      await this.inTurn(async () => {
        // What arrived meanwhile may be older.
        const { tailFrom } = await this.known();
        this.generation = { ...generation, tailFrom: Math.min(generation.tailFrom, tailFrom) };
      });
      return { rows, differences };
    });
  }

  swapGeneration(): Promise<void> {
    return this.inTurn(async () => {
      const generation = this.generation;
      if (generation === null) throw new Error('there is no derived generation to put in place');
      this.generation = null;
      const before = await this.known();
      await this.seals.complete(generation, before);
      const { events, recordedAt } = await this.count(before.position);
      await this.save({
        ...before,
        ...SEALED,
        events,
        recordedAt,
        generation: generation.number,
        sealedTo: before.position,
        sealedAt: Date.now(),
        tailFrom: tailBehind(recordedAt),
      });
      await this.seals.show(await this.known());
      await this.seals.expire(before.generation);
    });
  }

  discardGeneration(): Promise<void> {
    return this.deriving.run(() =>
      this.inTurn(async () => {
        const generation = this.generation;
        this.generation = null;
        if (generation !== null) await this.seals.discard(generation);
      }),
    );
  }

  eventInventory(): Promise<EventInventory> {
    return this.inTurn(async () => {
      const { checkpoint, position } = await this.known();
      const buckets = await this.run<EventBucket>('inventory', statements.inventory, { position });
      return { checkpoint, position, buckets };
    });
  }

  forgetEvents(hour: number, upTo: number): Promise<void> {
    return this.inTurn(async () => {
      this.generation = null;
      const progress = await this.known();
      const bounds = { from: hour, to: hour + HOUR_MS, position: upTo };
      for (const derivation of this.projection.derivations) {
        const { generation } = progress;
        await this.run('forget', statements.forgetSealedHour(derivation, generation), bounds);
      }
      await this.run('forget', statements.forgetHour, bounds);
      await this.save({ ...progress, ...(await this.count(progress.position)) });
      this.recent = new RecentKeys(progress.recordedAt ?? -Infinity);
    });
  }

  clear(): Promise<void> {
    return this.inTurn(async () => {
      this.generation = null;
      const progress = await this.known();
      // Positions are not used again: what is still under way lies below the seal.
      const { position } = progress;
      await this.save({
        ...progress,
        ...SEALED,
        checkpoint: null,
        events: 0,
        recordedAt: null,
        sealedTo: position,
        tailFrom: 0,
      });
      for (const derivation of this.projection.derivations) {
        await this.run('clear', statements.unseal(derivation, progress.generation, 0));
      }
      await this.run('clear', statements.clearEvents);
      await this.seals.show(await this.known());
      this.recent = new RecentKeys(-Infinity);
    });
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.deriving.run(() => Promise.resolve());
    await this.writing.run(() => Promise.all([this.events.close(), this.progressRows.close()]));
  }

  /** Those of the events that were not acknowledged yet, each once. */
  private async unknown(events: readonly StoredEvent[], { position }: Progress): Promise<StoredEvent[]> {
    const seen = new Set<string>();
    if (events.length > 0 && !this.recent.covers(events)) {
      const bounds = { from: earliest(events), to: latest(events), position };
      const there = await this.run<{ stream: string; revision: number }>(
        'redelivery',
        statements.keysBetween,
        bounds,
      );
      for (const key of there) seen.add(keyOf(key));
    }
    return events.filter((event) => {
      const key = keyOf(event);
      if (seen.has(key) || this.recent.has(event)) return false;
      seen.add(key);
      return true;
    });
  }

  /** Lets the views look as far back as the oldest of these events. */
  private async reachingBackTo(events: readonly StoredEvent[], progress: Progress): Promise<Progress> {
    const from = hourOf(earliest(events));
    if (this.generation !== null) this.generation.tailFrom = Math.min(this.generation.tailFrom, from);
    const sealingFrom = progress.sealingFrom === null ? null : Math.min(progress.sealingFrom, from);
    if (from >= progress.tailFrom) return { ...progress, sealingFrom };
    const reaching = { ...progress, sealingFrom, tailFrom: from };
    await this.seals.show(reaching);
    return reaching;
  }

  /** A seal that fails does not stop the projection: the rows are seen without it, at a price. */
  private async sealIfDue(): Promise<void> {
    const { position, sealedTo, sealedAt, sealingTo } = await this.known();
    const { sealAfterEvents = 50_000, sealAfterMs = HOUR_MS } = this.options;
    const now = Date.now();
    const isDue =
      position - sealedTo >= sealAfterEvents || (position > sealedTo && now - sealedAt >= sealAfterMs);
    if (now < this.sealAgainAt || !(isDue || sealingTo !== null)) return;
    this.sealAgainAt = now + SEAL_AGAIN_MS;
    await this.seal();
    this.sealAgainAt = 0;
  }

  /** First says where the seal ends: after a crash the same jobs are found again, and nothing is sealed twice. */
  private async seal(): Promise<void> {
    const before = await this.known();
    if (before.sealingTo === null) {
      const sealingFrom = tailBehind(before.recordedAt);
      await this.save({ ...before, sealingTo: before.position, sealingFrom });
    }
    const sealing = await this.known();
    await this.seals.writeRows(sealing);
    const sealedTo = sealing.sealingTo ?? sealing.sealedTo;
    const tailFrom = sealing.sealingFrom ?? sealing.tailFrom;
    await this.save({ ...sealing, ...SEALED, sealedTo, tailFrom, sealedAt: Date.now() });
    const after = await this.known();
    await this.seals.show(after);
    await this.run('sweep', statements.forgetProgress, { ordinal: after.ordinal });
  }

  private async count(position: number): Promise<{ events: number; recordedAt: number | null }> {
    type Count = { events: number; recordedAt: number | null };
    const [count] = await this.run<Count>('count', statements.countEvents, { position });
    return count ?? { events: 0, recordedAt: null };
  }

  private async known(): Promise<Progress> {
    if (this.progress === null) {
      const [row] = await this.run<ProgressRow>('progress', statements.latestProgress);
      if (row === undefined) throw new Error('the table assay_projection is empty');
      this.progress = progressOf(row);
      this.recent = new RecentKeys(this.progress.recordedAt ?? -Infinity);
    }
    return this.progress;
  }

  private async save(progress: Progress): Promise<void> {
    const next = { ...progress, ordinal: progress.ordinal + 1 };
    await this.progressRows.append([rowOf(next)]);
    this.progress = next;
  }

  private run<Row>(purpose: string, statement: StorageStatement, parameters?: Parameters): Promise<Row[]> {
    const text = statement(this.dialect).trim();
    const request = { purpose, text, kind: 'upkeep' as const };
    return this.jobs.run(parameters === undefined ? request : { ...request, parameters });
  }

  /** One at a time, from what is known. After a failure it is not known what became of it: look again. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.writing.run(() =>
      this.guarded(work).catch((error: unknown) => {
        this.progress = null;
        throw error;
      }),
    );
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    if (this.isClosed) throw new WarehouseUnavailable(`${this.location} is closed`);
    try {
      this.prepared ??= this.prepare();
      await this.prepared;
    } catch (error) {
      this.prepared = null;
      throw explained(error, this.place);
    }
    try {
      return await work();
    } catch (error) {
      if (isMissing(error)) this.prepared = null;
      throw explained(error, this.place);
    }
  }

  private async prepare(): Promise<void> {
    const { client, jobs, place, dialect: sql, projection } = this;
    await migrate({ client, jobs, place, sql, projection });
    const [row] = await this.run<ProgressRow>('progress', statements.latestProgress);
    if (row !== undefined) await this.seals.mendViews(progressOf(row));
  }
}

/** No seal is under way. */
const SEALED = { sealingTo: null, sealingFrom: null };
/** A seal that failed is tried again after this long, milliseconds. */
const SEAL_AGAIN_MS = 60_000;

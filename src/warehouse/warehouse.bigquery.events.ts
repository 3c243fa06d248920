/** Events on their way into the table `events`: streamed, or as a load job when many are filled in at once. */
import type { StoredEvent } from '../event/envelope.js';
import { digest } from './digest.js';
import { mayPass } from './warehouse.bigquery.failure.js';
import type { Jobs } from './warehouse.bigquery.jobs.js';
import type { BigQueryPlace } from './warehouse.bigquery.place.js';
import { micros, type Progress } from './warehouse.bigquery.progress.js';
import { type Row, type RowsOptions, RowStream } from './warehouse.bigquery.rows.js';
import { EVENT_COLUMNS } from './warehouse.bigquery.schema.js';

/**
 * Fewer events than this are streamed when they are filled in. Load jobs cost nothing and reach partitions of
 * any age, but a table takes 1,500 a day: a refill of three million events, at the size of its pages.
 */
const LOAD_FROM = 500;

export class EventRows {
  private readonly stream: RowStream;

  constructor(
    place: BigQueryPlace,
    private readonly jobs: Jobs,
    options: RowsOptions,
  ) {
    this.stream = new RowStream(place, 'events', EVENT_COLUMNS, options);
  }

  /**
   * Gives the events the positions behind the acknowledged one, and writes them. The same events after the same
   * position get the same places: one that is written twice is the same row twice, and counts once.
   * @param isRefill they are not from the end of the log
   */
  async write(events: readonly StoredEvent[], { position, incarnation }: Progress, isRefill: boolean) {
    if (events.length === 0) return;
    if (isRefill && events.length >= LOAD_FROM) {
      const lines = events.map((event, index) => line(event, position + index + 1)).join('\n');
      const id = `assay_load_${incarnation}_${position}_${digest(lines)}`;
      const isLoaded = await this.jobs.load('events', lines, id).then(
        () => true,
        (error: unknown) => {
          if (mayPass(error)) throw error;
          // One line that cannot be read stops them all; the stream says which.
          return false;
        },
      );
      if (isLoaded) return;
    }
    const rows = events.map((event, index) => rowOf(event, position + index + 1));
    await this.stream.append(rows, (row) => ({ ...row, payload: null }));
  }

  close(): Promise<void> {
    return this.stream.close();
  }
}

function rowOf(event: StoredEvent, position: number): Row {
  return {
    position,
    stream: event.stream,
    revision: event.revision,
    event_id: event.id,
    type: event.type,
    schema_version: event.schemaVersion,
    occurred_at: micros(event.occurredAt),
    recorded_at: micros(event.recordedAt),
    predictor: event.predictor,
    causation_id: event.causationId,
    traceparent: event.traceparent,
    payload: event.payload,
    payload_digest: digest(event.payload),
  };
}

/** The row as a line of JSON, with the payload as a part of it. */
function line(event: StoredEvent, position: number): string {
  const { payload, ...row } = rowOf(event, position);
  const times = {
    occurred_at: new Date(event.occurredAt).toISOString(),
    recorded_at: new Date(event.recordedAt).toISOString(),
  };
  // Between its tokens JSON may hold line breaks, which would end the line.
  return `${JSON.stringify({ ...row, ...times }).slice(0, -1)},"payload":${(payload as string).replace(/[\r\n]+/g, ' ')}}`;
}

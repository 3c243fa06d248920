/** Rows on their way into BigQuery through the default stream of the Storage Write API. */
import { adapt, managedwriter } from '@google-cloud/bigquery-storage';
import { mayPass } from './warehouse.bigquery.failure.js';
import { type BigQueryPlace, writeClient } from './warehouse.bigquery.place.js';
import { type RetryPolicy, retrying, within } from './warehouse.bigquery.retry.js';
import type { ColumnType } from './warehouse.bigquery.dialect.js';
import type { Column } from './warehouse.bigquery.schema.js';

/** A row by the names of its columns; times are microseconds. */
export type Row = Record<string, string | number | null>;

export interface RowsOptions {
  retry: RetryPolicy;
  /** How long an append may go unanswered, milliseconds. */
  answerMs: number;
}

/** BigQuery takes requests of up to 10 MB; this leaves room for what is around the rows. */
const REQUEST_BYTES = 6_000_000;

/** BigQuery takes none of the rows and says of some what is wrong with them. */
class RowsRefused extends Error {
  override readonly name = 'RowsRefused';
  constructor(readonly rows: { index: number; message: string }[]) {
    const [first] = rows;
    super(`BigQuery refuses ${rows.length} rows; the first, at ${first?.index}: ${first?.message}`);
  }
}

const FIELD_TYPES: Record<ColumnType, string> = {
  text: 'STRING',
  integer: 'INTEGER',
  timestamp: 'TIMESTAMP',
  json: 'JSON',
};

/**
 * Appends to one table, at least once: an answer that was lost is asked for by sending the rows again. The
 * statements that read the table count each row once.
 */
export class RowStream {
  private readonly descriptor: ReturnType<typeof adapt.convertStorageSchemaToProto2Descriptor>;
  private open: Promise<{ writer: managedwriter.JSONWriter; client: managedwriter.WriterClient }> | null =
    null;

  constructor(
    private readonly place: BigQueryPlace,
    private readonly table: string,
    columns: readonly Column[],
    private readonly options: RowsOptions,
  ) {
    const schema = adapt.convertBigQuerySchemaToStorageTableSchema({
      fields: columns.map(({ name, type, isRequired }) => ({
        name,
        type: FIELD_TYPES[type],
        mode: isRequired ? 'REQUIRED' : 'NULLABLE',
      })),
    });
    this.descriptor = adapt.convertStorageSchemaToProto2Descriptor(schema, 'row');
  }

  /**
   * Resolves when BigQuery has the rows, and queries see them.
   * @param mend what to send instead of a row that BigQuery cannot read
   */
  async append(rows: readonly Row[], mend?: (row: Row) => Row): Promise<void> {
    for (const request of requestsOf(rows)) {
      await retrying(this.options.retry, mayPass, () => this.send(request)).catch((error: unknown) => {
        if (mend === undefined || !(error instanceof RowsRefused)) throw error;
        const refused = new Set(error.rows.map(({ index }) => index));
        const mended = request.map((row, index) => (refused.has(index) ? mend(row) : row));
        return retrying(this.options.retry, mayPass, () => this.send(mended));
      });
    }
  }

  async close(): Promise<void> {
    const open = this.open;
    this.open = null;
    if (open === null) return;
    const { writer, client } = await open;
    writer.close();
    client.close();
    await client.getClient().close();
  }

  private async send(rows: readonly Row[]): Promise<void> {
    this.open ??= this.connect();
    try {
      const { writer } = await this.open;
      const answer = writer.appendRows(rows as Parameters<typeof writer.appendRows>[0]).getResult();
      const { rowErrors, error } = await within(this.options.answerMs, 'The Storage Write API', answer);
      // Neither of the two is thrown by the client.
      if (rowErrors && rowErrors.length > 0) {
        throw new RowsRefused(
          rowErrors.map(({ index, message }) => ({ index: Number(index ?? 0), message: message ?? '' })),
        );
      }
      if (error) throw Object.assign(new Error(error.message ?? 'refused'), { code: error.code ?? 2 });
    } catch (error) {
      // Which answer belongs to which request is not known any more: begin afresh.
      if (!(error instanceof RowsRefused)) await this.close().catch(() => undefined);
      throw error;
    }
  }

  private async connect() {
    const { project, dataset } = this.place;
    const client = writeClient(this.place);
    const connection = await client.createStreamConnection({
      streamId: managedwriter.DefaultStream,
      destinationTable: `projects/${project}/datasets/${dataset}/tables/${this.table}`,
    });
    // Every failure reaches the append that waits; without a listener some would end the process.
    connection.onConnectionError(() => undefined);
    return { client, writer: new managedwriter.JSONWriter({ connection, protoDescriptor: this.descriptor }) };
  }
}

/** Rows in order, in pieces that fit a request each. */
function requestsOf(rows: readonly Row[]): Row[][] {
  const requests: Row[][] = [];
  let bytes = Infinity;
  for (const row of rows) {
    const size = sizeOf(row);
    if (bytes + size > REQUEST_BYTES) {
      requests.push([]);
      bytes = 0;
    }
    requests.at(-1)?.push(row);
    bytes += size;
  }
  return requests;
}

/** Upper bound of what a row takes, bytes. */
function sizeOf(row: Row): number {
  return Object.values(row).reduce<number>(
    (sum, value) => sum + (typeof value === 'string' ? 8 + Buffer.byteLength(value) : 12),
    0,
  );
}

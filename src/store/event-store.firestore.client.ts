/**
 * The connection to Firestore: every call ends within a deadline, what may pass is tried again until then, and
 * each answer tells the time of the server's clock. The vendor's client gives credentials, channel and protocol;
 * its own retries, which go on for ten minutes, are not used.
 */
import { credentials, Metadata, status } from '@grpc/grpc-js';
import firestore from '@google-cloud/firestore';
import {
  type Document,
  type Fields,
  microsecondsOf,
  type Timestamp,
} from './event-store.firestore.documents.js';
import { explain } from './event-store.firestore.errors.js';
import type { Query } from './event-store.firestore.queries.js';
import { StoreUnavailable } from './event-store.js';

/** A change to one document, all of a commit's or none. */
export interface Write {
  update: { name: string; fields: Fields };
  /** Empty: fields that are there stay as they are. */
  updateMask?: { fieldPaths: string[] };
  updateTransforms?: (
    | { fieldPath: string; setToServerValue: 'REQUEST_TIME' }
    | { fieldPath: string; appendMissingElements: { values: { stringValue: string }[] } }
  )[];
  currentDocument?: { exists: boolean } | { updateTime: Timestamp };
}

export interface Committed {
  writeResults: { transformResults: { timestampValue?: Timestamp }[] }[];
  commitTime: Timestamp;
}

/** What came of a query: `complete` unless it was broken off because it was long. */
export interface Found {
  documents: Document[];
  complete: boolean;
}

export interface Database {
  project: string;
  database: string;
  /** host:port of a server without credentials: FIRESTORE_EMULATOR_HOST. */
  emulator: string | null;
  /** A look-up or an append ends within this time, milliseconds. */
  callMs: number;
  /** A step through the log or a count ends within this time, milliseconds. */
  scanMs: number;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
/** A connection that was cut on the way without a word is found out after this, milliseconds. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** After an outage it is back within this time, milliseconds; grpc's own limit is two minutes. */
const RECONNECT_LIMIT_MS = 2_000;

/** Nothing is wrong with the request, and another try may succeed. A commit is written once or not at all. */
const TRANSIENT = new Set<number | undefined>([
  status.UNAVAILABLE,
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
  status.INTERNAL,
]);

/** The caller looks into what is there already; a request that is wrong in itself is a mistake of ours. */
const OURS = new Set<number>([status.ALREADY_EXISTS, status.INVALID_ARGUMENT]);

export const isTaken = (error: unknown): boolean => codeOf(error) === status.ALREADY_EXISTS;

/** A document was written since it was read. */
export const isOutdated = (error: unknown): boolean =>
  error instanceof StoreUnavailable && codeOf(error.cause) === status.FAILED_PRECONDITION;

function codeOf(error: unknown): number | undefined {
  return (error as { code?: number } | null | undefined)?.code;
}

interface CallOptions {
  deadline: number;
}

interface Answers<T> {
  on(event: 'data', listener: (answer: T) => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
  on(event: 'end', listener: () => void): this;
  cancel(): void;
}

type Streaming<T> = (request: object, metadata: Metadata, options: CallOptions) => Answers<T>;

/** The vendor's stub, as far as we use it. */
interface Stub {
  commit(
    request: object,
    metadata: Metadata,
    options: CallOptions,
    done: (error: Error | null, answer: Committed) => void,
  ): void;
  batchGetDocuments: Streaming<{ found?: Document; readTime?: Timestamp }>;
  runQuery: Streaming<{ document?: Document | null; readTime?: Timestamp }>;
  runAggregationQuery: Streaming<{
    result?: { aggregateFields: Record<string, { integerValue: string }> };
    readTime?: Timestamp;
  }>;
}

export class FirestoreConnection {
  /** Name of the root, in front of every document's path. */
  readonly documents: string;
  readonly #database: Database;
  readonly #client: InstanceType<typeof firestore.v1.FirestoreClient>;
  readonly #metadata = new Metadata();
  #stub: Stub | null = null;
  /** The server's clock as last told, microseconds, and when that was by ours, milliseconds. */
  #told = { at: 0, by: 0 };

  constructor(database: Database) {
    const name = `projects/${database.project}/databases/${database.database}`;
    this.documents = `${name}/documents`;
    this.#database = database;
    this.#client = new firestore.v1.FirestoreClient(clientOptions(database));
    this.#metadata.set('google-cloud-resource-prefix', name);
    this.#metadata.set('x-goog-request-params', `database=${encodeURIComponent(name)}`);
    // The emulator lets the owner pass its rules, which shut out everybody else.
    if (database.emulator !== null) this.#metadata.set('authorization', 'Bearer owner');
  }

  /** @throws StoreUnavailable when there are no credentials */
  async open(): Promise<void> {
    try {
      this.#stub = (await this.#client.initialize()) as unknown as Stub;
    } catch (error) {
      throw new StoreUnavailable(explain(error, this.#database), { cause: error });
    }
  }

  /**
   * The server's clock, microseconds: never ahead of it, and behind it by no more than the way of an answer. Ours
   * serves only to measure what went by since then.
   */
  get serverTime(): number {
    return Math.floor(this.#told.at + (performance.now() - this.#told.by) * 1_000);
  }

  commit(writes: Write[]): Promise<Committed> {
    return this.#until(this.#database.callMs, async (options) => {
      const { stub, metadata } = this.#opened();
      const sentAt = performance.now();
      const answer = await new Promise<Committed>((resolve, reject) => {
        stub.commit({ writes, database: this.#name }, metadata, options, (error, committed) =>
          error === null ? resolve(committed) : reject(error),
        );
      });
      this.#hear(answer.commitTime, sentAt);
      return answer;
    });
  }

  /** A document by its path, or null. */
  get(path: string): Promise<Document | null> {
    return this.#until(this.#database.callMs, async (options) => {
      const { stub, metadata } = this.#opened();
      const request = { database: this.#name, documents: [`${this.documents}/${path}`] };
      let found: Document | null = null;
      await this.#gather(stub.batchGetDocuments(request, metadata, options), (answer) => {
        found = answer.found ?? found;
        return true;
      });
      return found;
    });
  }

  /** The documents of a query that is answered at once. */
  async find(query: Query): Promise<Document[]> {
    return (await this.#run(query, this.#database.callMs, () => true)).documents;
  }

  /** The documents of a query over the log, until `take` says that it is enough. */
  scan(query: Query, take: (document: Document) => boolean): Promise<Found> {
    return this.#run(query, this.#database.scanMs, take);
  }

  count(query: Query): Promise<number> {
    return this.#until(
      this.#database.scanMs,
      async (options) => {
        const { stub, metadata } = this.#opened();
        const aggregation = { structuredQuery: query, aggregations: [{ alias: 'n', count: {} }] };
        const request = { parent: this.documents, structuredAggregationQuery: aggregation };
        let counted = 0;
        await this.#gather(stub.runAggregationQuery(request, metadata, options), ({ result }) => {
          counted = Number(result?.aggregateFields.n?.integerValue ?? counted);
          return true;
        });
        return counted;
      },
      query,
    );
  }

  async close(): Promise<void> {
    this.#stub = null;
    await this.#client.close();
  }

  get #name(): string {
    return this.documents.slice(0, -'/documents'.length);
  }

  #run(query: Query, limitMs: number, take: (document: Document) => boolean): Promise<Found> {
    return this.#until(
      limitMs,
      async (options) => {
        const { stub, metadata } = this.#opened();
        const documents: Document[] = [];
        const request = { parent: this.documents, structuredQuery: query };
        const complete = await this.#gather(stub.runQuery(request, metadata, options), ({ document }) => {
          if (!document) return true;
          documents.push(document);
          return take(document);
        });
        return { documents, complete };
      },
      query,
    );
  }

  /** @returns false when it was broken off, because `take` wants no more */
  #gather<T extends { readTime?: Timestamp }>(
    answers: Answers<T>,
    take: (answer: T) => boolean,
  ): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let complete = true;
      const sentAt = performance.now();
      answers.on('data', (answer) => {
        if (answer.readTime) this.#hear(answer.readTime, sentAt);
        if (!complete || take(answer)) return;
        complete = false;
        answers.cancel();
        resolve(false);
      });
      answers.on('error', reject);
      answers.on('end', () => resolve(complete));
    });
  }

  /** @param sentAt when the request left that this answers, by our clock, milliseconds */
  #hear(timestamp: Timestamp, sentAt: number): void {
    const told = microsecondsOf(timestamp);
    const by = performance.now();
    const estimate = this.serverTime;
    // Our clock may run faster than the server's: what it made of earlier answers must not run away.
    const atMost = told + (by - sentAt) * 1_000;
    if (told > estimate) this.#told = { at: told, by };
    else if (estimate > atMost) this.#told = { at: atMost, by };
  }

  #opened(): { stub: Stub; metadata: Metadata } {
    if (this.#stub === null) throw new StoreUnavailable('the connection to Firestore is closed');
    return { stub: this.#stub, metadata: this.#metadata };
  }

  /** Tries until it succeeds, fails for good, or the time is over. */
  async #until<T>(limitMs: number, attempt: (options: CallOptions) => Promise<T>, query?: Query): Promise<T> {
    const deadline = Date.now() + limitMs;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await attempt({ deadline });
      } catch (error) {
        const wait = pause * (0.5 + Math.random());
        if (!TRANSIENT.has(codeOf(error)) || Date.now() + wait > deadline) throw this.#failure(error, query);
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  #failure(error: unknown, query?: Query): unknown {
    const code = codeOf(error);
    if (code === undefined || OURS.has(code)) return error;
    return new StoreUnavailable(explain(error, this.#database, query), { cause: error });
  }
}

function clientOptions({
  project,
  emulator,
}: Database): ConstructorParameters<typeof firestore.v1.FirestoreClient>[0] {
  const options = {
    projectId: project,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.max_reconnect_backoff_ms': RECONNECT_LIMIT_MS,
  };
  if (emulator === null) return options;
  const [host, port] = emulator.split(/:(?=\d+$)/);
  return {
    ...options,
    servicePath: host ?? '',
    port: Number(port),
    sslCreds: credentials.createInsecure(),
    // Otherwise it asks for the credentials that nobody needs here.
    clientOptions: { universeDomain: 'googleapis.com' },
  };
}

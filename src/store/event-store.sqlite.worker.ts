/**
 * The thread that owns the event store's file. It takes whatever is queued, appends all of it in one
 * transaction, so that many callers share one fsync, and answers once the commit has returned. Reads follow
 * between two transactions, so that they never see what is not durable.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import Database from 'libsql';
import {
  APPEND_HEAD,
  CLOSE,
  NEW_EVENT_WIDTH,
  STORED_EVENT_WIDTH,
  type AppendReply,
  type AppendRequest,
  type Batch,
  type Failed,
  type FailureKind,
  type ReadReply,
  type ReadRequest,
  type Reply,
  type Value,
} from './event-store.sqlite.messages.js';
import * as schema from './event-store.sqlite.schema.js';

const RECEIPTS_KEPT_MS = 48 * 3_600_000;
/** A step through the log ends when it has so many events, */
const STEP_EVENTS = 1_000;
/** or payloads that are this long together, characters, */
const STEP_PAYLOAD = 4 << 20;
/** or has looked for one predictor's events through so many positions. Appends go ahead between two steps. */
const STEP_POSITIONS = 20_000;
/** Rows fetched at once. */
const FETCH = 100;
/** How long to wait for a process that is about to close the file. */
const LOCK_WAIT_MS = 1_000;
/** Pages of the log file after which it is copied into the main file (32 MB): rarer means fewer fsyncs. */
const CHECKPOINT_PAGES = 8_000;
const CACHE_KIB = 64 * 1_024;

/** A failure that the other thread can tell its callers. */
class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
  ) {
    super(message);
  }
}

// ---- opening ------------------------------------------------------------------------------------------

/** Looks at a file without a lock, a log or any other trace beside it. */
function inspect(path: string): void {
  const url = pathToFileURL(path);
  url.search = '?immutable=1';
  const file = new Database(url.href);
  try {
    const applicationId = pragma(file, 'application_id');
    if (applicationId !== schema.APPLICATION_ID) {
      throw new Failure(
        'unusable',
        `${path} belongs to another application: name another file in ASSAY_STORE`,
      );
    }
    requireVersion(file, path);
    const hasLog = existsSync(`${path}-wal`) || existsSync(`${path}-journal`);
    if (!hasLog) requireTables(file, path);
  } finally {
    file.close();
  }
}

function requireVersion(file: Database.Database, path: string): void {
  const version = pragma(file, 'user_version');
  if (Number(version) > schema.FILE_VERSION) {
    throw new Failure(
      'unusable',
      `${path} was written by a newer version (file version ${version}, known up to ${schema.FILE_VERSION}): upgrade the service`,
    );
  }
}

/** Touches both ends of the log: a file that was cut short or overwritten rarely survives that. */
function requireTables(file: Database.Database, path: string): void {
  const names = file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").raw().all();
  if (names.join() !== 'events,receipts') throw damaged(path, 'its tables are not the ones we made');
  file.prepare(schema.EVENTS_BETWEEN).raw().get([0, 1, 1]);
  file.prepare(schema.LAST_EVENT).raw().get([]);
  file.prepare(schema.RECEIPT).raw().get(['']);
  file.prepare(schema.LAST_REVISION).raw().get(['']);
}

function damaged(path: string, reason: string): Failure {
  return new Failure(
    'unusable',
    `${path} is damaged (${reason}): restore it from a backup, or move it away to start with an empty one`,
  );
}

function open(path: string): Database.Database {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path) && statSync(path).size > 0) inspect(path);
  const file = new Database(path);
  // Exclusive: nobody else may write behind our counters, the lock falls with the process however it ends,
  // and the log's index stays in memory. It has to be set before the first access.
  pragma(file, 'locking_mode = EXCLUSIVE');
  pragma(file, `busy_timeout = ${LOCK_WAIT_MS}`);
  file.exec('BEGIN EXCLUSIVE');
  if (file.prepare('SELECT count(*) FROM sqlite_schema').raw().get([])?.toString() === '0') {
    // In one transaction with the tables, so that no crash leaves a file that we would not know as ours.
    file.exec(
      `PRAGMA application_id = ${schema.APPLICATION_ID}; PRAGMA user_version = ${schema.FILE_VERSION}; ${schema.CREATE_TABLES}`,
    );
  }
  file.exec('COMMIT');
  requireVersion(file, path);
  requireTables(file, path);
  pragma(file, 'journal_mode = WAL');
  // fullfsync and checkpoint_fullfsync make fsync mean it on macOS; elsewhere they change nothing.
  file.exec(
    `PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1; PRAGMA cache_size = -${CACHE_KIB}`,
  );
  pragma(file, `wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  if (pragma(file, 'journal_mode') !== 'wal' || pragma(file, 'synchronous') !== 2) {
    throw new Failure(
      'unusable',
      `${path} cannot be written durably here: SQLite refused WAL with synchronous=FULL`,
    );
  }
  return file;
}

function pragma(file: Database.Database, source: string): Value | undefined {
  return (file.prepare(`PRAGMA ${source}`).raw().get([]) as Value[] | undefined)?.[0];
}

// ---- the log ------------------------------------------------------------------------------------------

/** The open file, with every statement prepared and both counters in memory. */
class Log {
  readonly #file: Database.Database;
  readonly #path: string;
  readonly #statements;
  #position = 0;
  #recordedAt = 0;
  #receipts = 0;

  constructor(path: string) {
    const file = open(path);
    const rows = (sql: string) => file.prepare<Value[][]>(sql).raw();
    const change = (sql: string) => file.prepare<Value[][]>(sql);
    this.#path = path;
    this.#file = file;
    this.#statements = {
      begin: change('BEGIN IMMEDIATE'),
      commit: change('COMMIT'),
      insertEvent: change(schema.INSERT_EVENT),
      insertReceipt: change(schema.INSERT_RECEIPT),
      purgeReceipts: change(schema.PURGE_RECEIPTS),
      lastRevision: rows(schema.LAST_REVISION),
      earlyById: rows(schema.EARLY_EVENT_BY_ID),
      lateById: rows(schema.LATE_EVENT_BY_ID),
      stream: rows(schema.STREAM),
      between: rows(schema.EVENTS_BETWEEN),
      ofPredictorBetween: rows(schema.EVENTS_OF_PREDICTOR_BETWEEN),
      lastEvent: rows(schema.LAST_EVENT),
      predictors: rows(schema.PREDICTORS),
      receipt: rows(schema.RECEIPT),
    };
    const last = this.#statements.lastEvent.get([]) as Value[] | undefined;
    if (last === undefined) return;
    this.#position = last[0] as number;
    this.#recordedAt = last[7] as number;
  }

  /** Appends all of them in one transaction. */
  append(requests: AppendRequest[], now: number): AppendReply[] {
    try {
      return this.#inOneTransaction(requests, now);
    } catch (error) {
      const failure = this.#failure(error);
      if (failure[1] !== 'internal' || requests.length === 1) return requests.map(() => failure);
      // One of them cannot be written whatever the disk does: the others must not suffer for it.
      return requests.flatMap((request) => this.append([request], now));
    }
  }

  #inOneTransaction(requests: AppendRequest[], now: number): AppendReply[] {
    const position = this.#position;
    const recordedAt = this.#recordedAt;
    // The clock may be set back; the log's time must not be.
    this.#recordedAt = Math.max(recordedAt, now);
    this.#receipts = 0;
    try {
      this.#statements.begin.run([]);
      const replies = requests.map((request) => this.#appendOne(request));
      if (this.#receipts > 0) {
        this.#statements.purgeReceipts.run([this.#recordedAt - RECEIPTS_KEPT_MS, 2 * this.#receipts]);
      }
      this.#statements.commit.run([]);
      return replies;
    } catch (error) {
      this.#position = position;
      this.#recordedAt = recordedAt;
      // SQLite has rolled back by itself after some errors.
      if (this.#file.inTransaction) this.#file.exec('ROLLBACK');
      throw error;
    }
  }

  #appendOne(request: AppendRequest): AppendReply {
    const receiptKey = request[2] as string | null;
    if (receiptKey !== null) {
      const receipt = this.#statements.receipt.get([receiptKey]) as Value[] | undefined;
      if (receipt !== undefined) return ['answered', receipt];
    }
    const reply = this.#appendEvents(request);
    if (receiptKey !== null && reply[0] === 'appended') {
      this.#statements.insertReceipt.run([...request.slice(2, APPEND_HEAD), this.#recordedAt]);
      this.#receipts += 1;
    }
    return reply;
  }

  #appendEvents(request: AppendRequest): AppendReply {
    const stream = request[0] as string;
    const expected = request[1] as number;
    const first = this.#position + 1;
    if (request.length === APPEND_HEAD) return ['appended', expected, first, this.#recordedAt];
    const [last] = this.#statements.lastRevision.get([stream]) as [number | null];
    if (last !== null) {
      const known = this.#known(request, last);
      if (known !== null) return known;
    }
    if ((last ?? -1) !== expected) return ['conflict', last ?? -1];
    let revision = expected;
    for (let at = APPEND_HEAD; at < request.length; at += NEW_EVENT_WIDTH) {
      revision += 1;
      this.#position += 1;
      this.#insert(request, at, revision);
    }
    return ['appended', expected + 1, first, this.#recordedAt];
  }

  #insert(request: AppendRequest, at: number, revision: number): void {
    this.#statements.insertEvent.run([
      this.#position,
      request[0] as string,
      revision,
      request[at] as string,
      request[at + 1] as string,
      request[at + 2] as number,
      request[at + 3] as number,
      this.#recordedAt,
      request[at + 4] as string | null,
      request[at + 5] as string | null,
      request[at + 6] as string | null,
      request[at + 7] as string,
    ]);
  }

  /** What the ids of a request say about it, when some of them are in the stream already. */
  #known(request: AppendRequest, last: number): AppendReply | null {
    const rows: Value[] = [];
    let taken: string | null = null;
    for (let at = APPEND_HEAD; at < request.length; at += NEW_EVENT_WIDTH) {
      const id = request[at] as string;
      const row = this.#eventById(request[0] as string, id, last);
      if (row === undefined) continue;
      if (row[4] !== request[at + 1] || row[11] !== request[at + 7]) return ['id-taken', id];
      taken ??= id;
      for (const value of row) rows.push(value);
    }
    if (taken === null) return null;
    const events = (request.length - APPEND_HEAD) / NEW_EVENT_WIDTH;
    return rows.length === events * STORED_EVENT_WIDTH ? ['duplicate', rows] : ['id-taken', taken];
  }

  #eventById(stream: string, id: string, last: number): Value[] | undefined {
    const early = this.#statements.earlyById.get([stream, id]) as Value[] | undefined;
    if (early !== undefined || last < schema.LONG_STREAM_REVISIONS) return early;
    return this.#statements.lateById.get([stream, id]) as Value[] | undefined;
  }

  read(request: ReadRequest): ReadReply {
    try {
      switch (request[0]) {
        case 'stream':
          return ['read', this.#statements.stream.all([request[1]]).flat() as Value[], null];
        case 'after':
          return this.#step(request[1], request[2], request[3]);
        case 'predictors':
          return ['read', this.#statements.predictors.all([]).flat() as Value[], null];
        case 'head':
          return ['read', [(this.#statements.lastEvent.get([]) as Value[] | undefined)?.[0] ?? 0], null];
        case 'receipt':
          return ['read', (this.#statements.receipt.get([request[1]]) as Value[] | undefined) ?? [], null];
      }
    } catch (error) {
      return this.#failure(error);
    }
  }

  #step(after: number, limit: number, predictor: string | null): ReadReply {
    if (after > this.#position) {
      throw new Failure('position', `position ${after} is behind the end of ${this.#path}`);
    }
    const wanted = Math.min(limit, STEP_EVENTS);
    const end = predictor === null ? this.#position : Math.min(this.#position, after + STEP_POSITIONS);
    const values: Value[] = [];
    let payload = 0;
    let reached = after;
    for (let read = 0; reached < end && read < wanted && payload < STEP_PAYLOAD;) {
      const count = Math.min(FETCH, wanted - read);
      const rows = this.#between(reached, end, count, predictor);
      for (const row of rows) {
        for (const value of row) values.push(value);
        payload += (row[11] as string).length;
      }
      read += rows.length;
      reached = rows.length < count ? end : (rows[count - 1]?.[0] as number);
    }
    return ['read', values, reached < this.#position ? reached : null];
  }

  #between(after: number, end: number, count: number, predictor: string | null): Value[][] {
    const rows =
      predictor === null
        ? this.#statements.between.all([after, end, count])
        : this.#statements.ofPredictorBetween.all([after, end, count, predictor]);
    return rows as Value[][];
  }

  #failure(error: unknown): Failed {
    return failureOf(error, this.#path);
  }
}

function failureOf(error: unknown, path: string): Failed {
  if (error instanceof Failure) return ['failed', error.kind, error.message];
  const { code = '', message } = error as { code?: string; message: string };
  if (code === 'SQLITE_FULL') {
    return ['failed', 'full', `the disk of ${path} is full: make room, the store goes on by itself`];
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return [
      'failed',
      'lost',
      `another process has ${path} open: stop it, or name another file in ASSAY_STORE`,
    ];
  }
  if (code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB')) {
    const { kind, message: text } = damaged(path, message);
    return ['failed', kind, text];
  }
  if (isStorageError(code) || message.startsWith('ConnectionFailed') || code.startsWith('E')) {
    return [
      'failed',
      'lost',
      `${path} cannot be read or written (${message}): check its disk and permissions`,
    ];
  }
  return ['failed', 'internal', message];
}

function isStorageError(code: string): boolean {
  return [
    'SQLITE_IOERR',
    'SQLITE_READONLY',
    'SQLITE_CANTOPEN',
    'SQLITE_PERM',
    'SQLITE_NOMEM',
    'SQLITE_PROTOCOL',
  ].some((prefix) => code.startsWith(prefix));
}

// ---- the queue ----------------------------------------------------------------------------------------

const { path } = workerData as { path: string };
const port = parentPort as MessagePort;
let log: Log | undefined;
let appends: AppendRequest[] = [];
let reads: ReadRequest[] = [];
let now = 0;
let closing = false;

port.on('message', (message: Batch | typeof CLOSE) => {
  take(message);
  work();
});

function take(message: Batch | typeof CLOSE): void {
  if (message === CLOSE) {
    closing = true;
    return;
  }
  now = message.now;
  appends = appends.length === 0 ? message.appends : appends.concat(message.appends);
  reads = reads.length === 0 ? message.reads : reads.concat(message.reads);
}

function work(): void {
  for (;;) {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      take(next.message as Batch | typeof CLOSE);
    }
    if (appends.length > 0) {
      const requests = appends;
      appends = [];
      reply({ appends: answer(requests.length, (open) => open.append(requests, now)) });
    } else if (reads.length > 0) {
      const request = reads.shift() as ReadRequest;
      const [read] = answer(1, (open) => [open.read(request)]) as [ReadReply];
      reply({ read });
    } else break;
  }
  // The file is closed and its log folded into it when the thread's memory goes.
  if (closing) port.close();
}

/** Opens the file when it is not open yet; a failure to do so is the answer to everybody. */
function answer<Answer>(count: number, work: (log: Log) => Answer[]): (Answer | Failed)[] {
  try {
    log ??= new Log(path);
  } catch (error) {
    return Array.from({ length: count }, () => failureOf(error, path));
  }
  return work(log);
}

function reply(message: Reply): void {
  port.postMessage(message);
}

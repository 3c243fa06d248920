/**
 * The log in the open file, with every statement prepared and both counters in memory: appends many requests
 * in one transaction, and reads in steps.
 */
import { Failure, failureOf, openFile, type DatabaseFile } from './event-store.sqlite.file.js';
import {
  APPEND_HEAD,
  NEW_EVENT_WIDTH,
  STORED_EVENT_WIDTH,
  type AppendReply,
  type AppendRequest,
  type Failed,
  type ReadReply,
  type ReadRequest,
  type Value,
} from './event-store.sqlite.messages.js';
import * as schema from './event-store.sqlite.schema.js';
import { NO_STREAM } from './event-store.js';

type Statement = ReturnType<DatabaseFile['prepare']>;

const RECEIPTS_KEPT_MS = 48 * 3_600_000;
/** A step through the log ends when it has so many events, */
const STEP_EVENTS = 1_000;
/** or payloads that are this long together, characters, */
const STEP_PAYLOAD = 4 << 20;
/** or has looked for one predictor's events through so many positions. Appends go ahead between two steps. */
const STEP_POSITIONS = 20_000;
/** Rows fetched at once. */
const FETCH = 100;
export class Log {
  readonly #file: DatabaseFile;
  readonly #path: string;
  readonly #statements;
  #position = 0;
  #recordedAt = 0;
  #receipts = 0;

  constructor(path: string) {
    const file = openFile(path);
    const rows = (sql: string) => file.prepare<Value[][]>(sql).raw();
    const change = (sql: string) => file.prepare<Value[][]>(sql);
    this.#path = path;
    this.#file = file;
    this.#statements = {
      begin: change('BEGIN IMMEDIATE'),
      commit: change('COMMIT'),
      insertEvent: change(schema.INSERT_EVENT),
      insertFirstEvent: change(schema.INSERT_FIRST_EVENT),
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
    let at = APPEND_HEAD;
    if (expected === NO_STREAM && this.#insert(this.#statements.insertFirstEvent, request, at, 0)) {
      at += NEW_EVENT_WIDTH;
    } else {
      const [last] = this.#statements.lastRevision.get([stream]) as [number | null];
      const known = last === null ? null : this.#known(request, last);
      if (known !== null) return known;
      if ((last ?? NO_STREAM) !== expected) return ['conflict', last ?? NO_STREAM];
    }
    for (; at < request.length; at += NEW_EVENT_WIDTH) {
      const revision = expected + 1 + (at - APPEND_HEAD) / NEW_EVENT_WIDTH;
      this.#insert(this.#statements.insertEvent, request, at, revision);
    }
    return ['appended', expected + 1, first, this.#recordedAt];
  }

  /** @returns false when a statement that may pass over an event did so */
  #insert(statement: Statement, request: AppendRequest, at: number, revision: number): boolean {
    const { changes } = statement.run([
      this.#position + 1,
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
    this.#position += changes;
    return changes === 1;
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
          return ['read', this.#statements.stream.all([request[1], request[2]]).flat() as Value[], null];
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

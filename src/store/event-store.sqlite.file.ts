/**
 * Opens the event store's file, or says why not; the only place that knows the driver. A file that is not
 * ours, or damaged, is left exactly as it was found.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import Database from 'libsql';
import type { Failed, FailureKind, Value } from './event-store.sqlite.messages.js';
import * as schema from './event-store.sqlite.schema.js';

export type DatabaseFile = Database.Database;

/** How long to wait for a process that is about to close the file. */
const LOCK_WAIT_MS = 1_000;
/** Pages of the log file after which it is copied into the main file (32 MB): rarer means fewer fsyncs. */
const CHECKPOINT_PAGES = 8_000;
const CACHE_KIB = 64 * 1_024;

/** A failure that the other thread can tell its callers. */
export class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
  ) {
    super(message);
  }
}

/** Finds out whose file it is, without a lock, a log or any other trace beside it. */
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
  } finally {
    file.close();
  }
}

function requireVersion(file: DatabaseFile, path: string): void {
  const version = pragma(file, 'user_version');
  if (Number(version) > schema.FILE_VERSION) {
    throw new Failure(
      'unusable',
      `${path} was written by a newer version (file version ${version}, known up to ${schema.FILE_VERSION}): upgrade the service`,
    );
  }
}

/** Touches both ends of the log, and changes nothing: a file that was cut short or overwritten rarely survives that. */
function requireTables(file: DatabaseFile, path: string): void {
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

/**
 * The file, ready for the log. When it throws, the lock may still be held until the thread ends: the driver
 * closes a connection only when the statements are collected.
 */
export function openFile(path: string): DatabaseFile {
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

function pragma(file: DatabaseFile, source: string): Value | undefined {
  return (file.prepare(`PRAGMA ${source}`).raw().get([]) as Value[] | undefined)?.[0];
}

/** What an error means for those who asked. */
export function failureOf(error: unknown, path: string): Failed {
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
  if (isStorageError(code) || message.startsWith('ConnectionFailed') || /^E[A-Z]+$/.test(code)) {
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

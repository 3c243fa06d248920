/**
 * The tables of the event store's file, and how we know a file as ours.
 *
 * Positions are given out by the store itself, one after the other from 1, and nothing is ever deleted from
 * `events`. So a position is also the number of events up to it: counting is a subtraction.
 */

/** `PRAGMA application_id` of our files: "Assy" in ASCII. */
export const APPLICATION_ID = 0x41737379;

/** `PRAGMA user_version`: raised with every change of the tables. */
export const FILE_VERSION = 1;

/** Revisions from here on have their ids in an index of their own; below, the stream is short enough to read. */
export const LONG_STREAM_REVISIONS = 32;

export const CREATE_TABLES = `
  CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    predictor TEXT,
    causation_id TEXT,
    traceparent TEXT,
    payload TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);
  CREATE INDEX events_by_predictor ON events (predictor);
  CREATE UNIQUE INDEX events_by_late_id ON events (stream, id) WHERE revision >= ${LONG_STREAM_REVISIONS};
  CREATE TABLE receipts (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    request_hash TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    kept_at INTEGER NOT NULL
  ) STRICT;
`;

/** The order in which an event's values travel between the threads and are selected. */
export const EVENT_COLUMNS = `position, stream, revision, id, type, schema_version, occurred_at, recorded_at,
  predictor, causation_id, traceparent, payload`;

export const INSERT_EVENT = 'INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';

/** Opens a stream, or changes nothing when there is one: saves looking first, for most appends open a stream. */
export const INSERT_FIRST_EVENT = `${INSERT_EVENT} ON CONFLICT (stream, revision) DO NOTHING`;

export const LAST_REVISION = 'SELECT max(revision) FROM events WHERE stream = ?';

/** One of the first events of a stream, by its id. */
export const EARLY_EVENT_BY_ID = `
  SELECT ${EVENT_COLUMNS} FROM events INDEXED BY events_by_stream
  WHERE stream = ? AND revision < ${LONG_STREAM_REVISIONS} AND id = ?`;

/** One of the later events of a long stream, by its id. */
export const LATE_EVENT_BY_ID = `
  SELECT ${EVENT_COLUMNS} FROM events INDEXED BY events_by_late_id
  WHERE stream = ? AND id = ? AND revision >= ${LONG_STREAM_REVISIONS}`;

export const STREAM = `SELECT ${EVENT_COLUMNS} FROM events WHERE stream = ? AND revision > ? ORDER BY revision`;

export const LAST_EVENT = `SELECT ${EVENT_COLUMNS} FROM events ORDER BY position DESC LIMIT 1`;

export const EVENTS_BETWEEN = `
  SELECT ${EVENT_COLUMNS} FROM events WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`;

/**
 * A predictor's events, and those without a predictor in streams that turned out to be about it. Both halves
 * come ordered out of the index, so that SQLite merges them and stops at the limit.
 */
export const EVENTS_OF_PREDICTOR_BETWEEN = `
  SELECT ${EVENT_COLUMNS} FROM events INDEXED BY events_by_predictor
  WHERE position > ?1 AND position <= ?2 AND predictor = ?4
  UNION ALL
  SELECT ${EVENT_COLUMNS} FROM events AS early INDEXED BY events_by_predictor
  WHERE position > ?1 AND position <= ?2 AND predictor IS NULL AND EXISTS (
    SELECT 1 FROM events AS answer INDEXED BY events_by_stream
    WHERE answer.stream = early.stream AND answer.predictor = ?4
  )
  ORDER BY position LIMIT ?3`;

/** Leaps from one predictor's stream to the next by the index; '.' is the character after '-'. */
export const PREDICTORS = `
  WITH RECURSIVE streams (stream) AS (
    SELECT min(stream) FROM events WHERE stream > 'predictor-' AND stream < 'predictor.'
    UNION ALL
    SELECT (SELECT min(stream) FROM events WHERE stream > streams.stream AND stream < 'predictor.')
    FROM streams WHERE streams.stream IS NOT NULL
  )
  SELECT substr(stream, length('predictor-') + 1) FROM streams WHERE stream IS NOT NULL`;

export const RECEIPT = 'SELECT key, request_hash, status, body FROM receipts WHERE key = ?';

export const INSERT_RECEIPT =
  'INSERT INTO receipts (key, request_hash, status, body, kept_at) VALUES (?, ?, ?, ?, ?)';

/** The oldest receipts, as far as they have expired. They are numbered in the order in which they came. */
export const PURGE_RECEIPTS = `
  DELETE FROM receipts WHERE kept_at < ?
  AND number IN (SELECT number FROM receipts ORDER BY number LIMIT ?)`;

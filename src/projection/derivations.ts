/**
 * From `events` to `predictions`, `corrections`, `shadows` and `deployments`: one SELECT each, the only definition there
 * is, for rows that have just arrived, for sealing, and for the rebuild.
 *
 * Redelivered events count once (by stream and revision). Times are timestamps here, milliseconds in the
 * events. A payload that cannot be read stops nothing: its row has the status or kind 'unreadable' and counts
 * nowhere; the view `unreadable_events` lists such events. (To leave those rows out would parse all twice.)
 */
import { CHALLENGER_STARTED, CHALLENGER_STOPPED } from '../event/challenger.js';
import {
  CORRECTION_RETRACTED,
  PREDICTION_CORRECTED,
  PREDICTION_FAILED,
  PREDICTION_RECORDED,
  PREDICTION_SHADOWED,
} from '../event/prediction.js';
import {
  CANARY_JUDGED,
  CANARY_PAUSED,
  CANARY_RESUMED,
  CANARY_STARTED,
  PREDICTOR_DEPLOYED,
  PROMOTED,
  ROLLED_BACK,
  TRAFFIC_SPLIT,
} from '../event/predictor.js';
import type { Derivation, EventRange, Statement } from '../warehouse/warehouse.js';

const ANSWER_TYPES = [PREDICTION_RECORDED, PREDICTION_FAILED];
const CORRECTION_TYPES = [PREDICTION_CORRECTED, CORRECTION_RETRACTED];
const DEPLOYMENT_TYPES = [
  PREDICTOR_DEPLOYED,
  TRAFFIC_SPLIT,
  CANARY_STARTED,
  CANARY_JUDGED,
  CANARY_PAUSED,
  CANARY_RESUMED,
  CHALLENGER_STARTED,
  CHALLENGER_STOPPED,
  PROMOTED,
  ROLLED_BACK,
];

const quoted = (types: readonly string[]) => types.map((type) => `'${type}'`).join(', ');

const ANSWERS = quoted(ANSWER_TYPES);

const PREDICTION_ID = `SUBSTR(stream, ${'prediction-'.length + 1})`;

const within = ({ after, upTo, recordedFrom }: EventRange) =>
  `position > ${after}${upTo === undefined ? '' : ` AND position <= ${upTo}`}` +
  since('recorded_at', recordedFrom);

const since = (column: string, from: string | undefined) =>
  from === undefined ? '' : ` AND ${column} >= ${from}`;

/**
 * Only the first answer of a stream counts. One at revision 0 cannot be a later one, so that only the few
 * streams that began with a correction, or hold a second answer, are looked at as a whole.
 */
const isFirstAnswer =
  (range: EventRange): Statement =>
  (sql) => `(revision = 0 OR CONCAT(stream, '|', CAST(revision AS STRING)) IN (
      SELECT CONCAT(a.stream, '|', CAST(MIN(a.revision) AS STRING)) FROM ${sql.table('events')} AS a
      WHERE a.type IN (${ANSWERS})${since('a.recorded_at', range.streamsFrom)} AND a.stream IN (
        SELECT stream FROM ${sql.table('events')}
        WHERE type IN (${ANSWERS}) AND revision > 0 AND ${within(range)})
      GROUP BY a.stream))`;

/** The first answer of every stream; later ones say nothing. */
export const predictions: Derivation = {
  name: 'predictions',
  types: ANSWER_TYPES,
  dayColumn: 'predicted_at',
  sortedBy: ['predictor', 'predicted_at', 'version', 'prediction_id'],
  select: (range) => (sql) => {
    const json = sql.json('payload', {
      version: 'text',
      subject: 'text',
      latencyMs: 'number',
      pinned: 'boolean',
      error: { kind: 'text' },
      candidates: [{ label: 'text', confidence: 'number' }],
      metadata: 'json',
    });
    return `
SELECT prediction_id, predictor, version, subject, predicted_at, recorded_at, status, error_kind,
  ${sql.first('candidates', 'label')} AS label, ${sql.first('candidates', 'confidence')} AS confidence,
  candidates, latency_ms, pinned, event_id, position, metadata
FROM (
  SELECT ${PREDICTION_ID} AS prediction_id, predictor, ${sql.text('j', 'version')} AS version,
    ${sql.text('j', 'subject')} AS subject, occurred_at AS predicted_at, recorded_at,
    
    CASE WHEN j IS NULL THEN 'unreadable' WHEN type = '${PREDICTION_FAILED}' THEN 'failed' ELSE 'ok' END AS status, ${sql.text('j', 'error', 'kind')} AS error_kind,
    ${sql.candidates('j')} AS candidates, ${sql.integer('j', 'latencyMs')} AS latency_ms,
    COALESCE(${sql.boolean('j', 'pinned')}, FALSE) AS pinned, event_id, position,
    ${sql.jsonPart('j', 'metadata')} AS metadata
  FROM (
    SELECT stream, predictor, occurred_at, recorded_at, type, event_id, position, ${json} AS j
    FROM ${sql.table('events')}
    WHERE type IN (${ANSWERS}) AND ${within(range)} AND ${isFirstAnswer(range)(sql)}
    ${sql.eachOnce('stream, revision', 'position')}
  ) AS e
) AS p`;
  },
};

/** Corrections and their retractions, one row each. */
export const corrections: Derivation = {
  name: 'corrections',
  types: CORRECTION_TYPES,
  dayColumn: 'corrected_at',
  sortedBy: ['corrected_at', 'prediction_id'],
  select: (range) => (sql) => {
    const json = sql.json('payload', {
      correctionId: 'text',
      rank: 'number',
      label: 'text',
      none: 'boolean',
      actor: 'text',
      comment: 'text',
    });
    return `
SELECT COALESCE(${sql.text('j', 'correctionId')}, event_id) AS correction_id, ${PREDICTION_ID} AS prediction_id,
  
  CASE WHEN j IS NULL THEN 'unreadable' WHEN type = '${CORRECTION_RETRACTED}' THEN 'retracted'
    ELSE 'corrected' END AS kind, ${sql.integer('j', 'rank')} AS rank,
  ${sql.text('j', 'label')} AS label, COALESCE(${sql.boolean('j', 'none')}, FALSE) AS none,
  ${sql.text('j', 'actor')} AS actor, ${sql.text('j', 'comment')} AS comment,
  occurred_at AS corrected_at, recorded_at, event_id, revision, position
FROM (
  SELECT stream, type, occurred_at, recorded_at, event_id, revision, position, ${json} AS j
  FROM ${sql.table('events')}
  WHERE type IN (${quoted(CORRECTION_TYPES)}) AND ${within(range)}
  ${sql.eachOnce('stream, revision', 'position')}
) AS e`;
  },
};

/** What versions that users do not see answered, one row each; of a version's answers the first counts. */
export const shadows: Derivation = {
  name: 'shadows',
  types: [PREDICTION_SHADOWED],
  dayColumn: 'shadowed_at',
  sortedBy: ['predictor', 'shadowed_at', 'version', 'prediction_id'],
  select: (range) => (sql) => {
    const json = sql.json('payload', {
      version: 'text',
      latencyMs: 'number',
      error: { kind: 'text' },
      candidates: [{ label: 'text', confidence: 'number' }],
    });
    const errorKind = sql.text('j', 'error', 'kind');
    return `
SELECT prediction_id, predictor, version, shadowed_at, recorded_at, status, error_kind,
  ${sql.first('candidates', 'label')} AS label, ${sql.first('candidates', 'confidence')} AS confidence,
  candidates, latency_ms, event_id, revision, position
FROM (
  SELECT ${PREDICTION_ID} AS prediction_id, predictor, ${sql.text('j', 'version')} AS version,
    occurred_at AS shadowed_at, recorded_at,
    CASE WHEN j IS NULL THEN 'unreadable' WHEN ${errorKind} IS NOT NULL THEN 'failed' ELSE 'ok' END AS status,
    ${errorKind} AS error_kind, ${sql.candidates('j')} AS candidates, ${sql.integer('j', 'latencyMs')} AS latency_ms,
    event_id, revision, position
  FROM (
    SELECT stream, predictor, occurred_at, recorded_at, event_id, revision, position, ${json} AS j
    FROM ${sql.table('events')}
    WHERE type IN (${quoted([PREDICTION_SHADOWED])}) AND ${within(range)}
    ${sql.eachOnce('stream, revision', 'position')}
  ) AS e
) AS s`;
  },
};

/** What happened to the versions of predictors. `action` is the event's type without its prefix. */
export const deployments: Derivation = {
  name: 'deployments',
  types: DEPLOYMENT_TYPES,
  dayColumn: 'effective_at',
  sortedBy: ['predictor', 'effective_at'],
  select: (range) => (sql) => {
    const json = sql.json('payload', {
      version: 'text',
      canary: 'text',
      challenger: 'text',
      baseline: 'text',
      backend: { kind: 'text' },
      split: 'json',
      reason: 'text',
    });
    return `
SELECT predictor, SUBSTR(type, ${'assay.predictor.'.length + 1}) AS action,
  COALESCE(${sql.text('j', 'version')}, ${sql.text('j', 'canary')}, ${sql.text('j', 'challenger')}) AS version,
  ${sql.text('j', 'baseline')} AS baseline, ${sql.text('j', 'backend', 'kind')} AS backend_kind,
  ${sql.jsonText('j', 'split')} AS split, ${sql.text('j', 'reason')} AS reason,
  occurred_at AS effective_at, recorded_at, event_id, position
FROM (
  SELECT type, predictor, occurred_at, recorded_at, event_id, position, ${json} AS j
  FROM ${sql.table('events')}
  WHERE type IN (${quoted(DEPLOYMENT_TYPES)}) AND ${within(range)}
  ${sql.eachOnce('stream, revision', 'position')}
) AS e`;
  },
};

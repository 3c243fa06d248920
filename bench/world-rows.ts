/**
 * From a made-up world to rows of a warehouse, as SQL for DuckDB: 120,000 predictions one by one in JavaScript
 * would take seconds. Every draw is a hash of the run, the prediction (or user) and the purpose, so that a run is
 * the same on every machine and in whatever order the runs are made.
 */
import { createHash } from 'node:crypto';
import { type ArmWorld, shareAt, STARTED_AT, WIDTH, type World } from './canary-world.js';

/** What each draw is for; two purposes never share a number. */
const DRAW = {
  arm: 0, sharesFate: 1, isRight: 2, tells: 3, delay: 4, moment: 5, fails: 6, isSlow: 7, clock: 8, clockAngle: 9,
  slips: 10, fixedAfter: 11, isLate: 12, lateBy: 13, isPinned: 14, user: 15,
} as const; // prettier-ignore

/** Keys of a bucket's predictions start at a multiple of this. */
const KEYS_PER_BUCKET = 2 ** 20;
/** Keys of users lie above all keys of predictions. */
const USER_KEYS = 2 ** 45;
/** Mean time from a slip to the label that supersedes it, buckets. */
const FIXED_AFTER = 10;

/** The table of what changes from bucket to bucket: once for a world, not for each of its runs. */
export function scheduleOf(world: World): string {
  const rows = Array.from({ length: world.buckets }, (_, bucket) => {
    const progress = bucket / world.buckets;
    return `(${[
      bucket,
      Math.round(world.predictionsPerBucket(progress)),
      world.routed ?? shareAt(world, bucket),
      world.baseline.accuracy(progress),
      world.canary.accuracy(progress),
    ].join(', ')})`;
  });
  return `CREATE OR REPLACE TEMP TABLE schedule AS
SELECT CAST(bucket AS BIGINT) AS bucket, CAST(predictions AS BIGINT) AS predictions, CAST(share AS DOUBLE) AS share,
  CAST(baseline_accuracy AS DOUBLE) AS baseline_accuracy, CAST(canary_accuracy AS DOUBLE) AS canary_accuracy
FROM (VALUES ${rows.join(', ')}) AS s(bucket, predictions, share, baseline_accuracy, canary_accuracy)`;
}

/** A number for a run of a scenario, from everything that makes it this one and no other. */
export function saltOf(seed: number, scenario: string, run: number): bigint {
  const digest = createHash('sha256').update(`${seed}\n${scenario}\n${run}`).digest();
  return digest.readBigUInt64BE();
}

/** Buckets from the first on, without the last. */
export interface Stretch {
  from: number;
  to: number;
}

/** One row a prediction: what became of it, and when who said what about it. Times in milliseconds. */
export function fatesOf(world: World, salt: bigint, { from, to }: Stretch): string {
  // Two rounds: one alone mixes neighbouring keys less well.
  const draw = (key: string, purpose: keyof typeof DRAW) =>
    `(CAST(hash(hash(xor(${key} * 16 + ${DRAW[purpose]}, ${salt}::UBIGINT))) >> 11 AS DOUBLE) * 1.1102230246251565e-16)`;
  const by = (value: (arm: ArmWorld) => number | boolean) =>
    choose(value(world.canary), value(world.baseline));
  const has = (value: (arm: ArmWorld) => number) => value(world.canary) > 0 || value(world.baseline) > 0;
  const chance = (value: (arm: ArmWorld) => number, purpose: keyof typeof DRAW) =>
    has(value) ? `${draw('k', purpose)} < ${by(value)}` : 'FALSE';
  const after = (purpose: keyof typeof DRAW, key: string, mean: string) =>
    `CAST(-ln(1 - ${draw(key, purpose)}) * ${mean} * ${WIDTH} AS BIGINT)`;
  const skew = has((arm) => arm.clockSpread)
    ? ` + CAST(sqrt(-2 * ln(1 - ${draw('k', 'clock')})) * cos(2 * pi() * ${draw('k', 'clockAngle')}) * ` +
      `${by((arm) => arm.clockSpread)} * ${WIDTH} AS BIGINT)`
    : '';
  const right = { told: by((arm) => arm.confirms), delay: by((arm) => arm.confirmDelay) };
  const wrong = { told: by((arm) => arm.corrects), delay: by((arm) => arm.correctDelay) };
  return `
SELECT k, person, canary, pinned, failed, slow, is_right, made_at, told_at, told_at${skew} AS dated_at,
  slipped, retracted, ${has((arm) => arm.slips) ? `told_at + ${after('fixedAfter', 'k', String(FIXED_AFTER))}` : 'NULL'} AS fixed_at,
  made_at + ${
    has((arm) => arm.late)
      ? `IF(${chance((arm) => arm.late, 'isLate')}, ${after(
          'lateBy',
          'k',
          by((arm) => arm.lateBy),
        )}, 0)`
      : '0'
  } AS seen_at
FROM (
  SELECT *, ${chance((arm) => arm.slips, 'slips')} AS slipped, ${by((arm) => arm.retracts)} AS retracted,
    CASE WHEN NOT failed AND ${draw('fate', 'tells')} < IF(is_right, ${right.told}, ${wrong.told})
      THEN made_at + ${after('delay', 'fate', `IF(is_right, ${right.delay}, ${wrong.delay})`)} END AS told_at
  FROM (
    SELECT *, ${draw('fate', 'isRight')} < CASE WHEN pinned THEN ${world.pinnedAccuracy}
        WHEN canary THEN canary_accuracy ELSE baseline_accuracy END AS is_right,
      ${chance((arm) => arm.errors, 'fails')} AS failed, ${chance((arm) => arm.slow, 'isSlow')} AS slow,
      ${STARTED_AT} + bucket * ${WIDTH} + CAST(floor(${draw('k', 'moment')} * ${WIDTH}) AS BIGINT) AS made_at
    FROM (
      SELECT *, pinned OR ${draw('person', 'arm')} < share AS canary,
        ${world.correlation > 0 ? `IF(${draw('person', 'sharesFate')} < ${world.correlation}, person, k)` : 'k'} AS fate
      FROM (
        SELECT *, ${personOf(world, draw('k', 'user'))} AS person,
          ${world.pinned > 0 ? `${draw('k', 'isPinned')} < ${world.pinned}` : 'FALSE'} AS pinned
        FROM (
          SELECT s.*, nth, CAST(bucket * ${KEYS_PER_BUCKET} + nth AS UBIGINT) AS k
          FROM schedule AS s, range(predictions) AS r(nth)
          WHERE bucket >= ${from} AND bucket < ${to}
        ) AS a
      ) AS b
    ) AS c
  ) AS d
) AS e`;
}

function choose(canary: number | boolean, baseline: number | boolean): string {
  return canary === baseline ? String(canary) : `IF(canary, ${canary}, ${baseline})`;
}

/** A user's key: the prediction's own, where nobody makes two. */
function personOf({ users, predictionsPerUser }: World, draw: string): string {
  if (users !== null) return `CAST(${USER_KEYS} + floor(${draw} * ${users}) AS UBIGINT)`;
  if (predictionsPerUser === 1) return 'k';
  return `CAST(${USER_KEYS} + bucket * ${KEYS_PER_BUCKET} + nth // ${predictionsPerUser} AS UBIGINT)`;
}

const timestamp = (millis: string) => `make_timestamptz((${millis}) * 1000)`;

/** Rows of `predictions` that were recorded in [from, to), milliseconds. */
export function predictionsOf({ users, predictionsPerUser, anonymous }: World): string {
  const hasSubject = !anonymous && (users !== null || predictionsPerUser > 1);
  return `
SELECT CAST(k AS VARCHAR) AS prediction_id, 'p' AS predictor, IF(canary, 'v2', 'v1') AS version,
  ${hasSubject ? 'CAST(person AS VARCHAR)' : 'NULL'} AS subject, ${timestamp('made_at')} AS predicted_at,
  ${timestamp('seen_at')} AS recorded_at, IF(failed, 'failed', 'ok') AS status,
  IF(failed, 'timeout', NULL) AS error_kind, IF(failed, NULL, 'A') AS label, IF(failed, NULL, 0.9) AS confidence,
  IF(failed, [], [{rank: CAST(0 AS BIGINT), label: 'A', confidence: CAST(0.9 AS DOUBLE)}]) AS candidates,
  IF(failed, NULL, IF(slow, 900, 100)) AS latency_ms, pinned, NULL AS event_id, k AS position,
  NULL AS metadata
FROM fates WHERE seen_at >= $from AND seen_at < $to`;
}

/**
 * Rows of `corrections` that were recorded in [from, to). A right answer is confirmed by rank or by label; a
 * wrong one is corrected by a rank that there is not, by a label, or as none of the candidates.
 */
export function correctionsOf(world: World): string {
  const slips = world.baseline.slips > 0 || world.canary.slips > 0;
  const given = (id: string, says: string, at: string, recorded: string, revision: string, where: string) => `
SELECT '${id}' || k AS correction_id, CAST(k AS VARCHAR) AS prediction_id, 'corrected' AS kind,
  CASE WHEN k % 3 = 0 THEN IF(${says}, 0, 1) END AS rank,
  CASE WHEN k % 3 <> 0 THEN IF(${says}, 'A', IF(k % 3 = 1, 'B', NULL)) END AS label,
  k % 3 = 2 AND NOT (${says}) AS "none", NULL AS actor, NULL AS comment,
  ${timestamp(at)} AS corrected_at, ${timestamp(recorded)} AS recorded_at, NULL AS event_id,
  ${revision} AS revision, k AS position
FROM fates WHERE told_at IS NOT NULL AND ${where}${recorded} >= $from AND ${recorded} < $to`;
  if (!slips) return given('a', 'is_right', 'dated_at', 'told_at', '1', '');
  return [
    given('a', 'is_right <> slipped', 'dated_at', 'told_at', '1', ''),
    given('b', 'is_right', 'fixed_at', 'fixed_at', 'IF(retracted, 3, 2)', 'slipped AND '),
    `
SELECT 'a' || k, CAST(k AS VARCHAR), 'retracted', NULL, NULL, FALSE, NULL, NULL,
  ${timestamp('fixed_at')}, ${timestamp('fixed_at')}, NULL, 2, k
FROM fates WHERE told_at IS NOT NULL AND slipped AND retracted AND fixed_at >= $from AND fixed_at < $to`,
  ].join('\nUNION ALL');
}

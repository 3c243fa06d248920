import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { StoredEvent } from '#assay/event/envelope.js';
import { foldPrediction, outcomeOf, type PredictionState } from '#assay/event/prediction.js';
import { PROJECTION } from '#assay/projection/views.js';
import { type BucketRow, type CellPolicy, readBuckets, type ScoreMeans } from '#assay/verdict/cells.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import { DAY, forSeconds, happenings, logOf } from '../histories.js';

let folder: string;
let warehouse: DuckDbWarehouse;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'assay-cells-'));
  warehouse = await DuckDbWarehouse.open(join(folder, 'w.duckdb'), PROJECTION);
});

afterAll(async () => {
  await warehouse.close();
  rmSync(folder, { recursive: true });
});

const policies: fc.Arbitrary<CellPolicy> = fc.record(
  {
    rightWithin: fc.integer({ min: 1, max: 3 }),
    bucketSeconds: fc.constantFrom(60, 300, 450),
    ageEdgesSeconds: fc.constantFrom([0, 300], [0, 1, 300, 6000], [0, 300, 900, 2400, 6000, 18_000, 86_400]),
    latencyLimitMs: fc.constantFrom(99, 100, 249.5),
    scores: fc.subarray([{ from: '/cost' }, { from: '/a.b/c' }, { from: '/nowhere' }], { minLength: 1 }),
  },
  { requiredKeys: ['rightWithin', 'bucketSeconds', 'ageEdgesSeconds'] },
);

describe('the buckets of a canary', () => {
  test('are what a straightforward count gives', async () => {
    const startedAt = fc.constantFrom(DAY - 1000, DAY, DAY + 1, DAY + 300_000);
    await fc.assert(
      fc.asyncProperty(
        happenings(20),
        policies,
        startedAt,
        forSeconds(6, async (happened, policy, started) => {
          const log = logOf(happened);
          await warehouse.clear();
          await warehouse.append(log, 'end');
          const request = { predictor: 'p', baseline: 'v1', canary: 'v2', startedAt: started, policy };
          const rows = await readBuckets(warehouse, request);
          const expected = counted(log, started, policy);
          expect(rows.map(rounded)).toEqual(expected.map(rounded));
        }),
      ),
      { numRuns: 50 },
    );
  });
});

function rounded(row: BucketRow): BucketRow {
  const round = (value: number) => Math.round(value * 1e9) / 1e9;
  return {
    ...row,
    errors: round(row.errors),
    slow: round(row.slow),
    right: row.right.map(round),
    wrong: row.wrong.map(round),
    ...(row.scores && { scores: row.scores.map((one) => ({ ...one, sum: round(one.sum) })) }),
  };
}

interface Seen {
  version: string;
  bucket: number;
  person: string;
  predictedAt: number;
  failed: boolean;
  latencyMs: number | null;
  bin: number;
  right: boolean;
  /** Of each score of the policy; null where it has none. */
  scores: (number | null)[];
}

/** The rows by loops over folded streams, as the design words them. */
function counted(log: StoredEvent[], startedAt: number, policy: CellPolicy): BucketRow[] {
  const streams = new Map<string, StoredEvent[]>();
  for (const event of log) streams.set(event.stream, [...(streams.get(event.stream) ?? []), event]);
  const seen = [...streams.values()]
    .map((events) => seenOf(foldPrediction(events), policy))
    .filter((one): one is Seen => one !== null && one.bucket >= startedAt);
  const firsts = firstSeen(seen);
  const rows: BucketRow[] = [];
  for (const [, bucketOfVersion] of group(seen, (one) => `${one.bucket} ${one.version}`)) {
    const [{ version, bucket }] = bucketOfVersion as [Seen];
    const people = [...group(bucketOfVersion, (one) => one.person).values()];
    const bins = policy.ageEdgesSeconds.slice(1).map((_, bin) => bin);
    const mean = (of: (one: Seen) => boolean, among: (one: Seen) => boolean) =>
      people.reduce((sum, theirs) => {
        const whole = theirs.filter(among);
        return whole.length === 0 ? sum : sum + whole.filter(of).length / whole.length;
      }, 0);
    const isTimed = (one: Seen) => !one.failed && one.latencyMs !== null;
    const isAtRisk = (bin: number) => (one: Seen) => !one.failed && one.bin >= bin;
    rows.push({
      version,
      bucket,
      predictions: bucketOfVersion.length,
      subjects: people.length,
      errors: mean(
        (one) => one.failed,
        () => true,
      ),
      timedSubjects: people.filter((theirs) => theirs.some(isTimed)).length,
      slow: mean((one) => (one.latencyMs ?? 0) > (policy.latencyLimitMs ?? Infinity), isTimed),
      newcomers: people.filter(([one]) => firsts.get(one?.person ?? '') === `${bucket} ${version}`).length,
      atRisk: bins.map((bin) => people.filter((theirs) => theirs.some(isAtRisk(bin))).length),
      right: bins.map((bin) => mean((one) => one.bin === bin && one.right, isAtRisk(bin))),
      wrong: bins.map((bin) => mean((one) => one.bin === bin && !one.right, isAtRisk(bin))),
      ...(policy.scores && { scores: policy.scores.map((_, k) => scoreMeans(people, k)) }),
    });
  }
  return rows.sort((a, b) => a.bucket - b.bucket || (a.version < b.version ? -1 : 1));
}

function scoreMeans(people: Seen[][], k: number): ScoreMeans {
  const answered = people.map((theirs) =>
    theirs.filter(({ failed }) => !failed).map(({ scores }) => scores[k]),
  );
  const scored = answered
    .map((theirs) => theirs.filter((score) => typeof score === 'number'))
    .filter((theirs) => theirs.length > 0);
  return {
    subjects: scored.length,
    sum: scored.reduce((sum, theirs) => sum + theirs.reduce((a, b) => a + b, 0) / theirs.length, 0),
    leftOut: answered.flat().filter((score) => score === null).length,
  };
}

function scoreOf(metadata: unknown, from: string): number | null {
  let value = metadata;
  for (const step of from.slice(1).split('/')) {
    value =
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined;
  }
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'number' && value >= 0 && value <= 1 ? value : null;
}

function seenOf(state: PredictionState, policy: CellPolicy): Seen | null {
  const { answer } = state;
  if (answer === null || answer.pinned === true || answer.predictor !== 'p') return null;
  if (answer.version !== 'v1' && answer.version !== 'v2') return null;
  const [first] = state.corrections
    .filter(({ retracted }) => !retracted)
    .sort((a, b) => a.occurredAt - b.occurredAt || a.revision - b.revision);
  const rank = first === undefined ? null : (outcomeOf({ ...state, corrections: [first] })?.rank ?? null);
  const age = first === undefined ? Infinity : Math.max(0, first.occurredAt - answer.occurredAt);
  const ends = policy.ageEdgesSeconds.slice(1).map((edge) => edge * 1000);
  const bin = ends.findIndex((end) => age < end);
  const bucketMs = policy.bucketSeconds * 1000;
  return {
    version: answer.version,
    bucket: Math.floor(answer.occurredAt / bucketMs) * bucketMs,
    person: answer.subject ?? answer.predictionId,
    predictedAt: answer.occurredAt,
    failed: answer.status === 'failed',
    latencyMs: answer.latencyMs === undefined ? null : Math.round(answer.latencyMs),
    bin: bin === -1 ? ends.length : bin,
    right: rank !== null && rank < policy.rightWithin,
    scores: (policy.scores ?? []).map(({ from }) => scoreOf(answer.metadata, from)),
  };
}

/** Bucket and version of each person's first prediction. */
function firstSeen(seen: Seen[]): Map<string, string> {
  const inOrder = [...seen].sort((a, b) => a.predictedAt - b.predictedAt || (a.version < b.version ? -1 : 1));
  const firsts = new Map<string, string>();
  for (const { person, bucket, version } of inOrder) {
    if (!firsts.has(person)) firsts.set(person, `${bucket} ${version}`);
  }
  return firsts;
}

function group<T>(elements: T[], key: (element: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const element of elements) groups.set(key(element), [...(groups.get(key(element)) ?? []), element]);
  return groups;
}

/** What the SQL counts of pairs is what loops over folded streams count. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { StoredEvent } from '#assay/event/envelope.js';
import { foldPrediction, outcomeOf } from '#assay/event/prediction.js';
import { PROJECTION } from '#assay/projection/views.js';
import { type PairsPolicy, readPairs, readSpeed } from '#assay/verdict/challenger-pairs.js';
import type { PairRow } from '#assay/verdict/challenger-judgement.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import { DAY, forSeconds, happenings, logOf } from '../histories.js';

let folder: string;
let warehouse: DuckDbWarehouse;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'assay-pairs-'));
  warehouse = await DuckDbWarehouse.open(join(folder, 'w.duckdb'), PROJECTION);
});

afterAll(async () => {
  await warehouse.close();
  rmSync(folder, { recursive: true });
});

const policies: fc.Arbitrary<PairsPolicy> = fc.record({
  rightWithin: fc.integer({ min: 1, max: 3 }),
  bucketSeconds: fc.constantFrom(60, 300, 900),
  labelWindowSeconds: fc.constantFrom(300, 6000, 86_400),
});

test('the pairs of a challenger are what a straightforward count gives', async () => {
  const comparedSince = fc.constantFrom(DAY - 1000, DAY, DAY + 1, DAY + 300_000);
  await fc.assert(
    fc.asyncProperty(
      happenings(20),
      policies,
      comparedSince,
      forSeconds(8, async (happened, policy, since) => {
        const log = logOf(happened);
        await warehouse.clear();
        await warehouse.append(log, 'end');
        const request = { predictor: 'p', baseline: 'v2', challenger: 'v9', comparedSince: since, policy };
        expect(await readPairs(warehouse, request)).toEqual(counted(log, since, policy));
        const { latencyP50 } = await readSpeed(warehouse, request);
        if (latencyP50 !== null) expect([0, 10, 20, 30]).toContain(latencyP50);
      }),
    ),
    { numRuns: 60 },
  );
});

interface Compared {
  bucket: number;
  person: string;
  right: boolean;
  wrong: boolean;
  alsoRight: boolean;
  notKnown: boolean;
  agreed: boolean;
  failed: boolean;
}

/** The rows by loops over folded streams, as docs/challengers.md words them. */
function counted(log: StoredEvent[], since: number, policy: PairsPolicy): PairRow[] {
  const streams = new Map<string, StoredEvent[]>();
  for (const event of log) streams.set(event.stream, [...(streams.get(event.stream) ?? []), event]);
  const compared = [...streams.values()]
    .map((events) => comparedOf(events, policy))
    .filter((one): one is Compared => one !== null && one.bucket >= since);
  const people = new Map<string, Compared[]>();
  for (const one of compared) {
    const key = `${one.bucket} ${one.person}`;
    people.set(key, [...(people.get(key) ?? []), one]);
  }
  const rows = new Map<string, PairRow>();
  for (const theirs of people.values()) {
    const number = (of: (one: Compared) => boolean) => theirs.filter(of).length;
    const kind = {
      bucket: theirs[0]!.bucket,
      shadowed: theirs.length,
      lost: number(({ right, alsoRight }) => right && !alsoRight),
      won: number(({ wrong, alsoRight }) => wrong && alsoRight),
      unsure: number(({ wrong, notKnown }) => wrong && notKnown),
      wrong: number(({ wrong }) => wrong),
    };
    const key = Object.values(kind).join(' ');
    const row = rows.get(key) ?? { ...kind, subjects: 0, right: 0, agreed: 0, failed: 0 };
    row.subjects++;
    row.right += number(({ right }) => right);
    row.agreed += number(({ agreed }) => agreed);
    row.failed += number(({ failed }) => failed);
    rows.set(key, row);
  }
  const order = ['bucket', 'shadowed', 'lost', 'won', 'unsure', 'wrong'] as const;
  return [...rows.values()].sort((a, b) => {
    const differing = order.find((name) => a[name] !== b[name]);
    return differing === undefined ? 0 : a[differing] - b[differing];
  });
}

function comparedOf(events: StoredEvent[], policy: PairsPolicy): Compared | null {
  const state = foldPrediction(events);
  const { answer } = state;
  const shadow = state.shadows.find(({ version }) => version === 'v9');
  if (answer === null || answer.status === 'failed' || answer.pinned === true || shadow === undefined)
    return null;
  if (answer.predictor !== 'p' || answer.version !== 'v2') return null;
  const [first] = state.corrections
    .filter(({ retracted }) => !retracted)
    .sort((a, b) => a.occurredAt - b.occurredAt || a.revision - b.revision);
  const isLabelled =
    first !== undefined && first.occurredAt - answer.occurredAt < policy.labelWindowSeconds * 1000;
  const outcome = isLabelled ? outcomeOf({ ...state, corrections: [first] }) : null;
  const right = outcome?.rank != null && outcome.rank < policy.rightWithin;
  const theirs = (shadow.candidates ?? []).map(({ label }) => label);
  const shown = answer.candidates.map(({ label }) => label);
  const truth = outcome?.label ?? null;
  const place = truth === null ? -1 : theirs.indexOf(truth);
  const isKnownWrong = theirs.length === 0 || (policy.rightWithin === 1 && shown.includes(theirs[0]!));
  const bucketMs = policy.bucketSeconds * 1000;
  return {
    bucket: Math.floor(answer.occurredAt / bucketMs) * bucketMs,
    person: answer.subject ?? answer.predictionId,
    right,
    wrong: isLabelled && !right,
    alsoRight: place !== -1 && place < policy.rightWithin,
    notKnown: truth === null && !isKnownWrong,
    agreed: shadow.error === undefined && shown.length > 0 && shown[0] === theirs[0],
    failed: shadow.error !== undefined,
  };
}

/** The worlds in which the judge must prove itself, and what is asked of it there (docs/canary-bar.md). */
import { type Course, world, type World } from './canary-world.js';

export interface Scenario {
  /** Heading under which the row stands. */
  group: string;
  name: string;
  world: World;
  /** Bounds on the share of runs with this verdict. */
  atMost?: { rollback?: number; promote?: number };
  atLeast?: { rollback?: number; promote?: number };
  /** Named where the naive rules are judged too: which of their verdicts is false in this world. */
  naive?: { title: string; falsely: ('rollback' | 'promote')[] };
}

type Row = Omit<Scenario, 'group'>;

const RAMP = [0.05, 0.1, 0.25, 0.5];
const HALF = { shares: [0.5] };
/** Smaller services, where the row is not about the number of labels. */
const SMALL = { ...HALF, predictionsPerBucket: 200 };
const ALL = { confirms: 1, corrects: 1 };
const falling: Course = (progress) => 0.85 - 0.15 * progress;

/** Nothing is wrong and nothing differs. */
const nothingWrong = { rollback: 0.01 };
const neither = { rollback: 0.01, promote: 0.05 };
/** Exactly at the tolerance either verdict is one too many. */
const atMargin = { rollback: 0.05, promote: 0.05 };
/** One hundred percent, in two digits. */
const ALWAYS = 0.995;

const plain: Row[] = [
  { name: 'equal .80, 10 %', world: world({}, {}), atMost: nothingWrong, atLeast: { promote: 0.79 } },
  {
    name: 'equal .80, ramp 5-10-25-50 %',
    world: world({}, {}, { shares: RAMP }),
    atMost: nothingWrong,
    atLeast: { promote: 0.91 },
  },
  {
    name: 'equal .80, 50 %',
    world: world({}, {}, HALF),
    atMost: nothingWrong,
    atLeast: { promote: 0.95 },
    naive: { title: 'equal', falsely: ['rollback'] },
  },
  { name: 'at the margin .80/.78, 10 %', world: world({}, { accuracy: 0.78 }), atMost: atMargin },
  {
    name: 'at the margin .80/.78, 50 %',
    world: world({}, { accuracy: 0.78 }, HALF),
    atMost: atMargin,
    naive: { title: 'at the margin', falsely: ['rollback', 'promote'] },
  },
  {
    name: 'worse .80/.75, 10 %',
    world: world({}, { accuracy: 0.75 }),
    atMost: { promote: 0.05 },
    atLeast: { rollback: 0.99 },
    naive: { title: 'worse .80/.75, 10 %', falsely: ['promote'] },
  },
  {
    name: 'worse .80/.70, 10 %',
    world: world({}, { accuracy: 0.7 }),
    atMost: { promote: 0.01 },
    atLeast: { rollback: ALWAYS },
  },
  {
    name: 'better .80/.84, 50 %',
    world: world({}, { accuracy: 0.84 }, HALF),
    atMost: nothingWrong,
    atLeast: { promote: 0.98 },
    naive: { title: 'better .80/.84', falsely: ['rollback'] },
  },
  {
    name: 'better .60/.75, 10 %',
    world: world({ accuracy: 0.6 }, { accuracy: 0.75 }),
    atMost: nothingWrong,
    atLeast: { promote: ALWAYS },
  },
];

const habits: Row[] = [
  {
    name: 'equal, users of the canary confirm 20 % in place of 30 %',
    world: world({}, { confirms: 0.2 }),
    atMost: neither,
    naive: { title: 'equal, confirmed less', falsely: ['rollback'] },
  },
  { name: 'equal, they confirm 27 %', world: world({}, { confirms: 0.27 }), atMost: neither },
  { name: 'equal, they confirm half as fast', world: world({}, { confirmDelay: 40 }), atMost: neither },
  {
    name: 'equal, they confirm 40 %, 50 %',
    world: world({}, { confirms: 0.4 }, HALF),
    atMost: nothingWrong,
    atLeast: { promote: 0.985 },
  },
  {
    name: 'equal, they label everything 1.3 times as often',
    world: world({}, { confirms: 0.39, corrects: 0.78 }),
    atMost: neither,
  },
  {
    name: 'worse .75, but they confirm 45 %',
    world: world({}, { accuracy: 0.75, confirms: 0.45 }),
    atMost: { promote: 0.05 },
  },
  {
    name: 'worse .75, and they correct half as often',
    world: world({}, { accuracy: 0.75, corrects: 0.3 }),
    atMost: { promote: 0.05 },
  },
  {
    name: 'worse .78, and they correct two thirds as often',
    world: world({}, { accuracy: 0.78, corrects: 0.4 }),
    atMost: { promote: 0.05 },
  },
];

const ramps: Row[] = [
  {
    name: 'both fall from .85 to .70, ramp, equal',
    world: world({ accuracy: falling }, { accuracy: falling }, { shares: RAMP }),
    atMost: nothingWrong,
    atLeast: { promote: 0.95 },
    naive: { title: 'equal, both fall, ramp', falsely: ['rollback'] },
  },
  {
    name: 'both fall, ramp, 10 % more wrong',
    world: world({ accuracy: falling }, { accuracy: (p) => 1 - 1.1 * (1 - falling(p)) }, { shares: RAMP }),
    atMost: atMargin,
  },
  {
    name: 'both fall, ramp, 5 points worse',
    world: world({ accuracy: falling }, { accuracy: (p) => falling(p) - 0.05 }, { shares: RAMP }),
    atMost: { promote: 0.05 },
    atLeast: { rollback: 0.99 },
  },
];

/** As good as the baseline until a moment, then worse. */
const worseFrom =
  (moment: number, accuracy: number): Course =>
  (progress) =>
    progress < moment ? 0.8 : accuracy;

const onset: Row[] = [
  {
    name: '.80, and .70 once the ramp reaches 25 % (bucket 100)',
    world: world({}, { accuracy: worseFrom(0.5, 0.7) }, { ...SMALL, shares: RAMP }),
    atMost: { promote: 0.05 },
  },
  {
    name: 'the same to 25 %, evidence not counted afresh (not done)',
    world: world({}, { accuracy: worseFrom(0.5, 0.7) }, { ...SMALL, shares: RAMP, withoutRestarts: true }),
  },
  {
    name: '.80, and .70 once the ramp reaches 50 % (bucket 150)',
    world: world({}, { accuracy: worseFrom(0.75, 0.7) }, { ...SMALL, shares: RAMP }),
  },
  {
    name: 'the same to 50 %, evidence not counted afresh (not done)',
    world: world({}, { accuracy: worseFrom(0.75, 0.7) }, { ...SMALL, shares: RAMP, withoutRestarts: true }),
  },
  {
    name: '.80, and .65 from bucket 100 on, always 10 %',
    world: world({}, { accuracy: worseFrom(0.5, 0.65) }, { predictionsPerBucket: 200 }),
    atMost: { promote: 0.5 },
  },
];

const CLUSTERED = { ...HALF, predictionsPerBucket: 300, predictionsPerUser: 5, correlation: 0.3 };

const users: Row[] = [
  {
    name: '5 a user and bucket, correlation .3, equal',
    world: world({}, {}, CLUSTERED),
    atMost: nothingWrong,
  },
  {
    name: '5 a user and bucket, correlation .3, margin',
    world: world({}, { accuracy: 0.78 }, CLUSTERED),
    atMost: atMargin,
  },
  {
    name: 'the same, each prediction counted (not done)',
    world: world({}, { accuracy: 0.78 }, { ...CLUSTERED, anonymous: true }),
  },
  {
    name: '20,000 users who come back twice on average, correlation .3, margin',
    world: world({}, { accuracy: 0.78 }, { ...SMALL, users: 20_000, correlation: 0.3 }),
    atMost: atMargin,
  },
  {
    name: '2,000 users who come back 20 times, correlation .3, equal',
    world: world({}, {}, { ...SMALL, users: 2000, correlation: 0.3 }),
  },
  {
    name: '2,000 users who come back 20 times, correlation .3, margin (a known limit)',
    world: world({}, { accuracy: 0.78 }, { ...SMALL, users: 2000, correlation: 0.3 }),
  },
];

const SELECTIVE = { confirmDelay: 60, correctDelay: 1 };
const FEW = { confirms: 0.03, corrects: 0.12 };

const labels: Row[] = [
  {
    name: 'every prediction labelled, 200 a bucket, equal',
    world: world(ALL, ALL, SMALL),
    atMost: nothingWrong,
    atLeast: { promote: 0.95 },
  },
  {
    name: 'every prediction labelled, 200 a bucket, margin',
    world: world(ALL, { ...ALL, accuracy: 0.78 }, SMALL),
    atMost: atMargin,
  },
  {
    name: 'wrong ones told after 1 bucket, right ones after 60, equal',
    world: world(SELECTIVE, SELECTIVE, SMALL),
    atMost: nothingWrong,
  },
  {
    name: 'wrong ones told after 1 bucket, right ones after 60, margin',
    world: world(SELECTIVE, { ...SELECTIVE, accuracy: 0.78 }, SMALL),
    atMost: atMargin,
  },
  { name: '5 % labelled, equal', world: world(FEW, FEW, SMALL), atMost: nothingWrong },
  { name: '5 % labelled, margin', world: world(FEW, { ...FEW, accuracy: 0.78 }, SMALL), atMost: atMargin },
  {
    name: '5 % labelled, worse .80/.70',
    world: world(FEW, { ...FEW, accuracy: 0.7 }, SMALL),
    atMost: { promote: 0.05 },
  },
];

const sparse: Row[] = [
  {
    name: '40 predictions a bucket, equal',
    world: world({}, {}, { ...HALF, predictionsPerBucket: 40 }),
    atMost: nothingWrong,
    atLeast: { promote: 0.08 },
  },
  {
    name: '40 predictions a bucket, margin',
    world: world({}, { accuracy: 0.78 }, { ...HALF, predictionsPerBucket: 40 }),
    atMost: atMargin,
  },
  ...[4, 10, 40].flatMap((perBucket): Row[] => {
    // 36 of 100 predictions are labelled.
    const traffic = { ...HALF, predictionsPerBucket: Math.round(perBucket / 0.36) };
    return [
      { name: `${perBucket} labels a bucket, equal`, world: world({}, {}, traffic), atMost: nothingWrong },
      {
        name: `${perBucket} labels a bucket, margin`,
        world: world({}, { accuracy: 0.78 }, traffic),
        atMost: atMargin,
      },
      {
        name: `${perBucket} labels a bucket, worse .80/.60`,
        world: world({}, { accuracy: 0.6 }, traffic),
        atMost: { promote: 0.05 },
      },
    ];
  }),
];

const extreme: Row[] = [
  {
    name: '.97, equal',
    world: world({ accuracy: 0.97 }, { accuracy: 0.97 }, HALF),
    atMost: nothingWrong,
    atLeast: { promote: 0.44 },
  },
  {
    name: '.97, 10 % more wrong',
    world: world({ accuracy: 0.97 }, { accuracy: 0.967 }, HALF),
    atMost: atMargin,
  },
  {
    name: '.97/.94',
    world: world({ accuracy: 0.97 }, { accuracy: 0.94 }, HALF),
    atMost: { promote: 0.01 },
    atLeast: { rollback: ALWAYS },
  },
];

const SLIPS = { slips: 0.05 };
const RETRACTED = { slips: 0.1, retracts: true };
const LATE = { late: 0.2, lateBy: 3 };
const AS_KNOWN = { ...HALF, predictionsPerBucket: 120, askedEvery: 40 };

const corrected: Row[] = [
  { name: '5 % of first labels superseded, equal', world: world(SLIPS, SLIPS, SMALL), atMost: nothingWrong },
  {
    name: '5 % of first labels superseded, margin',
    world: world(SLIPS, { accuracy: 0.78, ...SLIPS }, SMALL),
    atMost: atMargin,
  },
  {
    name: '10 % of first labels retracted later and given anew, equal',
    world: world(RETRACTED, RETRACTED, AS_KNOWN),
    atMost: nothingWrong,
  },
  {
    name: '10 % of first labels retracted later and given anew, margin',
    world: world(RETRACTED, { accuracy: 0.78, ...RETRACTED }, AS_KNOWN),
    atMost: atMargin,
  },
  {
    name: 'label clocks off by 10 min (sd), equal',
    world: world({ clockSpread: 2 }, { clockSpread: 2 }, SMALL),
    atMost: nothingWrong,
  },
  {
    name: 'label clocks off by 10 min (sd), margin',
    world: world({ clockSpread: 2 }, { clockSpread: 2, accuracy: 0.78 }, SMALL),
    atMost: atMargin,
  },
  {
    name: "only the canary's label clocks off, equal",
    world: world({}, { clockSpread: 2 }, SMALL),
    atMost: nothingWrong,
  },
  {
    name: 'a fifth of the predictions recorded 15 min late, equal',
    world: world(LATE, LATE, AS_KNOWN),
    atMost: nothingWrong,
  },
  {
    name: 'a fifth of the predictions recorded 15 min late, margin',
    world: world(LATE, { ...LATE, accuracy: 0.78 }, AS_KNOWN),
    atMost: atMargin,
  },
];

/** Two days and nights within the run, from a tenth to nearly twice the mean. */
const days: Course = (progress) => 200 * (1 - 0.9 * Math.cos(4 * Math.PI * progress));
/** Harder questions at night. */
const harderAtNight: Course = (progress) => 0.8 - 0.1 * Math.cos(4 * Math.PI * progress);
const DAYS = { shares: RAMP, predictionsPerBucket: days };
const PINNED = { ...SMALL, pinned: 0.2, pinnedAccuracy: 0.3 };

const traffic: Row[] = [
  {
    name: 'days and nights, harder at night, ramp, equal',
    world: world({ accuracy: harderAtNight }, { accuracy: harderAtNight }, DAYS),
    atMost: nothingWrong,
  },
  {
    name: 'days and nights, harder at night, ramp, margin',
    world: world({ accuracy: harderAtNight }, { accuracy: (p) => 1 - 1.1 * (1 - harderAtNight(p)) }, DAYS),
    atMost: atMargin,
  },
  {
    name: 'a fifth pinned to the canary by testers, 30 % of it right; else equal',
    world: world({}, {}, PINNED),
    atMost: nothingWrong,
  },
  {
    name: 'a fifth pinned to the canary by testers, 30 % of it right; else margin',
    world: world({}, { accuracy: 0.78 }, PINNED),
    atMost: atMargin,
  },
  {
    name: 'equal, router sends 13 % for 10 %',
    world: world({}, {}, { routed: 0.13, predictionsPerBucket: 200 }),
    atMost: neither,
  },
];

const TIMED = { ...SMALL, policy: { latencyLimitMs: 500 } };

const guardrails: Row[] = [
  {
    name: 'errors .002 / .03, 10 %',
    world: world({ errors: 0.002 }, { errors: 0.03 }),
    atLeast: { rollback: ALWAYS },
  },
  {
    name: 'errors .002 / .006, 10 %, within',
    world: world({ errors: 0.002 }, { errors: 0.006 }, { predictionsPerBucket: 200 }),
    atMost: nothingWrong,
  },
  {
    name: 'errors .002 / .007, at the bound',
    world: world({ errors: 0.002 }, { errors: 0.007 }, SMALL),
    atMost: { rollback: 0.05 },
  },
  {
    name: 'slow .05 / .05',
    world: world({ slow: 0.05 }, { slow: 0.05 }, TIMED),
    atMost: nothingWrong,
  },
  {
    name: 'slow .05 / .06, at the bound',
    world: world({ slow: 0.05 }, { slow: 0.06 }, TIMED),
    atMost: { rollback: 0.05 },
  },
  {
    name: 'slow .05 / .09',
    world: world({ slow: 0.05 }, { slow: 0.09 }, TIMED),
    atLeast: { rollback: ALWAYS },
  },
];

const GROUPS: Record<string, Row[]> = {
  'Plain worlds': plain,
  'Changed habits': habits,
  'Ramps with drift': ramps,
  'Late onset': onset,
  'Users with several predictions': users,
  'Late and selective labels': labels,
  'Sparse traffic': sparse,
  'Extreme rates': extreme,
  'Corrections of corrections, clocks, late events': corrected,
  Traffic: traffic,
  Guardrails: guardrails,
};

/** Every name once: the draws of a row depend on it. */
export const SCENARIOS: readonly Scenario[] = Object.entries(GROUPS).flatMap(([group, rows]) =>
  rows.map((row) => ({ group, ...row })),
);

/** The worlds in which the judge must prove itself, and what is asked of it there (docs/canary.md). */
import { world, type World } from './canary-world.js';

export interface Scenario {
  name: string;
  world: World;
  /** Bounds on the share of runs with this verdict. */
  atMost?: { rollback?: number; promote?: number };
  atLeast?: { rollback?: number; promote?: number };
}

const RAMP = [0.05, 0.1, 0.25, 0.5];
const HALF = { shares: [0.5] };
const falling = (progress: number): number => 0.85 - 0.15 * progress;
const nothingWrong = { rollback: 0.01 };
const neither = { rollback: 0.01, promote: 0.05 };
const atMargin = { rollback: 0.05, promote: 0.05 };
const all = { confirms: 1, corrects: 1 };

export const SCENARIOS: Scenario[] = [
  { name: 'equal .80, 10 %', world: world({}, {}), atMost: nothingWrong, atLeast: { promote: 0.79 } },
  {
    name: 'equal .80, ramp',
    world: world({}, {}, { shares: RAMP }),
    atMost: nothingWrong,
    atLeast: { promote: 0.91 },
  },
  { name: 'equal .80, 50 %', world: world({}, {}, HALF), atMost: nothingWrong, atLeast: { promote: 0.95 } },
  { name: 'at the margin .80/.78, 10 %', world: world({}, { accuracy: 0.78 }), atMost: atMargin },
  { name: 'at the margin .80/.78, 50 %', world: world({}, { accuracy: 0.78 }, HALF), atMost: atMargin },
  {
    name: 'worse .80/.75, 10 %',
    world: world({}, { accuracy: 0.75 }),
    atMost: { promote: 0.05 },
    atLeast: { rollback: 0.99 },
  },
  {
    name: 'worse .80/.70, 10 %',
    world: world({}, { accuracy: 0.7 }),
    atMost: { promote: 0.01 },
    atLeast: { rollback: 1 },
  },
  {
    name: 'better .80/.84, 50 %',
    world: world({}, { accuracy: 0.84 }, HALF),
    atMost: nothingWrong,
    atLeast: { promote: 0.98 },
  },
  {
    name: 'better .60/.75, 10 %',
    world: world({ accuracy: 0.6 }, { accuracy: 0.75 }),
    atMost: nothingWrong,
    atLeast: { promote: 1 },
  },
  { name: 'equal, canary confirmed 20 % for 30 %', world: world({}, { confirms: 0.2 }), atMost: neither },
  { name: 'equal, canary confirmed 27 % for 30 %', world: world({}, { confirms: 0.27 }), atMost: neither },
  { name: 'equal, canary confirmed half as fast', world: world({}, { confirmDelay: 40 }), atMost: neither },
  {
    name: 'equal, canary confirmed 40 %, 50 %',
    world: world({}, { confirms: 0.4 }, HALF),
    atMost: nothingWrong,
    atLeast: { promote: 0.985 },
  },
  {
    name: 'equal, canary labelled 1.3 times as often',
    world: world({}, { confirms: 0.39, corrects: 0.78 }),
    atMost: neither,
  },
  {
    name: 'worse .75, but confirmed 45 %',
    world: world({}, { accuracy: 0.75, confirms: 0.45 }),
    atMost: { promote: 0.05 },
  },
  {
    name: 'worse .75, corrected half as often',
    world: world({}, { accuracy: 0.75, corrects: 0.3 }),
    atMost: { promote: 0.05 },
  },
  {
    name: 'worse .78, corrected two thirds as often',
    world: world({}, { accuracy: 0.78, corrects: 0.4 }),
    atMost: { promote: 0.05 },
  },
  {
    name: 'drift .85 to .70, ramp, equal',
    world: world({ accuracy: falling }, { accuracy: falling }, { shares: RAMP }),
    atMost: nothingWrong,
    atLeast: { promote: 0.95 },
  },
  {
    name: 'drift .85 to .70, ramp, 10 % more wrong',
    world: world({ accuracy: falling }, { accuracy: (p) => 1 - 1.1 * (1 - falling(p)) }, { shares: RAMP }),
    atMost: atMargin,
  },
  {
    name: 'drift .85 to .70, ramp, 5 points worse',
    world: world({ accuracy: falling }, { accuracy: (p) => falling(p) - 0.05 }, { shares: RAMP }),
    atMost: { promote: 0.05 },
    atLeast: { rollback: 0.99 },
  },
  {
    name: 'extreme .97 equal, 50 %',
    world: world({ accuracy: 0.97 }, { accuracy: 0.97 }, HALF),
    atMost: nothingWrong,
    atLeast: { promote: 0.44 },
  },
  {
    name: 'extreme .97, 10 % more wrong, 50 %',
    world: world({ accuracy: 0.97 }, { accuracy: 0.967 }, HALF),
    atMost: atMargin,
  },
  {
    name: 'extreme .97/.94, 50 %',
    world: world({ accuracy: 0.97 }, { accuracy: 0.94 }, HALF),
    atMost: { promote: 0.01 },
    atLeast: { rollback: 1 },
  },
  {
    name: 'every prediction labelled, 200, 50 %, equal',
    world: world(all, all, { ...HALF, predictionsPerBucket: 200 }),
    atMost: nothingWrong,
    atLeast: { promote: 0.95 },
  },
  {
    name: 'every prediction labelled, 200, 50 %, margin',
    world: world(all, { ...all, accuracy: 0.78 }, { ...HALF, predictionsPerBucket: 200 }),
    atMost: atMargin,
  },
  {
    name: 'sparse, 40, 50 %, equal',
    world: world({}, {}, { ...HALF, predictionsPerBucket: 40 }),
    atMost: nothingWrong,
    atLeast: { promote: 0.08 },
  },
  {
    name: 'sparse, 40, 50 %, margin',
    world: world({}, { accuracy: 0.78 }, { ...HALF, predictionsPerBucket: 40 }),
    atMost: atMargin,
  },
  {
    name: '5 a user, correlation .3, margin, 50 %',
    world: world({}, { accuracy: 0.78 }, { ...HALF, predictionsPerUser: 5, correlation: 0.3 }),
    atMost: atMargin,
  },
  {
    name: '  the same, each prediction counted (not done)',
    world: world(
      {},
      { accuracy: 0.78 },
      { ...HALF, predictionsPerUser: 5, correlation: 0.3, countsPredictions: true },
    ),
  },
  {
    name: 'equal, 5 % of first labels superseded later, 50 %',
    world: world({ slips: 0.05 }, { slips: 0.05 }, HALF),
    atMost: nothingWrong,
  },
  {
    name: 'margin, 5 % of first labels superseded later, 50 %',
    world: world({ slips: 0.05 }, { accuracy: 0.78, slips: 0.05 }, HALF),
    atMost: atMargin,
  },
  {
    name: 'equal, label clocks off by 10 min (sd), 50 %',
    world: world({ clockSpread: 2 }, { clockSpread: 2 }, HALF),
    atMost: nothingWrong,
  },
  {
    name: "equal, only the canary's label clocks off, 50 %",
    world: world({}, { clockSpread: 2 }, HALF),
    atMost: nothingWrong,
  },
  {
    name: 'equal, router sends 13 % for 10 %',
    world: world({}, {}, { routed: 0.13 }),
    atMost: { rollback: 0.01 },
  },
  {
    name: 'errors .002 / .03, 10 %',
    world: world({ errors: 0.002 }, { errors: 0.03 }),
    atLeast: { rollback: 1 },
  },
  {
    name: 'errors .002 / .006, 10 %',
    world: world({ errors: 0.002 }, { errors: 0.006 }),
    atMost: nothingWrong,
  },
];

/** The worlds in which the paired test must prove itself, and what is asked of it there (docs/challengers.md). */
import { HABITS, shadowWorld, type ShadowWorld } from './challenger-world.js';

export interface ShadowScenario {
  name: string;
  world: ShadowWorld;
  labelOdds: [number, number];
  /** Bounds on the share of runs with this verdict. */
  atMost?: { ready?: number; worse?: number };
  atLeast?: { ready?: number; worse?: number };
}

const { even, fourfold } = HABITS;
const atMargin = { ready: 0.05, worse: 0.05 };
const nothingWrong = { worse: 0.01 };

/** 10 % more wrong answers. */
const margin = { challenger: 0.78, apart: 0.1 };
const independent = 0.32;

const scenario = (
  name: string,
  changes: Partial<ShadowWorld>,
  labelOdds: [number, number],
  asked: Pick<ShadowScenario, 'atMost' | 'atLeast'> = {},
): ShadowScenario => ({ name, world: shadowWorld(changes), labelOdds, ...asked });

export const SHADOW_SCENARIOS: ShadowScenario[] = [
  scenario('equal .80, everything labelled alike', { habits: [even] }, [1, 1], {
    atMost: nothingWrong,
    atLeast: { ready: 0.9 },
  }),
  scenario('equal, wrong labelled 2 times as readily', {}, [1, 4], { atMost: nothingWrong }),
  scenario('equal, 2 times', {}, [1, 2], { atMost: nothingWrong, atLeast: { ready: 0.9 } }),
  scenario('equal, 2 times, 2 % apart', { apart: 0.02 }, [1, 4], {
    atMost: nothingWrong,
    atLeast: { ready: 0.5 },
  }),
  scenario('equal, 4 times', { habits: [fourfold] }, [1, 4], {
    atMost: nothingWrong,
    atLeast: { ready: 0.9 },
  }),
  scenario('equal, independent, alike', { habits: [even], apart: independent }, [1, 1], {
    atMost: nothingWrong,
  }),

  scenario('at the margin .80/.78, alike', { ...margin, habits: [even] }, [1, 1], { atMost: atMargin }),
  scenario('at the margin, alike', { ...margin, habits: [even] }, [1, 4], { atMost: atMargin }),
  scenario('at the margin, 2 times', margin, [1, 2], { atMost: atMargin }),
  scenario('at the margin, 2 times', margin, [2, 2], { atMost: atMargin }),
  scenario('at the margin, 2 times', margin, [1, 4], { atMost: atMargin }),
  scenario('at the margin, 4 times', { ...margin, habits: [fourfold] }, [1, 4], { atMost: atMargin }),
  scenario('at the margin, 1 to 4 times by input', { ...margin, habits: [even, fourfold] }, [1, 4], {
    atMost: atMargin,
  }),
  scenario(
    'at the margin, independent, 4 times',
    { ...margin, apart: independent, habits: [fourfold] },
    [1, 4],
    { atMost: atMargin },
  ),
  scenario(
    'at the margin, 10 predictions a user, correlation .5, 2 times',
    { ...margin, predictionsPerUser: 10, correlation: 0.5 },
    [2, 2],
    { atMost: atMargin },
  ),
  scenario('at the margin .97/.967, 2 times', { shown: 0.97, challenger: 0.967, apart: 0.02 }, [2, 2], {
    atMost: atMargin,
  }),

  scenario('better .80/.84, 2 times', { challenger: 0.84 }, [1, 4], {
    atMost: nothingWrong,
    atLeast: { ready: 0.95 },
  }),
  scenario('better .60/.75, 2 times', { shown: 0.6, challenger: 0.75, apart: 0.25 }, [1, 4], {
    atMost: nothingWrong,
    atLeast: { ready: 0.95 },
  }),
  scenario('worse .80/.75, 2 times', { challenger: 0.75, apart: 0.1 }, [1, 4], { atMost: { ready: 0.01 } }),
  scenario('worse .80/.75, 2 times', { challenger: 0.75, apart: 0.1 }, [2, 2], {
    atMost: { ready: 0.01 },
    atLeast: { worse: 0.9 },
  }),
  scenario('worse .80/.70, 2 times', { challenger: 0.7, apart: 0.14 }, [1, 4], {
    atMost: { ready: 0.01 },
    atLeast: { worse: 0.95 },
  }),

  scenario('WRONG USE: at the margin, 4 times, taken for even', { ...margin, habits: [fourfold] }, [1, 1]),
  scenario(
    'WRONG USE: at the margin, 2 times, counted as labels come, 600 a bucket',
    { ...margin, countsAsTheyCome: true, predictionsPerBucket: 600, buckets: 30 },
    [2, 2],
  ),
  scenario(
    'the same, counted when the time to label is over',
    { ...margin, predictionsPerBucket: 600, buckets: 30 },
    [2, 2],
    { atMost: atMargin },
  ),
  scenario(
    'WRONG USE: at the margin, the same users counted one by one',
    { ...margin, predictionsPerUser: 10, correlation: 0.5, countsPredictions: true },
    [2, 2],
  ),
];

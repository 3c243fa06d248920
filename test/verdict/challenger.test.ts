/** Verdicts on challengers over rows made by hand and by the simulation; the bar is counted by bench/challengers.ts. */
import { describe, expect, it } from '@jest/globals';
import { completeChallengerPolicy, type PartialChallengerPolicy } from '#assay/event/challenger.js';
import { judgeChallenger } from '#assay/verdict/challenger.js';
import type { PairRow } from '#assay/verdict/challenger-judgement.js';
import { HABITS, judgeShadow, liveInShadow, shadowWorld } from '../../bench/challenger-world.js';

const START = Date.UTC(2026, 0, 5);
const HOUR = 3_600_000;

const row = (more: Partial<PairRow>): PairRow => ({
  bucket: START, shadowed: 1, lost: 0, won: 0, unsure: 0, wrong: 0, subjects: 1, right: 0, agreed: 0, failed: 0, ...more,
}); // prettier-ignore

const judged = (
  rows: PairRow[],
  policy: PartialChallengerPolicy = {},
  asOf = START + 6 * HOUR,
  lagSeconds = 0,
) =>
  judgeChallenger({
    baseline: 'v1',
    challenger: 'v2',
    rows,
    policy: completeChallengerPolicy(policy),
    asOf,
    lagSeconds,
  });

/** 400 labelled predictions: 60 that only the challenger gets right, 3 that only the shown version does. */
const BETTER = [
  row({ subjects: 297, right: 297, agreed: 297 }),
  row({ subjects: 3, lost: 1, right: 3 }),
  row({ subjects: 60, won: 1, wrong: 1 }),
  row({ subjects: 40, wrong: 1, agreed: 40 }),
];
const WORSE = [
  row({ subjects: 240, right: 240, agreed: 240 }),
  row({ subjects: 90, lost: 1, right: 90 }),
  row({ subjects: 10, won: 1, wrong: 1 }),
  row({ subjects: 60, wrong: 1, agreed: 60 }),
];

describe('a challenger', () => {
  it('is ready when it is better by enough, whatever the odds', () => {
    const answer = judged(BETTER);
    expect(answer.verdict).toBe('ready');
    expect(answer.decidedAt).toBe(START + 300_000 + 5 * HOUR);
    expect(answer.pairs).toEqual({
      bothRight: 297, onlyShownRight: 3, onlyChallengerRight: 60, bothWrong: 40, shownWrong: 0,
    }); // prettier-ignore
    expect(answer.wrongRatio?.map((ratio) => ratio.toFixed(2))).toEqual(['0.43', '0.52']);
    expect(answer.shownAccuracy).toEqual([0.75, 300 / 325]);
    expect(answer.shadowed).toEqual({ predictions: 400, agreement: 337 / 400, failed: 0 });
    expect(answer.reason).toContain('60 were right with v2 alone and 3 with v1 alone');
    expect(answer.reason).toContain('Make it the canary');
  });

  it('is worse when it is worse by enough', () => {
    const answer = judged(WORSE);
    expect(answer.verdict).toBe('worse');
    expect(answer.reason).toContain('over 10 % more wrong answers');
  });

  it('is not decided where that depends on how readily wrong answers are labelled, and says on what', () => {
    const rows = [
      row({ subjects: 290, right: 290 }),
      row({ subjects: 10, lost: 1, right: 10 }),
      row({ subjects: 25, won: 1, wrong: 1 }),
      row({ subjects: 75, wrong: 1 }),
    ];
    const answer = judged(rows);
    expect(answer.verdict).toBe('undecided');
    const odds = answer.claims.find(({ name }) => name === 'within')?.holdsAtLabelOdds ?? 0;
    expect(odds).toBeGreaterThan(1);
    expect(odds).toBeLessThan(4);
    expect(answer.reason).toContain('It would be ready if wrong answers were labelled at most 1');
    expect(judged(rows, { labelOdds: [1, 1] }).verdict).toBe('ready');
  });

  it('waits until the time to label is over', () => {
    const answer = judged(BETTER, {}, START + 300_000 + 5 * HOUR - 1);
    expect(answer.verdict).toBe('insufficient');
    expect(answer.pairs.onlyChallengerRight).toBe(0);
    expect(answer.shadowed.predictions).toBe(400);
    expect(answer.reason).toContain('older than 5 hours');
  });

  it('is never ready by stale figures, but worse all the same', () => {
    expect(judged(BETTER, {}, START + 6 * HOUR, 301)).toMatchObject({ verdict: 'insufficient' });
    expect(judged(BETTER, {}, START + 6 * HOUR, 301).reason).toContain('301 seconds old');
    expect(judged(WORSE, {}, START + 6 * HOUR, 301)).toMatchObject({ verdict: 'worse' });
  });

  it('is not judged by corrections alone', () => {
    const corrections = [row({ subjects: 300, won: 1, wrong: 1 }), row({ subjects: 10, right: 10 })];
    const answer = judged(corrections);
    expect(answer.verdict).toBe('insufficient');
    expect(answer.reason).toContain('Of 310 labels only 10 confirm an answer');
    expect(judged(corrections, { labelOdds: [1, 100] }).verdict).not.toBe('insufficient');
  });

  it('gets what is not known counted against it where it would be ready, and for it where it would be worse', () => {
    const known = [row({ subjects: 200, right: 200 }), row({ subjects: 60, lost: 1, right: 60 })];
    const wrong = row({ subjects: 60, wrong: 1 });
    const unsure = row({ subjects: 60, unsure: 1, wrong: 1 });
    const even = { labelOdds: [1, 1] as [number, number] };
    expect(judged([...known, wrong], even).verdict).toBe('worse');
    expect(judged([...known, unsure], even).verdict).toBe('undecided');
    const evidence = (rows: PairRow[]) => judged(rows, even).claims[0]?.evidence;
    expect(evidence([...known, unsure])).toBe(evidence([...known, wrong]));
  });

  it('has answered wrongly when it failed', () => {
    expect(judged([row({ subjects: 3, failed: 2, right: 3 })]).shadowed.failed).toBe(2);
  });

  it('says when nothing was answered by both', () => {
    expect(judged([]).reason).toBe('No prediction has been answered by both versions yet.');
  });
});

describe('over made-up users', () => {
  const RUNS = 8;
  const verdicts = (changes: Parameters<typeof shadowWorld>[0], labelOdds: [number, number]) => {
    const world = shadowWorld(changes);
    const count = { ready: 0, worse: 0, undecided: 0, insufficient: 0 };
    for (let seed = 0; seed < RUNS; seed++) {
      count[judgeShadow(world, liveInShadow(world, 99 + seed), { labelOdds }).verdict]++;
    }
    return count;
  };

  it('an equal challenger is ready, where everything is labelled alike', () => {
    expect(verdicts({ habits: [HABITS.even] }, [1, 1])).toEqual({
      ready: RUNS,
      worse: 0,
      undecided: 0,
      insufficient: 0,
    });
  });

  it('a challenger at the margin is hardly ever either, at any habit within the range', () => {
    for (const habits of [[HABITS.even], [HABITS.twice], [HABITS.fourfold], [HABITS.even, HABITS.fourfold]]) {
      const { ready, worse } = verdicts({ challenger: 0.78, apart: 0.1, habits }, [1, 4]);
      expect(ready).toBeLessThanOrEqual(2);
      expect(worse).toBeLessThanOrEqual(2);
    }
  });

  it('a better one is ready and a much worse one is worse', () => {
    expect(verdicts({ challenger: 0.84 }, [1, 4])).toMatchObject({ ready: RUNS });
    expect(verdicts({ challenger: 0.7, apart: 0.14 }, [1, 4])).toMatchObject({ worse: RUNS });
  });

  it('who takes readily labelled wrong answers for even ones is misled', () => {
    const misled = verdicts({ challenger: 0.78, apart: 0.1, habits: [HABITS.fourfold] }, [1, 1]);
    expect(misled.ready).toBeGreaterThanOrEqual(2);
  });
});

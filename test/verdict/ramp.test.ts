/** When a canary with a ramp moves, and what it waits for. */
import { describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY } from '#assay/event/policy.js';
import type { RunningCanary } from '#assay/event/predictor.js';
import type { Check } from '#assay/verdict/checks.js';
import { nextMove, rampProgress, type RampView } from '#assay/verdict/ramp.js';

const START = Date.UTC(2026, 0, 5);
const HOUR = 3_600_000;

const canary: RunningCanary = {
  baseline: 'v1',
  canary: 'v2',
  policy: DEFAULT_POLICY,
  ramp: [0.05, 0.25, 1],
  stepAt: START,
  paused: null,
  startedAt: START,
  startedRevision: 3,
  judged: null,
};

const check = (name: Check['name'], evidence: number): Check => ({
  name,
  status: 'pass',
  evidence,
  alpha: 0.03,
  threshold: 33,
  estimate: null,
  interval: null,
  baseline: { n: 0, value: null },
  canary: { n: 0, value: null },
});

const view: RampView = {
  canary,
  share: 0.05,
  verdict: 'hold',
  reason: 'not decided',
  checks: [check('wrong-up', 0.8), check('wrong-within', 12)],
  labelsOnStep: 60,
  isStale: false,
  now: START + HOUR,
};

describe('a step up', () => {
  it('is due when nothing speaks against it and enough was seen', () => {
    expect(nextMove(view)).toEqual({
      kind: 'step',
      share: 0.25,
      reason: expect.stringMatching('60 labels at 5 %'),
    });
    expect(rampProgress(view)).toMatchObject({ share: 0.05, nextShare: 0.25, waitsFor: null });
  });

  it.each([
    ['labels', { labelsOnStep: 49 }, '1 more labels of v2'],
    ['time', { now: START + 1799_000 }, '2026-01-05T00:30:00.000Z'],
    ['an alarm that stirs', { checks: [check('right-lower', 3)] }, 'right-lower to calm down'],
    ['the projection', { isStale: true }, 'the projection to catch up'],
    ['the verdict before the last step', { share: 0.25 }, 'the verdict'],
    ['a person', { canary: { ...canary, paused: { at: START, reason: null } } }, 'resume it'],
  ])('waits for %s', (_, change: Partial<RampView>, words) => {
    const waiting = { ...view, ...change };
    expect(nextMove(waiting)).toBeNull();
    expect(rampProgress(waiting)?.waitsFor).toContain(words);
  });

  it('needs no labels where no traffic can bring any', () => {
    expect(nextMove({ ...view, share: 0, labelsOnStep: 0 })).toMatchObject({ kind: 'step', share: 0.05 });
  });

  it('minds alarms only: evidence for the canary does not hold it back', () => {
    expect(nextMove({ ...view, checks: [check('right-held', 40)] })).toMatchObject({ kind: 'step' });
  });
});

describe('a verdict', () => {
  const paused = { ...canary, paused: { at: START, reason: null } };

  it('promotes from any step, unless the ramp is paused or the figures are old', () => {
    expect(nextMove({ ...view, verdict: 'promote' })).toEqual({ kind: 'promote', reason: 'not decided' });
    expect(nextMove({ ...view, verdict: 'promote', canary: paused })).toBeNull();
    expect(nextMove({ ...view, verdict: 'promote', isStale: true })).toBeNull();
  });

  it('rolls back also while the ramp is paused', () => {
    expect(nextMove({ ...view, verdict: 'rollback', canary: paused })).toMatchObject({ kind: 'rollback' });
  });

  it('moves nothing without a ramp', () => {
    const manual = { ...canary, ramp: null };
    expect(nextMove({ ...view, verdict: 'rollback', canary: manual })).toBeNull();
    expect(rampProgress({ ...view, canary: manual })).toBeNull();
  });
});

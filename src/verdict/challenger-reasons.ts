/** The verdict on a challenger in words: what was seen, what it rests on, and what to do next. */
import type { ChallengerInput, ChallengerJudgement } from './challenger-judgement.js';

/** What a reason can speak of. */
export interface ChallengerScene extends ChallengerInput, Omit<ChallengerJudgement, 'reason'> {
  /** Labels that say that the shown answer was right, and wrong. */
  right: number;
  wrong: number;
  isStale: boolean;
}

/** One to three sentences. */
export function challengerReason(scene: ChallengerScene): string {
  switch (scene.verdict) {
    case 'ready':
      return readyReason(scene);
    case 'worse':
      return worseReason(scene);
    case 'insufficient':
      return insufficientReason(scene);
    case 'undecided':
      return undecidedReason(scene);
  }
}

function readyReason(scene: ChallengerScene): string {
  const { challenger, baseline, policy, claims } = scene;
  const holds = heldAt(scene, 'within');
  return (
    `${challenger} gives at most ${percent(policy.tolerance)} more wrong answers than ${baseline}: ${seen(scene)}. ` +
    `That holds as long as a wrong answer is labelled at most ${upTo(Math.max(holds ?? 0, claims[0]?.labelOdds ?? 1))} as readily ` +
    'as a right one. Make it the canary.'
  );
}

function worseReason(scene: ChallengerScene): string {
  const { challenger, baseline, policy, claims } = scene;
  const holds = heldAt(scene, 'worse');
  return (
    `${challenger} gives over ${percent(policy.tolerance)} more wrong answers than ${baseline}: ${seen(scene)}. ` +
    `That holds as long as a wrong answer is labelled at least ${from(Math.min(holds ?? Infinity, claims[1]?.labelOdds ?? 1))} as readily ` +
    'as a right one. Do not make it the canary.'
  );
}

function insufficientReason(scene: ChallengerScene): string {
  const { policy, lagSeconds, isStale, right, wrong, baseline, shadowed } = scene;
  if (isStale) {
    return `The figures are ${Math.round(lagSeconds)} seconds old, more than the ${policy.maxLagSeconds} allowed: look at GET /v1/status.`;
  }
  if (shadowed.predictions === 0) return 'No prediction has been answered by both versions yet.';
  if (right + wrong === 0) {
    return `No label yet on a prediction older than ${duration(policy.labelWindowSeconds)}, which is how long each has to be labelled.`;
  }
  const accuracy = scene.shownAccuracy?.[1] ?? 0;
  return (
    `Of ${right + wrong} labels only ${right} confirm an answer. With wrong answers labelled at most ` +
    `${times(policy.labelOdds[1])} as readily as right ones, ${baseline} would be right in ${percent(accuracy)} of ` +
    'cases. If it is better than that, users correct far more readily: set labelOdds to what you know. ' +
    'From corrections alone nothing follows about a challenger.'
  );
}

function undecidedReason(scene: ChallengerScene): string {
  const { policy, labelsNeeded } = scene;
  const [low, high] = policy.labelOdds;
  const range =
    low === high ? `at labelOdds ${number(low)}` : `with labelOdds from ${number(low)} to ${number(high)}`;
  const opening = `Not decided ${range}: ${seen(scene)}.`;
  const within = heldAt(scene, 'within');
  const worse = heldAt(scene, 'worse');
  const ready =
    within === null
      ? ''
      : ` It would be ready if wrong answers were labelled at most ${upTo(within)} as readily as right ones.`;
  const bad =
    worse === null ? '' : ` It would be worse if they were labelled at least ${from(worse)} as readily.`;
  const more =
    labelsNeeded === undefined
      ? ' More labels alone do not bring a verdict nearer: know labelOdds more closely, or make it the canary and compare on users.'
      : ` About ${labelsNeeded} more labels at the present effect.`;
  return opening + ready + bad + more;
}

function heldAt({ claims }: ChallengerScene, name: 'within' | 'worse'): number | null {
  return claims.find((claim) => claim.name === name)?.holdsAtLabelOdds ?? null;
}

function seen({ pairs, right, wrong, challenger, baseline }: ChallengerScene): string {
  return (
    `of ${right + wrong} labelled predictions ${pairs.onlyChallengerRight} were right with ${challenger} alone ` +
    `and ${pairs.onlyShownRight} with ${baseline} alone`
  );
}

function percent(share: number): string {
  return `${number(100 * share)} %`;
}

/** Rounded to the side on which it holds. */
function upTo(odds: number): string {
  return `${Math.floor(odds * 100 + 1e-9) / 100} times`;
}

function from(odds: number): string {
  return `${Math.ceil(odds * 100 - 1e-9) / 100} times`;
}

function times(factor: number): string {
  return `${number(factor)} times`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(value < 100 ? 2 : 3)));
}

function duration(seconds: number): string {
  if (seconds >= 7200) return `${number(seconds / 3600)} hours`;
  return seconds >= 120 ? `${number(seconds / 60)} minutes` : `${number(seconds)} seconds`;
}

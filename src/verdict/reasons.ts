/** A verdict in plain words: which versions, which numbers, and what to do or to wait for. */
import { type CheckName, type Policy, type Score, scoreCheck } from '../event/policy.js';
import type { Arms } from './blocks.js';
import { firstBucket } from './cells.js';
import { isAnswered, type Check } from './checks.js';

/** What a reason can speak of. */
export interface Scene extends Arms {
  policy: Policy;
  checks: readonly Check[];
  /** What a promotion still has to show. */
  missing: readonly CheckName[];
  confirmationsWaived: boolean;
}

/** Which harm was shown. */
export function rollbackReason(scene: Scene): string {
  const { baseline, canary } = scene;
  const send = `Send its traffic back to ${baseline}.`;
  if (has(scene, 'errors-up')) return `${canary} fails more often: ${failures(scene, 'errors-up')}. ${send}`;
  if (has(scene, 'slow-up')) {
    const limit = scene.policy.latencyLimitMs ?? 0;
    return `${canary} is slower than ${limit} ms more often: ${failures(scene, 'slow-up')}. ${send}`;
  }
  const score = worseScore(scene, 'rollback');
  if (score !== undefined) return `${worse(scene, score)}. ${send}`;
  const accepted = `${(1 + scene.policy.tolerance).toFixed(2)} times would be accepted`;
  const confirmed = scene.confirmationsWaived
    ? 'Users never confirm here, so corrections alone were compared'
    : `They do not confirm its answers that much more often (${aside(scene, 'right-not-higher')}), so this is not just a habit of labelling more`;
  return `${canary} gives more wrong answers: ${corrections(scene)}, where ${accepted}. ${confirmed}. ${send}`;
}

/** What was shown in the canary's favour. */
export function promoteReason(scene: Scene): string {
  const { canary, policy } = scene;
  const within = `shown to be at most ${percent(policy.tolerance)} more`;
  const confirmed = scene.confirmationsWaived
    ? 'Users never confirm here, so corrections alone were compared'
    : `They ${confirmations(scene)}, shown to hold`;
  return `${canary} may take all the traffic: ${corrections(scene)}, ${within}. ${confirmed}.`;
}

/** That the projection is too old to promote on. */
export function staleReason(lagSeconds: number, { policy }: Scene): string {
  return (
    `The figures are ${Math.round(lagSeconds)} s behind the events, more than the ${policy.maxLagSeconds} s that the ` +
    'policy allows, and stale figures promote nothing. Wait until the projection has caught up; GET /v1/status shows how far it is.'
  );
}

/** What is still too little to judge by. */
export function insufficientReason(startedAt: number, asOf: number, scene: Scene): string {
  const { baseline, canary, policy } = scene;
  const edge = policy.ageEdgesSeconds[1] ?? 0;
  const firstClosing = firstBucket(startedAt, policy.bucketSeconds) + (policy.bucketSeconds + edge) * 1000;
  if (asOf < firstClosing) {
    return (
      `Nothing can be compared yet: the first predictions of ${baseline} and ${canary} reach the same label age ` +
      `at ${new Date(firstClosing).toISOString()}. Ask again after that.`
    );
  }
  const { baseline: b, canary: c } = find(scene, 'wrong-up');
  return (
    `No labels to compare yet on both versions: ${c.n} predictions of ${canary} and ${b.n} of ${baseline} have been ` +
    `out long enough to be compared. ${c.n === 0 ? `Check that the split sends traffic to ${canary}` : 'Wait for corrections and confirmations'}.`
  );
}

/** Why a canary is held: what bars a promotion if anything does, else what is still to be shown. */
export function holdReason(scene: Scene, labelsNeeded: number | null, secondsNeeded: number | null): string {
  const barred = barReason(scene);
  if (barred !== null) return barred;
  const open = scene.missing.map((name) => {
    const score = scene.policy.scores.find((one) => scoreCheck(one) === name);
    if (score !== undefined) return nothingToCompare(scene, score);
    const { evidence, threshold } = find(scene, name);
    return `${name} has evidence ${decimal(evidence)} of ${decimal(threshold)}`;
  });
  const habit = scene.confirmationsWaived ? '' : `, and ${confirmations(scene)}`;
  const more =
    labelsNeeded === null
      ? 'The labels so far do not point either way; wait for more'
      : `At the present effect about ${labelsNeeded} more labels on ${scene.canary} decide it${inAbout(secondsNeeded)}`;
  return `Not decided: ${[corrections(scene) + habit, ...open].join('; ')}. ${more}.`;
}

function inAbout(seconds: number | null): string {
  return seconds === null ? '' : `, which takes about ${duration(seconds)} at the present rate of labels`;
}

/** A span of time as people say it, in its largest unit. */
export function duration(seconds: number): string {
  const [unit, size] = DURATIONS.find(([, length]) => seconds >= 1.5 * length) ?? ['minute', 60];
  const count = Math.max(1, Math.round(seconds / size));
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

const DURATIONS: readonly (readonly [unit: string, seconds: number])[] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

function barReason(scene: Scene): string | null {
  const { baseline, canary } = scene;
  const look = `Look at labelled answers of ${canary} and decide by hand, or end the canary`;
  if (has(scene, 'sample-ratio')) {
    const { baseline: b, canary: c } = find(scene, 'sample-ratio');
    return (
      `The traffic does not arrive as the split says: ${canary} has ${c.n} of ${b.n + c.n} new users, ` +
      `${times(scene, 'sample-ratio')} what it should have. The versions may serve different users and cannot be ` +
      'compared: look for lost events or a client that picks its version, then start the canary again.'
    );
  }
  if (has(scene, 'wrong-up')) {
    return (
      `${sentence(corrections(scene))}, but it is not shown that they do not also confirm more often ` +
      `(${aside(scene, 'right-not-higher')}): they may only label more. That is no ground for a rollback and bars a promotion. ${look}.`
    );
  }
  const score = worseScore(scene, 'hold');
  if (score !== undefined) {
    return `${worse(scene, score)}. The policy holds a canary for that and does not roll it back. Decide by hand, or end the canary.`;
  }
  if (has(scene, 'right-lower')) {
    return (
      `Users of ${canary} confirm less often than users of ${baseline}, ${times(scene, 'right-lower')} as often, while they correct ` +
      `${times(scene, 'wrong-up')} as often. Fewer confirmations alone say nothing about the answers, only that users behave differently; more corrections with them would (wrong-up has evidence ${decimal(find(scene, 'wrong-up').evidence)} of ${decimal(find(scene, 'wrong-up').threshold)}). ${look}.`
    );
  }
  if (has(scene, 'wrong-lower') && scene.missing.includes('right-held')) {
    return (
      `Users of ${canary} correct less often than users of ${baseline} (${aside(scene, 'wrong-lower')}), which is good news only if they ` +
      `confirm as often as before. They ${confirmations(scene)}; right-held has evidence ` +
      `${decimal(find(scene, 'right-held').evidence)} of ${decimal(find(scene, 'right-held').threshold)}. Wait for more labels, or ${look.charAt(0).toLowerCase()}${look.slice(1)}.`
    );
  }
  return unseenReason(scene);
}

/** When nothing but scores is missing: they will not come by waiting, if they did not come at all. */
function unseenReason(scene: Scene): string | null {
  const unseen = scene.policy.scores.filter((score) => scene.missing.includes(scoreCheck(score)));
  if (unseen.length === 0 || unseen.length < scene.missing.length) return null;
  const where = unseen.map((score) => nothingToCompare(scene, score)).join('; ');
  return (
    `All else is shown, but ${where}. Send a number from 0 to 1, true or false there with the predictions of both ` +
    'versions, or start the canary again without the score.'
  );
}

function nothingToCompare(scene: Scene, score: Score): string {
  const { baseline, canary } = find(scene, scoreCheck(score));
  const without = `${canary.leftOut ?? 0} of ${scene.canary} and ${baseline.leftOut ?? 0} of ${scene.baseline} came without`;
  const arms = [...(baseline.n === 0 ? [scene.baseline] : []), ...(canary.n === 0 ? [scene.canary] : [])];
  return `no prediction of ${arms.join(' or ')} has the score ${score.name} at ${score.from} of its metadata (${without})`;
}

function worseScore(scene: Scene, onWorse: Score['onWorse']): Score | undefined {
  return scene.policy.scores.find((score) => score.onWorse === onWorse && has(scene, scoreCheck(score)));
}

function worse(scene: Scene, score: Score): string {
  const { baseline, canary } = find(scene, scoreCheck(score));
  const [b, c] = [baseline.value ?? 0, canary.value ?? 0];
  const accepted = score.better === 'lower' ? b + score.tolerance : b - score.tolerance;
  return (
    `${scene.canary} is worse by the score ${score.name}: ${c.toFixed(3)} on average, against ${b.toFixed(3)} of ` +
    `${scene.baseline} in the same hours, where ${score.better} is better and ${accepted.toFixed(3)} would be accepted`
  );
}

function corrections(scene: Scene): string {
  return `users call answers of ${scene.canary} wrong ${times(scene, 'wrong-up')} as often as those of ${scene.baseline}`;
}

function confirmations(scene: Scene): string {
  return `confirm ${times(scene, 'right-within')} as often`;
}

function failures(scene: Scene, name: CheckName): string {
  const { baseline, canary } = find(scene, name);
  return `${percent(canary.value ?? 0)} of its predictions, against ${percent(baseline.value ?? 0)} of ${scene.baseline}'s in the same hours`;
}

/** For a sentence: "1.31 times (95 % interval 1.12 to 1.53)". */
function times(scene: Scene, name: CheckName): string {
  const { estimate, interval } = find(scene, name);
  if (estimate === null) return 'an unknown number of times';
  return `${estimate.toFixed(2)} times${interval === null ? '' : ` (${range(interval)})`}`;
}

/** For a bracket: "1.31 times, 95 % interval 1.12 to 1.53". */
function aside(scene: Scene, name: CheckName): string {
  const { estimate, interval } = find(scene, name);
  if (estimate === null) return 'the ratio is unknown';
  return `${estimate.toFixed(2)} times${interval === null ? '' : `, ${range(interval)}`}`;
}

function range([low, high]: [number, number]): string {
  return `95 % interval ${low.toFixed(2)} to ${high.toFixed(2)}`;
}

function has(scene: Scene, name: CheckName): boolean {
  return isAnswered(find(scene, name));
}

function find(scene: Scene, name: CheckName): Check {
  const check = scene.checks.find((candidate) => candidate.name === name);
  if (check === undefined) throw new Error(`no check is called ${name}`);
  return check;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function decimal(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2).replace(/\.?0+$/, '');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1).replace(/\.0$/, '')} %`;
}

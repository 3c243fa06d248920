/**
 * Evidence from pairs: the same prediction answered by the version that users saw and by a challenger that they
 * did not see, and a label that says which of the two were right.
 *
 * Users label wrong answers more readily than right ones, by a factor (the labelling odds) that nobody knows:
 * each claim is held against the end of its range that speaks most against it. docs/challengers.md derives why
 * the evidence is then at most 1 on average whenever the claim is false, at any moment and whatever the factor
 * is within the range, even if it differs from input to input.
 */

/** Subjects of one bucket whose predictions had the same fate. Counts are of one subject's predictions. */
export interface PairPattern {
  /** Answered by both versions (a challenger that failed has answered wrongly); at least 1. */
  shadowed: number;
  /** Labelled, shown answer right, challenger wrong. */
  lost: number;
  /** Labelled, shown answer wrong, challenger right. */
  won: number;
  /** Labelled, shown answer wrong; whether the challenger was right is not known. */
  unsure: number;
  /** Labelled, shown answer wrong, whatever the challenger said. */
  wrong: number;
  /** How many subjects there are of this kind. */
  subjects: number;
}

/** What is bet on: shares of the largest stake at which no score can cost more than there is. */
const STAKES = [0.9, 0.5, 0.25, 0.125, 0.06, 0.03] as const;

/**
 * A subject's score, at most 1: above 0 it speaks against "within", below 0 for it. Its mean is at least 0
 * when the challenger gives more wrong answers than the tolerance allows and odds are at most `odds`.
 */
export function scoreAgainstWithin(pattern: PairPattern, tolerance: number, odds: number): number {
  const { shadowed, lost, won, wrong } = pattern;
  return (lost - (won + tolerance * wrong) / odds) / shadowed;
}

/**
 * A subject's score, at least -1: above 0 it speaks for "worse". Its mean is at most 0 when the challenger is
 * within the tolerance and odds are at least `odds`. What is not known counts for the challenger.
 */
export function scoreForWorse(pattern: PairPattern, tolerance: number, odds: number): number {
  const { shadowed, lost, won, unsure, wrong } = pattern;
  return (odds * lost - won - unsure - tolerance * wrong) / ((1 + tolerance) * shadowed);
}

/** One claim's evidence over patterns that come in, as the mean of what each stake would have won. */
export class PairedEvidence {
  private readonly logs = STAKES.map(() => 0);

  /** @param gain what the claim's side wins with one subject per unit of stake, at least -1 */
  constructor(private readonly gain: (pattern: PairPattern) => number) {}

  add(pattern: PairPattern): void {
    const gain = this.gain(pattern);
    if (gain === 0) return;
    STAKES.forEach((stake, k) => (this.logs[k]! += pattern.subjects * Math.log1p(stake * gain)));
  }

  /** Natural logarithm of the evidence E. */
  log(): number {
    const highest = Math.max(...this.logs);
    const sum = this.logs.reduce((total, log) => total + Math.exp(log - highest), 0);
    return highest + Math.log(sum / STAKES.length);
  }

  /** Logarithm of what the best of the stakes has won: what further labels add at the present rate. */
  best(): number {
    return Math.max(...this.logs);
  }
}

/** Evidence that the challenger gives at most `tolerance` more wrong answers, with odds of at most `odds`. */
export function evidenceWithin(tolerance: number, odds: number): PairedEvidence {
  return new PairedEvidence((pattern) => -scoreAgainstWithin(pattern, tolerance, odds));
}

/** Evidence that it gives more, with odds of at least `odds`. */
export function evidenceWorse(tolerance: number, odds: number): PairedEvidence {
  return new PairedEvidence((pattern) => scoreForWorse(pattern, tolerance, odds));
}

/** Patterns with equal counts put together: the evidence of all of them is the same. */
export function merged(patterns: readonly PairPattern[]): PairPattern[] {
  const byCounts = new Map<string, PairPattern>();
  for (const { shadowed, lost, won, unsure, wrong, subjects } of patterns) {
    const key = `${shadowed} ${lost} ${won} ${unsure} ${wrong}`;
    const known = byCounts.get(key);
    if (known === undefined) byCounts.set(key, { shadowed, lost, won, unsure, wrong, subjects });
    else known.subjects += subjects;
  }
  return [...byCounts.values()];
}

/** Odds beyond which nothing is asked. */
const ODDS_RANGE: [number, number] = [0.01, 1000];

/**
 * Up to which odds "within" would be shown by these patterns, or from which on "worse" would; null when at no
 * odds. The evidence falls, or grows, with the odds at every stake: bisection finds the place.
 */
export function oddsHeld(
  patterns: readonly PairPattern[],
  claim: 'within' | 'worse',
  tolerance: number,
  alpha: number,
): number | null {
  const together = merged(patterns);
  const holdsAt = (odds: number): boolean => {
    const evidence = claim === 'within' ? evidenceWithin(tolerance, odds) : evidenceWorse(tolerance, odds);
    for (const pattern of together) evidence.add(pattern);
    return evidence.log() >= -Math.log(alpha);
  };
  let [holds, fails] = claim === 'within' ? ODDS_RANGE : [ODDS_RANGE[1], ODDS_RANGE[0]];
  if (!holdsAt(holds)) return null;
  if (holdsAt(fails)) return fails;
  for (let step = 0; step < 24; step++) {
    const middle = Math.sqrt(holds * fails);
    if (holdsAt(middle)) holds = middle;
    else fails = middle;
  }
  return holds;
}

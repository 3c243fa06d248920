import { describe, expect, test } from '@jest/globals';
import type { PastEvent } from '#assay/cli/demo/past-events.js';
import { Replay } from '#assay/cli/demo/replay.js';
import { Population, reactionsTo, type Ask, type Reaction } from '#assay/cli/demo/users.js';

const DAY = 86_400_000;
const START = Date.parse('2026-03-02T00:00:00Z');
const TEXTS = [
  { text: 'Bread bakeries', label: '3118', kind: 'example' as const },
  { text: 'Grain farming', label: '1111', kind: 'title' as const },
];
const RIGHT = [{ label: '3118', confidence: 0.7 }, { label: '1111' }, { label: '7225' }];
const RANKED = [{ label: '1111' }, { label: '3118' }, { label: '7225' }];
const MISSED = [{ label: '1111' }, { label: '7225' }];

const askOf = (index: number): Ask => ({
  index,
  at: START,
  subject: `user-${index}`,
  input: 'bread bakeries',
  rightLabel: '3118',
});

/** Reactions of many users to the same candidates. */
const reactionsOf = (candidates: { label: string }[], users = 4000): Reaction[][] =>
  Array.from({ length: users }, (_, index) => reactionsTo(askOf(index), candidates, 1));

const shareReacting = (all: Reaction[][]): number =>
  all.filter(({ length }) => length > 0).length / all.length;

describe('the users of the demo', () => {
  test('react the same to the same screen, whoever answered', () => {
    expect(reactionsOf(RANKED, 200)).toEqual(reactionsOf(RANKED, 200));
    // Confidences are not what they look at.
    expect(reactionsOf(RIGHT, 200)).toEqual(
      reactionsOf(
        RIGHT.map(({ label }) => ({ label })),
        200,
      ),
    );
  });

  test('confirm right answers about half as often as they correct wrong ones, and later', () => {
    const [confirming, correcting] = [reactionsOf(RIGHT), reactionsOf(RANKED)];
    expect(shareReacting(confirming)).toBeGreaterThan(0.26);
    expect(shareReacting(confirming)).toBeLessThan(0.34);
    expect(shareReacting(correcting)).toBeGreaterThan(0.55);
    expect(shareReacting(correcting)).toBeLessThan(0.65);
    expect(medianDelay(confirming)).toBeGreaterThan(2 * medianDelay(correcting));
  });

  test('point at the right candidate or name its code; none is said only where none is right', () => {
    const says = (candidates: { label: string }[]) =>
      reactionsOf(candidates)
        .map((reactions) => reactions.at(-1))
        .flatMap((reaction) => (reaction?.kind === 'correct' ? [JSON.stringify(reaction.says)] : []));
    const [ranked, missed] = [says(RANKED), says(MISSED)];
    const means = ranked.filter((said) => said === '{"rank":1}' || said === '{"label":"3118"}');
    expect(means.length / ranked.length).toBeGreaterThan(0.97);
    expect(ranked).not.toContain('{"none":true}');
    expect(missed).toContain('{"none":true}');
    expect(missed).toContain('{"label":"3118"}');
  });

  test('sometimes mend or take back what they said', () => {
    const all = reactionsOf(RANKED, 20_000);
    const mended = all.filter(([, second]) => second?.kind === 'correct');
    const retracted = all.filter(([, second]) => second?.kind === 'retract');
    expect(mended.length).toBeGreaterThan(retracted.length);
    expect(retracted.length).toBeGreaterThan(0);
    for (const [first, second] of [...mended, ...retracted]) {
      expect(second?.afterMs).toBeGreaterThan(first?.afterMs ?? Infinity);
    }
  });

  test('are many, and few of them ask often', () => {
    const population = new Population(1000, 1);
    const counts = new Map<string, number>();
    for (let index = 0; index < 8000; index++) {
      const { subject } = population.ask(index, START, TEXTS);
      counts.set(subject, (counts.get(subject) ?? 0) + 1);
    }
    const sorted = [...counts.values()].sort((a, b) => b - a);
    expect(counts.size).toBeGreaterThan(900);
    expect(sorted[0]).toBeGreaterThan(3 * (sorted[Math.floor(sorted.length / 2)] ?? Infinity));
    expect(sorted[0]).toBeLessThan(8000 / 50);
  });
});

describe('the replay', () => {
  const play = async (
    seed: number,
    candidatesOf: (version: string) => { label: string }[],
    [even, odd] = ['a', 'b'],
  ) => {
    const events: PastEvent[] = [];
    const replay = new Replay({
      predictor: 'p',
      seed,
      population: new Population(200, seed),
      texts: TEXTS,
      chooseVersion: (_, subject) => (Number(subject.split('-').at(-1)) % 2 === 0 ? even : odd) ?? '',
      classify: async (version, inputs) =>
        inputs.map(() => ({ candidates: candidatesOf(version), latencyMs: 1 })),
      record: async (some) => void events.push(...some),
    });
    let told = 0;
    const stretch = { from: START, to: START + DAY, predictions: 2000, split: { a: 0.5, b: 0.5 } };
    await replay.play(stretch, (predictions) => (told += predictions));
    return { events, told, truth: replay.truth };
  };

  test('hands over what happened in order of time, none of it from after the end', async () => {
    const { events, told } = await play(1, () => RANKED);
    const times = events.map(({ time }) => time);
    expect(told).toBe(2000);
    expect(times).toEqual([...times].sort());
    expect(Date.parse(times[0] ?? '')).toBeGreaterThanOrEqual(START);
    expect(Date.parse(times.at(-1) ?? '')).toBeLessThan(START + DAY);
    expect(events.filter(({ type }) => type === 'assay.prediction.recorded')).toHaveLength(2000);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  });

  test('a correction follows the prediction it is about', async () => {
    const { events } = await play(1, () => RANKED);
    const seen = new Set<string>();
    for (const { id, type, data } of events) {
      if (type === 'assay.prediction.recorded') seen.add(id);
      else expect(seen).toContain((data as { predictionId: string }).predictionId);
    }
  });

  test('the same seed plays the same past, another seed another one', async () => {
    const [one, again, other] = await Promise.all([
      play(1, () => RANKED),
      play(1, () => RANKED),
      play(2, () => RANKED),
    ]);
    expect(again.events).toEqual(one.events);
    expect(other.events).not.toEqual(one.events);
  });

  test('users treat versions alike: another name changes nothing but the name', async () => {
    const [named, renamed] = await Promise.all([play(1, () => RANKED), play(1, () => RANKED, ['x', 'y'])]);
    const nameless = ({ data, ...event }: PastEvent) => ({ ...event, data: { ...data, version: null } });
    expect(renamed.events.map(nameless)).toEqual(named.events.map(nameless));
    expect(renamed.events).not.toEqual(named.events);
  });

  test('counts how often each version was right, labelled or not', async () => {
    const { truth } = await play(1, (version) =>
      version === 'a' ? [{ label: '3118' }] : [{ label: '7225' }],
    );
    expect(truth.get('b')?.right).toBe(0);
    const { asked = 0, right = 0 } = truth.get('a') ?? {};
    expect(right / asked).toBeGreaterThan(0.4);
    expect(right / asked).toBeLessThan(0.6);
  });
});

function medianDelay(all: Reaction[][]): number {
  const delays = all.flatMap(([first]) => (first === undefined ? [] : [first.afterMs])).sort((a, b) => a - b);
  return delays[Math.floor(delays.length / 2)] ?? NaN;
}

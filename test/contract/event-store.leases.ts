/** The part of the event store's contract about leases; see event-store.ts. */
import { describe, expect, test } from '@jest/globals';
import type { EventStore } from '#assay/store/event-store.js';
import type { LeaseState } from '#assay/store/leases.js';
import { fresh } from './event-store.given.js';

const LONG = 60_000;
/** Longer than any round trip to a store, so that only waiting makes it end. */
const SHORT = 400;

export function leaseContract(current: () => EventStore): void {
  describe('leases', () => {
    const take = (name: string, holder: string, more: { ttlMs?: number; insists?: boolean } = {}) =>
      current().lease({ name, holder, ttlMs: LONG, insists: false, note: `by ${holder}`, ...more });

    test('one holder at a time, who may renew it', async () => {
      const name = fresh('lease');
      expect(await take(name, 'a')).toMatchObject({ holder: 'a', note: 'by a', wantedBy: null });
      expect(await take(name, 'b')).toMatchObject({ holder: 'a', note: 'by a', wantedBy: null });
      expect(await take(name, 'a')).toMatchObject({ holder: 'a' });
      expect(await take(fresh('lease'), 'b')).toMatchObject({ holder: 'b' });
    });

    test('of many who ask at once exactly one gets it', async () => {
      const name = fresh('lease');
      const holders = ['a', 'b', 'c', 'd', 'e', 'f'];
      const states = await Promise.all(holders.map((holder) => take(name, holder)));
      const winners = states.filter(({ holder }, index) => holder === holders[index]);
      expect(winners).toHaveLength(1);
      expect(new Set(states.map(({ holder }) => holder)).size).toBe(1);
    });

    test('ends by itself when its holder is gone', async () => {
      const name = fresh('lease');
      await take(name, 'a', { ttlMs: SHORT });
      expect(await take(name, 'b')).toMatchObject({ holder: 'a' });
      const taken = await until(
        () => take(name, 'b'),
        ({ holder }) => holder === 'b',
      );
      expect(taken).toMatchObject({ holder: 'b', note: 'by b' });
      expect(await take(name, 'a')).toMatchObject({ holder: 'b' });
    });

    test('given up, it is free at once; only its holder can give it up', async () => {
      const name = fresh('lease');
      await take(name, 'a');
      await current().releaseLease(name, 'b');
      expect(await take(name, 'b')).toMatchObject({ holder: 'a' });
      await current().releaseLease(name, 'a');
      expect(await take(name, 'b')).toMatchObject({ holder: 'b' });
    });

    test('who insists is heard by the holder, and goes first once it is free', async () => {
      const name = fresh('lease');
      await take(name, 'a');
      expect(await take(name, 'b', { insists: true })).toMatchObject({ holder: 'a', wantedBy: 'b' });
      expect(await take(name, 'c', { insists: true })).toMatchObject({ holder: 'a', wantedBy: 'b' });
      expect(await take(name, 'a')).toMatchObject({ holder: 'a', wantedBy: 'b' });
      await current().releaseLease(name, 'a');
      expect(await take(name, 'c')).toMatchObject({ holder: null, wantedBy: 'b' });
      expect(await take(name, 'b')).toMatchObject({ holder: 'b', wantedBy: null });
    });

    test('a wish is forgotten when it is not repeated', async () => {
      const name = fresh('lease');
      await take(name, 'a');
      await take(name, 'b', { insists: true, ttlMs: SHORT });
      await current().releaseLease(name, 'a');
      const taken = await until(
        () => take(name, 'c'),
        ({ holder }) => holder === 'c',
      );
      expect(taken).toMatchObject({ holder: 'c', wantedBy: null });
    });
  });
}

async function until(
  ask: () => Promise<LeaseState>,
  holds: (state: LeaseState) => boolean,
): Promise<LeaseState> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const state = await ask();
    if (holds(state) || Date.now() > deadline) return state;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

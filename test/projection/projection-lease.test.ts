/** Which of two processes may write to the warehouse, over one store that both know. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ProjectionLease } from '#assay/projection/projection-lease.js';
import { SqliteEventStore } from '#assay/store/event-store.sqlite.js';
import { eventually, type Folder, temporaryFolder } from '../given.js';

/** Renewed so often that a test need not wait, and so long that a busy machine does not lose it. */
const TIMES = { ttlMs: 3_000, everyMs: 50 };

let folder: Folder;
let store: SqliteEventStore;
let a: ProjectionLease;
let b: ProjectionLease;

beforeEach(async () => {
  folder = temporaryFolder();
  store = await SqliteEventStore.open(join(folder.path, 'events.db'));
  a = new ProjectionLease(store, 'a', TIMES);
  b = new ProjectionLease(store, 'b', TIMES);
  a.start(() => {});
  await until(() => a.isHeld());
  b.start(() => {});
  await until(() => b.holderName() === 'a');
});

afterEach(async () => {
  await Promise.all([a.stop(), b.stop()]);
  await store.close();
  folder.remove();
});

const until = (holds: () => boolean): Promise<boolean> => eventually(async () => holds(), Boolean);

/** Work that ends when it is told to. */
function pending(): { work: () => Promise<void>; end: () => void } {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  return { work: () => ended, end: () => end() };
}

describe('the lease of the projection', () => {
  it('is one process’s, which tells the other how far it is', async () => {
    expect([a.isHeld(), b.isHeld()]).toEqual([true, false]);
    a.tell({ checkpoint: '17', asOf: 1_000 });
    await until(() => b.told().checkpoint === '17');
    expect(b.told()).toMatchObject({ asOf: 1_000, error: null });
  });

  it('goes to who has work for it, once the step under way has ended and not before', async () => {
    const step = pending();
    const stepping = a.step(step.work);
    let began = false;
    const working = b.during(async () => void (began = true));
    // No new step begins, but the lease is kept until this one has ended.
    await until(() => !a.isHeld());
    await new Promise((resolve) => setTimeout(resolve, TIMES.ttlMs + 500));
    expect([began, b.isHeld()]).toEqual([false, false]);
    step.end();
    await stepping;
    await working;
    expect([began, b.isHeld()]).toEqual([true, true]);
    await until(() => a.holderName() === 'b');
  }, 20_000);

  it('is not given away while work is done under it', async () => {
    const long = pending();
    const first = a.during(long.work);
    const second = b.during(() => Promise.resolve());
    await new Promise((resolve) => setTimeout(resolve, 10 * TIMES.everyMs));
    expect(a.isHeld()).toBe(true);
    long.end();
    await Promise.all([first, second]);
    expect(b.isHeld()).toBe(true);
  });

  it('that was lost ends the work at its next step, and is another one when it comes back', async () => {
    await b.stop();
    const { epoch } = a;
    const looked = pending();
    const work = a.during(async (unlessLost) => {
      await looked.work();
      unlessLost();
    });
    await store.releaseLease('projection', 'a');
    await store.lease({ name: 'projection', holder: 'c', ttlMs: 500, insists: false, note: null });
    await until(() => !a.isHeld());
    looked.end();
    await expect(work).rejects.toThrow(/another process has taken the projection over/);
    await until(() => a.isHeld());
    expect(a.epoch).toBeGreaterThan(epoch);
  });

  it('is no reason to wait when the service stops', async () => {
    const long = pending();
    const first = a.during(long.work);
    const second = b.during(() => Promise.resolve());
    b.refuse();
    await expect(second).rejects.toThrow('the service is stopping');
    long.end();
    await first;
  });
});

/** Two instances over one store: what one of them does to the keys, the other sees without asking for each request. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { AccessKeys } from '#assay/access/access-keys.js';
import { KeyRing } from '#assay/access/key-ring.js';
import { SqliteEventStore } from '#assay/store/event-store.sqlite.js';
import type { StoredEvent } from '#assay/event/envelope.js';
import { type Folder, temporaryFolder } from '../given.js';

/** Longer than a copy is taken as it is, and longer than it is used at all, milliseconds. */
const YOUNG = 1_000;
const OLD = 3_000;
const TOO_OLD = 60_000;

let folder: Folder;
let store: SqliteEventStore;
let keys: AccessKeys;
let reads: number;
let errors: unknown[];

beforeEach(async () => {
  folder = temporaryFolder();
  store = await SqliteEventStore.open(join(folder.path, 'events.db'));
  keys = new AccessKeys(store);
  reads = 0;
  errors = [];
});

afterEach(async () => {
  await store.close();
  folder.remove();
});

function newRing(openWithoutKeys = true): KeyRing {
  const counted = {
    readStream: (stream: string): Promise<StoredEvent[]> => {
      reads++;
      return store.readStream(stream);
    },
  };
  return new KeyRing(counted, { openWithoutKeys, onError: (error) => errors.push(error) });
}

async function readRing(): Promise<{ ring: KeyRing; readAt: number }> {
  const ring = newRing();
  const readAt = Date.now();
  await ring.readAgain();
  return { ring, readAt };
}

const knows = (ring: KeyRing, key: string): boolean =>
  ring.callerOf(`Bearer ${key}`, Date.now()) !== undefined;

describe('a copy of the keys', () => {
  it('ensures that requests do not read the store while it is young', async () => {
    const { key } = await keys.create({ name: 'a', scopes: ['admin'] });
    const { ring, readAt } = await readRing();
    for (let i = 0; i < 100; i++) {
      expect(ring.refresh(readAt + YOUNG)).toBeNull();
      expect(knows(ring, key)).toBe(true);
    }
    expect(reads).toBe(1);
  });

  it('ensures that an old one is used on while it is read again, once for all requests', async () => {
    const first = await keys.create({ name: 'a', scopes: ['admin'] });
    const { ring, readAt } = await readRing();
    const second = await keys.create({ name: 'b', scopes: ['read'] });
    for (let i = 0; i < 100; i++) {
      expect(ring.refresh(readAt + OLD)).toBeNull();
      expect(knows(ring, first.key)).toBe(true);
    }
    expect(knows(ring, second.key)).toBe(false);
    await ring.underWay;
    expect(knows(ring, second.key)).toBe(true);
    expect(reads).toBe(2);
  });

  it('ensures that after an idle night requests wait for what is true now', async () => {
    const { id, key } = await keys.create({ name: 'a', scopes: ['admin'] });
    const { ring, readAt } = await readRing();
    await keys.revoke(id);
    const first = ring.refresh(readAt + TOO_OLD);
    const next = ring.refresh(readAt + TOO_OLD + 1);
    expect(first).not.toBeNull();
    expect(next).not.toBeNull();
    await Promise.all([first, next]);
    expect(() => knows(ring, key)).toThrow('was revoked');
    expect(ring.refresh(readAt + TOO_OLD + 2)).toBeNull();
    expect(reads).toBe(2);
  });

  it('ensures that the keys that are known count on while the store is away', async () => {
    const { key } = await keys.create({ name: 'a', scopes: ['admin'] });
    const { ring, readAt } = await readRing();
    await store.close();
    await ring.refresh(readAt + TOO_OLD);
    expect(errors).toHaveLength(1);
    expect(knows(ring, key)).toBe(true);
    // It is not asked again at once, and nobody waits for it again.
    expect(ring.refresh(readAt + TOO_OLD + YOUNG)).toBeNull();
    expect(reads).toBe(2);
  });
});

describe('a service without keys', () => {
  it('ensures that it is open on loopback only, and closes with the first key for good', async () => {
    const { ring, readAt } = await readRing();
    expect([ring.isOpen, newRing(false).isOpen]).toEqual([true, false]);
    const { id } = await keys.create({ name: 'a', scopes: ['admin'] });
    await ring.refresh(readAt + TOO_OLD);
    expect(ring.isOpen).toBe(false);
    await keys.revoke(id);
    await ring.readAgain();
    expect([ring.isOpen, ring.usable(Date.now())]).toEqual([false, 0]);
  });

  it('ensures that a key of one process is its own, and in no store', async () => {
    const { ring } = await readRing();
    const key = ring.ownKey();
    expect(ring.isOpen).toBe(false);
    expect(ring.callerOf(`Bearer ${key}`, Date.now())?.scopes.has('admin')).toBe(true);
    expect(await store.head()).toEqual({ events: 0, position: null });
  });
});

describe('the keys in the store', () => {
  it('ensures that of writers that race each makes its key', async () => {
    await keys.create({ name: 'first', scopes: ['admin'] });
    const others = new AccessKeys(store);
    const made = await Promise.all([
      keys.create({ name: 'a', scopes: ['read'] }),
      others.create({ name: 'b', scopes: ['read'] }),
    ]);
    const listed = await keys.list();
    expect(listed.map(({ name }) => name).sort()).toEqual(['a', 'b', 'first']);
    const { ring } = await readRing();
    expect(made.map(({ key }) => knows(ring, key))).toEqual([true, true]);
  });

  it('ensures that no key is kept as it is', async () => {
    const { key } = await keys.create({ name: 'a', scopes: ['admin'], expiresAt: '2999-01-01T00:00:00Z' });
    const secret = key.split('_')[2] as string;
    const { events } = await store.readAll(null, 10);
    expect(secret).toMatch(/^[0-9a-f]{48}$/);
    expect(events).toHaveLength(1);
    expect(JSON.stringify(events)).not.toContain(secret);
  });

  it.each([
    [{ scopes: ['read'] }, '/scopes'],
    [{ scopes: ['admin'], predictors: ['p'] }, '/predictors'],
    [{ scopes: ['admin'], expiresAt: '2001-01-01T00:00:00Z' }, '/expiresAt'],
  ])('ensures that %j is refused as the first key', async (request, pointer) => {
    await expect(keys.create({ name: 'a', ...request } as never)).rejects.toThrow(pointer);
    expect(await keys.list()).toEqual([]);
  });
});

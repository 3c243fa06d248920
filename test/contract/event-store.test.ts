/** The event store's contract over SQLite, and what only a file on a disk can meet. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { InvalidPosition, NO_STREAM, StoreUnavailable, UnusableStore } from '#assay/store/event-store.js';
import { SqliteEventStore } from '#assay/store/event-store.sqlite.js';
import { appended, event, fresh, readLog } from './event-store.given.js';
import { eventStoreContract } from './event-store.js';

const MODULE = new URL('../../dist/store/event-store.sqlite.js', import.meta.url).href;

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'assay-store-'));
}

eventStoreContract('sqlite', async () => {
  const folder = newFolder();
  const path = join(folder, 'events.db');
  let store = await SqliteEventStore.open(path);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await SqliteEventStore.open(path);
      return store;
    },
    cleanUp: async () => {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
});

describe('event store in a SQLite file', () => {
  let folder: string;
  let path: string;
  let opened: SqliteEventStore[];

  beforeEach(() => {
    folder = newFolder();
    path = join(folder, 'events.db');
    opened = [];
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all(opened.map((store) => store.close()));
    rmSync(folder, { recursive: true });
  });

  async function open(at = path, now?: () => number): Promise<SqliteEventStore> {
    const store = await SqliteEventStore.open(at, now ? { now } : {});
    opened.push(store);
    return store;
  }

  /** Writes a log of some pages and closes it. */
  async function writeFile(): Promise<void> {
    const store = await open();
    const payload = JSON.stringify({ input: 'x'.repeat(1_000) });
    await appended(
      store.append(
        'stream',
        NO_STREAM,
        Array.from({ length: 400 }, () => event({ payload })),
      ),
    );
    await store.close();
  }

  function overwrite(offset: number, bytes: Buffer): void {
    const content = readFileSync(path);
    bytes.copy(content, offset);
    writeFileSync(path, content);
  }

  /** Opening must fail, say so with the file's name, and leave no trace. */
  async function expectRefusal(says: RegExp): Promise<void> {
    const before = readFileSync(path);
    const files = readdirSync(folder);
    const error = await SqliteEventStore.open(path).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UnusableStore);
    expect((error as Error).message).toMatch(says);
    expect((error as Error).message).toContain(path);
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder)).toEqual(files);
  }

  test('is created with its folder, and is one file again once it is closed', async () => {
    const store = await open(join(folder, 'a', 'b', 'events.db'));
    expect(store.location).toBe(`sqlite:${join(folder, 'a', 'b', 'events.db')}`);
    await appended(store.append('stream', NO_STREAM, [event()]));
    await store.close();
    expect(readdirSync(join(folder, 'a', 'b'))).toEqual(['events.db']);
  });

  test('starts in an empty file', async () => {
    writeFileSync(path, '');
    expect(await (await open()).head()).toEqual({ events: 0, position: null });
  });

  test('refuses positions behind its end, as after a restore of an older copy', async () => {
    const store = await open();
    await appended(store.append('stream', NO_STREAM, [event()]));
    await expect(store.readAll('2', 10)).rejects.toThrow(InvalidPosition);
    await expect(store.countAfter('2')).rejects.toThrow(InvalidPosition);
    expect(await store.countAfter('1')).toBe(0);
  });

  test('refuses names that SQLite would cut short', async () => {
    const store = await open();
    await expect(store.append('a\0b', NO_STREAM, [event()])).rejects.toThrow('U+0000');
    await expect(store.append('a', NO_STREAM, [event({ id: 'a\0b' })])).rejects.toThrow('U+0000');
  });

  test('never goes back in time, whatever the clock does, nor after a restart', async () => {
    let now = 2_000;
    const record = async (store: SqliteEventStore) =>
      (await appended(store.append(fresh('stream'), NO_STREAM, [event()])))[0]?.recordedAt;
    const store = await open(path, () => now);
    expect(await record(store)).toBe(2_000);
    now = 1_000;
    expect(await record(store)).toBe(2_000);
    now = 3_000;
    expect(await record(store)).toBe(3_000);
    await store.close();
    expect(await record(await open(path, () => 1_500))).toBe(3_000);
  });

  test('forgets receipts after 48 hours, not before', async () => {
    const hour = 3_600_000;
    let now = hour;
    const store = await open(path, () => now);
    const keep = (key: string) => store.keepReceipt({ key, requestHash: '', status: 200, body: '' });
    for (const key of ['a', 'b', 'c']) await keep(key);
    now += 48 * hour;
    await keep('d');
    expect(await store.receipt('a')).not.toBeNull();
    now += 1;
    await keep('e');
    await keep('f');
    for (const key of ['a', 'b', 'c']) expect(await store.receipt(key)).toBeNull();
    for (const key of ['d', 'e', 'f']) expect(await store.receipt(key)).not.toBeNull();
  });

  describe('leaves a file as it is when it', () => {
    test('is no database', async () => {
      writeFileSync(path, 'name,label\n'.repeat(1_000));
      await expectRefusal(/damaged.*restore/);
    });

    test('was cut short', async () => {
      await writeFile();
      truncateSync(path, statSync(path).size / 2);
      await expectRefusal(/damaged.*restore/);
    });

    test('has a damaged header', async () => {
      await writeFile();
      overwrite(0, Buffer.alloc(100, 7));
      await expectRefusal(/damaged.*restore/);
    });

    test('belongs to another application', async () => {
      const script = `new (require('libsql'))(process.argv[1]).exec('PRAGMA journal_mode = WAL; CREATE TABLE events (a)')`;
      execFileSync(process.execPath, ['-e', script, path]);
      await expectRefusal(/another application.*ASSAY_STORE/);
    });

    test('was written by a newer version', async () => {
      await writeFile();
      overwrite(60, Buffer.from([0, 0, 0, 99]));
      await expectRefusal(/newer version.*upgrade/);
    });
  });

  test('says so when it comes upon damage later on', async () => {
    await writeFile();
    const pages = statSync(path).size / 4_096;
    overwrite(Math.floor(pages / 2) * 4_096, Buffer.alloc(8 * 4_096, 0xff));
    const store = await open();
    await expect(readLog(store)).rejects.toThrow(UnusableStore);
    await expect(readLog(store)).rejects.toThrow(/damaged.*restore/);
  });

  test('says what is wrong when there is no file to be had', async () => {
    mkdirSync(path);
    await expect(open()).rejects.toThrow(StoreUnavailable);
    await expect(open()).rejects.toThrow(path);
  });

  test('belongs to one store at a time', async () => {
    const store = await open();
    const error: unknown = await open().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect((error as Error).message).toMatch(/another process has .*events\.db open/);
    await appended(store.append('stream', NO_STREAM, [event()]));
    await store.close();
    expect((await (await open()).head()).events).toBe(1);
  });

  describe('on a disk that fills up', () => {
    const mounts = process.platform === 'linux' && process.getuid?.() === 0;

    beforeEach(() => {
      if (mounts) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder]);
    });
    afterEach(async () => {
      await Promise.all(opened.map((store) => store.close()));
      if (mounts) execFileSync('umount', [folder]);
    });

    // Only root may mount the small disk that this takes.
    (mounts ? test : test.skip)(
      'refuses what does not fit, keeps the rest, and recovers by itself',
      async () => {
        const filler = join(folder, 'filler');
        writeFileSync(filler, Buffer.alloc(1 << 20));
        const store = await open();
        const payload = JSON.stringify({ input: 'x'.repeat(10_000) });
        const write = () =>
          Promise.allSettled(
            Array.from({ length: 8 }, () => {
              const stream = fresh('stream');
              const key = stream;
              const events = [event({ payload }), event({ payload })];
              return appended(
                store.append(stream, NO_STREAM, events, { key, requestHash: '', status: 201, body: '' }),
              );
            }),
          );
        const acknowledged: string[] = [];
        let refused = 0;
        for (let round = 0; round < 60; round += 1) {
          if (refused >= 3 && existsSync(filler)) rmSync(filler);
          const results = await write();
          for (const result of results) {
            if (result.status === 'fulfilled') acknowledged.push(...result.value.map(({ id }) => id));
            else {
              expect(result.reason).toBeInstanceOf(StoreUnavailable);
              expect((result.reason as Error).message).toMatch(/disk of .*events\.db is full/);
            }
          }
          const failed = results.filter(({ status }) => status === 'rejected').length;
          // One transaction: it is written as a whole or not at all.
          expect([0, 8]).toContain(failed);
          if (failed > 0) refused += 1;
          // Reading goes on, and sees what was acknowledged and nothing else.
          expect(await store.head()).toMatchObject({ events: acknowledged.length });
          if (!existsSync(filler) && failed === 0) break;
        }
        expect(refused).toBeGreaterThanOrEqual(3);
        const inOrder = (ids: string[]) => [...ids].sort();
        expect(inOrder((await readLog(store)).map(({ id }) => id))).toEqual(inOrder(acknowledged));
        expect(existsSync(filler)).toBe(false);
        await store.close();
        const kept = await readLog(await open());
        expect(inOrder(kept.map(({ id }) => id))).toEqual(inOrder(acknowledged));
      },
    );
  });

  describe('after its process was killed', () => {
    let child: ChildProcess | undefined;
    afterEach(() => {
      child?.kill('SIGKILL');
    });

    test('can be opened at once and has everything that was acknowledged', async () => {
      const script = `
        const { SqliteEventStore } = await import(process.argv[1]);
        const store = await SqliteEventStore.open(process.argv[2]);
        const event = JSON.parse(process.argv[3]);
        const write = async (writer) => {
          for (let number = 0; ; number += 1) {
            const { events } = await store.append(writer + '-' + number, -1, [event]);
            console.log(events[0].position);
          }
        };
        for (const writer of ['a', 'b', 'c', 'd']) write(writer);`;
      const running = spawn(process.execPath, [
        '--input-type=module',
        '-e',
        script,
        MODULE,
        path,
        JSON.stringify(event()),
      ]);
      child = running;
      const acknowledged: string[] = [];
      for await (const line of createInterface(running.stdout)) {
        acknowledged.push(line);
        if (acknowledged.length === 200) {
          await expect(open()).rejects.toThrow('another process');
          running.kill('SIGKILL');
        }
      }
      const positions = (await readLog(await open())).map(({ position }) => position);
      expect(acknowledged.length).toBeGreaterThanOrEqual(200);
      const kept = new Set(positions);
      expect(acknowledged.filter((position) => !kept.has(position))).toEqual([]);
      expect(positions).toEqual(positions.map((_, index) => `${index + 1}`));
    });
  });

  describe('whose thread dies', () => {
    test('fails the calls that wait, and serves the next ones', async () => {
      const store = await open();
      await appended(store.append('before', NO_STREAM, [event()]));
      const post = jest.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker) {
        void this.terminate();
      });
      const waiting = [store.append('lost', NO_STREAM, [event()]), store.readStream('before'), store.head()];
      for (const result of await Promise.allSettled(waiting)) {
        expect(result).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
      }
      expect(post).toHaveBeenCalledTimes(1);
      post.mockRestore();

      expect(await store.readStream('lost')).toEqual([]);
      expect(await store.readStream('before')).toHaveLength(1);
      expect(await appended(store.append('after', NO_STREAM, [event()]))).toMatchObject([{ position: '2' }]);
    });
  });
});

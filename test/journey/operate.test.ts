/** What an operator does from a terminal: with the running service, with its files alone, and when they are bad. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DuckDBInstance } from '@duckdb/node-api';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  assay,
  call,
  eventually,
  cloudEvent,
  type CommandResult,
  type Folder,
  projected,
  type RunningService,
  sendEvents,
  serviceEnvironment,
  startService,
  temporaryFolder,
} from '../given.js';

const MISTAKE = 3;

let folder: Folder;
let service: RunningService | null = null;

beforeAll(async () => {
  folder = temporaryFolder();
  service = await startService(folder.path);
  const { url } = service;
  const candidates = [{ label: 'a', confidence: 0.9 }, { label: 'b' }];
  const deployments = '/v1/predictors/p/deployments';
  await call(url, deployments, { json: { version: 'v1', backend: { kind: 'constant', candidates } } });
  await call(url, deployments, { json: { version: 'v2', backend: { kind: 'recorded' }, canary: {} } });
  await call(url, '/v1/predictors/p/traffic', { json: { split: { v1: 1 } } });
  for (let i = 0; i < 20; i++) {
    const json = { input: { text: `q${i}` }, subject: `s${i}`, metadata: { i } };
    const { body } = await call(url, '/v1/predictors/p/predictions', { json });
    const corrections = `/v1/predictions/${body.id}/corrections`;
    const correction = await call(url, corrections, { json: { rank: i % 2 } });
    if (i % 5 === 0) await call(url, `${corrections}/${correction.body.id}`, { method: 'DELETE' });
  }
  await sendEvents(url, [
    cloudEvent('prediction.failed', 'broken', 1_700_000_000_000, {
      predictor: 'p',
      version: 'v1',
      input: 1,
      error: { kind: 'timeout', message: 'slow' },
    }),
  ]);
  await projected(url);
}, 60_000);

afterAll(async () => {
  await service?.stop();
  folder.remove();
});

/** A command that works on the files of a folder, where no service runs. */
const onFiles = (path: string, ...args: string[]): Promise<CommandResult> =>
  assay(args, serviceEnvironment(path));

const withServer = (...args: string[]): Promise<CommandResult> =>
  assay(args, { PATH: process.env.PATH ?? '', ASSAY_SERVER: service?.url ?? '' });

describe('while the service runs', () => {
  it('ensures that status tells events, lag and places', async () => {
    const { status, stdout } = await withServer('status');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Assay \d+\.\d+\.\d+\n/);
    expect(stdout).toMatch(/events {8}50\n/);
    expect(stdout).toContain(`sqlite:${join(folder.path, 'events.db')}`);
    expect(stdout).toMatch(/lag {11}0 events/);
    const json = JSON.parse((await withServer('status', '--json')).stdout);
    expect(json).toMatchObject({ events: 50, lag: { events: 0 }, lastRebuild: null });
  }, 60_000);

  it('ensures that rebuilds say what they counted, and verify finds nothing', async () => {
    for (const more of [[], ['--from-store']]) {
      const { status, stdout } = await withServer('rebuild', ...more);
      expect(status).toBe(0);
      expect(stdout).toMatch(
        /^Rebuilt in \d+ ms: 50 events, 21 predictions, 24 corrections, 0 shadows, 5 deployments\.\n$/,
      );
    }
    const { status, stdout } = await withServer('verify');
    expect(stdout).toBe('Equal: 50 events in the store, 50 in the warehouse.\n');
    expect(status).toBe(0);
  }, 60_000);

  it('ensures that rebuilds and verifications at the same time wait for each other', async () => {
    const url = service?.url ?? '';
    for (let round = 0; round < 5; round++) {
      const [verified, begun, again] = await Promise.all([
        call(url, '/v1/verifications', { json: {} }),
        call(url, '/v1/rebuilds', { json: {} }),
        call(url, '/v1/verifications', { json: {} }),
      ]);
      expect([verified, again]).toMatchObject([{ body: { equal: true } }, { body: { equal: true } }]);
      const ended = await eventually(
        () => call(url, `/v1/rebuilds/${begun.body.id}`),
        ({ body }) => body.status !== 'running',
      );
      expect(ended.body).toMatchObject({ status: 'done', error: null });
    }
  }, 60_000);

  it('ensures that a second service on the same files is refused', async () => {
    const { status, stderr } = await onFiles(folder.path, 'serve');
    expect(status).toBe(MISTAKE);
    expect(stderr).toMatch(/another process has .*events\.db open/);
    expect((await call(service?.url ?? '', '/healthz')).status).toBe(200);
  }, 60_000);

  it('ensures that a named service which is not there is not replaced by the files at hand', async () => {
    const environment = { ...serviceEnvironment(folder.path), ASSAY_SERVER: 'http://127.0.0.1:9' };
    const { status, stderr } = await assay(['status'], environment);
    expect(status).toBe(MISTAKE);
    expect(stderr).toMatch(/No service answers at http:\/\/127\.0\.0\.1:9 .*assay serve/);
  }, 60_000);
});

describe('while the service is stopped', () => {
  let exported: string;

  beforeAll(async () => {
    await service?.stop();
    service = null;
    exported = join(folder.path, 'events.ndjson');
  });

  it('ensures that status works on the files', async () => {
    expect((await onFiles(folder.path, 'status')).stdout).toMatch(/events {8}50\n/);
  }, 60_000);

  it('ensures that verify lists what differs, and rebuild puts it right', async () => {
    const warehouse = await DuckDBInstance.create(join(folder.path, 'warehouse.duckdb'));
    const connection = await warehouse.connect();
    await connection.run('DELETE FROM events WHERE position IN (7, 8, 9)');
    connection.closeSync();
    warehouse.closeSync();
    const found = await onFiles(folder.path, 'verify');
    expect(found.status).toBe(1);
    expect(found.stdout).toMatch(
      /^Different: 50 events in the store, 47 in the warehouse\.\n {2}\{"kind":"events"/,
    );
    expect(found.stdout).toContain('assay rebuild --from-store');
    const rebuilt = await onFiles(folder.path, 'rebuild', '--from-store');
    expect(rebuilt).toMatchObject({ status: 0, stdout: expect.stringMatching(/50 events[^]*put right: \{/) });
    expect(await onFiles(folder.path, 'verify')).toMatchObject({ status: 0 });
  }, 60_000);

  it('ensures that what is exported and imported elsewhere is the same, and imported once', async () => {
    const out = await onFiles(folder.path, 'events', 'export', '--file', exported);
    expect(out).toMatchObject({ status: 0, stderr: 'Exported 50 events.\n' });
    const other = join(folder.path, 'other');
    mkdirSync(other);
    const first = await onFiles(other, 'events', 'import', '--file', exported);
    expect(first.stdout).toBe('Imported 50 events; 0 were there already, 0 were rejected.\n');
    service = await startService(other);
    const again = await withServer('events', 'import', '--file', exported);
    expect(again.stdout).toBe('Imported 0 events; 50 were there already, 0 were rejected.\n');
    expect([first.status, again.status]).toEqual([0, 0]);
    const back = await withServer('events', 'export');
    expect(contents(back.stdout)).toEqual(contents(readFileSync(exported, 'utf8')));
    expect(await withServer('verify')).toMatchObject({ status: 0 });
    await service.stop();
    service = null;
  }, 90_000);

  it('ensures that what only the service may write is rejected by its line, and the rest is taken', async () => {
    const time = '2026-01-05T10:00:00Z';
    const judged = cloudEvent('predictor.canary_judged', 'j1', time, { predictor: 'p', verdict: 'promote' });
    const retracted = cloudEvent('prediction.correction_retracted', 'r1', time, {
      predictionId: 'x',
      correctionId: 'y',
    });
    const lines = join(folder.path, 'judged.ndjson');
    writeFileSync(lines, `${JSON.stringify(judged)}\n${JSON.stringify(retracted)}\n`);
    const other = join(folder.path, 'judged');
    mkdirSync(other);
    const { status, stdout, stderr } = await onFiles(other, 'events', 'import', '--file', lines);
    expect(status).toBe(1);
    expect(stdout).toBe('Imported 1 events; 0 were there already, 1 were rejected.\n');
    expect(stderr).toMatch(/^line 1 \(j1\): .*canary_judged" is written by the service only\n$/);
  }, 60_000);
});

/** Without what the store gave them, in an order of their own. */
function contents(ndjson: string): string[] {
  return ndjson
    .trim()
    .split('\n')
    .map((line) => {
      const { id, type, time, subject, revision, data } = JSON.parse(line);
      return JSON.stringify({ subject, revision, id, type, time, data });
    })
    .sort();
}

describe('a start that cannot succeed', () => {
  it('ensures that everything wrong with the environment is told at once', async () => {
    const { status, stderr } = await assay(['serve'], {
      PATH: process.env.PATH ?? '',
      PORT: 'http',
      ASSAY_RATE_LIMIT: 'often',
      ASSAY_CORS_ORIGINS: 'https://app.example/path,*',
      ASSAY_STORE: 'postgres:x',
      ASSAY_WAREHOUSE: 'duckdb:',
      ASSAY_SUBJECT_SECRET: 'short',
      ASSAY_UNRECORDED: 'maybe',
      ASSAY_POLICY: join(folder.path, 'no-policy.json'),
      ASSAY_STROE: 'sqlite:x',
      LOG_LEVEL: 'loud',
    });
    expect(status).toBe(MISTAKE);
    expect(stderr).toMatch(/^The configuration has 11 errors:\n/);
    for (const said of [
      'PORT is "http": give a number',
      'ASSAY_RATE_LIMIT is "often": give requests and a time, such as 600/1m',
      'ASSAY_CORS_ORIGINS has "https://app.example/path": give origins',
      'ASSAY_CORS_ORIGINS has "*"',
      'ASSAY_STORE is "postgres:x": give sqlite:PATH',
      'ASSAY_WAREHOUSE is "duckdb:": give duckdb:PATH',
      'ASSAY_SUBJECT_SECRET is shorter than 16 characters',
      'ASSAY_UNRECORDED is "maybe": give refuse or serve',
      'cannot be read as JSON',
      'ASSAY_STROE is not a variable of this service',
      'LOG_LEVEL is "loud": give error or warn',
    ]) {
      expect(stderr).toContain(said);
    }
    expect(stderr).toContain('assay serve --help');
    expect(stderr).not.toContain('    at ');
  }, 60_000);

  it('ensures that every field of a policy file that is wrong is named', async () => {
    const policy = join(folder.path, 'policy.json');
    writeFileSync(policy, JSON.stringify({ tolerance: 2, patience: 1 }));
    const { status, stderr } = await assay(['serve'], {
      ...serviceEnvironment(folder.path),
      ASSAY_POLICY: policy,
    });
    expect(status).toBe(MISTAKE);
    expect(stderr).toContain('/tolerance must be <= 1');
    expect(stderr).toContain('/patience is not a known field');
  }, 60_000);

  const foreign = async (path: string): Promise<void> => {
    const instance = await DuckDBInstance.create(path);
    const connection = await instance.connect();
    await connection.run('CREATE TABLE theirs AS SELECT 1 AS one');
    connection.closeSync();
    instance.closeSync();
  };
  const text = async (path: string): Promise<void> => writeFileSync(path, 'name,label\n'.repeat(2000));
  const own = (file: string, change: (content: Buffer) => Buffer) => async (path: string) =>
    writeFileSync(path, change(readFileSync(join(folder.path, file))));
  const half = (content: Buffer): Buffer => content.subarray(0, Math.floor(content.length / 2));
  const headless = (content: Buffer): Buffer => Buffer.concat([Buffer.alloc(100, 7), content.subarray(100)]);

  it.each([
    ['events.db', 'text', text, /events\.db.*damaged.*restore/],
    ['events.db', 'cut short', own('events.db', half), /events\.db.*damaged.*restore/],
    ['events.db', 'without its header', own('events.db', headless), /events\.db.*damaged.*restore/],
    ['warehouse.duckdb', 'text', text, /warehouse\.duckdb.*(cannot be opened|damaged)/],
    [
      'warehouse.duckdb',
      'cut short',
      own('warehouse.duckdb', half),
      /warehouse\.duckdb.*(is damaged|cannot be opened)/,
    ],
    ['warehouse.duckdb', 'of another application', foreign, /warehouse\.duckdb.*not of this service/],
    ['warehouse.duckdb', 'without its header', own('warehouse.duckdb', headless), /warehouse\.duckdb/],
  ])(
    'ensures that %s that is %s is told and stays as it is',
    async (file, _, make, says) => {
      const bad = temporaryFolder();
      try {
        const path = join(bad.path, file);
        await make(path);
        const before = readFileSync(path);
        const { status, stderr } = await onFiles(bad.path, 'serve');
        expect(stderr).toMatch(says);
        expect(stderr).not.toContain('    at ');
        expect(status).toBe(MISTAKE);
        expect(readFileSync(path).equals(before)).toBe(true);
      } finally {
        bad.remove();
      }
    },
    60_000,
  );
});

describe('help', () => {
  it('ensures that every command explains itself with an example', async () => {
    const commands = async (...path: string[]): Promise<string[][]> => {
      const { status, stdout } = await assay([...path, '--help'], { PATH: process.env.PATH ?? '' });
      expect(status).toBe(0);
      // The group itself shows its parts; each part shows an example.
      const parts = [...stdout.matchAll(/^ {2}([a-z]+)(?: \[options\])?(?: <\w+>)?(?: {2,}|$)/gm)]
        .map(([, name]) => name as string)
        .filter((name) => name !== 'help' && stdout.includes('\nCommands:\n'));
      if (parts.length === 0)
        expect([path, stdout]).toEqual([path, expect.stringMatching(/Examples?:\n {2}\$ /)]);
      const below = await Promise.all(parts.map((part) => commands(...path, part)));
      return parts.length === 0 ? [path] : below.flat();
    };
    const found = (await commands()).map((path) => path.join(' ')).sort();
    expect(found).toEqual([
      'challengers',
      'demo',
      'deploy',
      'events export',
      'events import',
      'gate',
      'keys create',
      'keys list',
      'keys revoke',
      'rebuild',
      'serve',
      'status',
      'verify',
    ]);
  }, 90_000);

  it('ensures that serve lists every variable, and a mistyped command ends with 3', async () => {
    const { stdout } = await assay(['serve', '--help'], { PATH: process.env.PATH ?? '' });
    for (const name of ['PORT', 'HOST', 'ASSAY_STORE', 'ASSAY_WAREHOUSE', 'ASSAY_POLICY', 'LOG_LEVEL'])
      expect(stdout).toContain(name);
    const wrong = await assay(['sevre'], { PATH: process.env.PATH ?? '' });
    expect(wrong.status).toBe(MISTAKE);
    expect(wrong.stderr).toContain("unknown command 'sevre'");
  }, 60_000);
});

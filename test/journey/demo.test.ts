import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { assay, call, eventually, type Folder, temporaryFolder } from '../given.js';

const CLI = resolve('dist/bin/cli.js');
const ENVIRONMENT = { PATH: process.env.PATH ?? '', NO_COLOR: '1' };
const LIMIT_MS = 60_000;

describe('assay demo', () => {
  let folder: Folder;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => folder.remove());

  test(
    'deploys, replays, judges both canaries, says what came out, and leaves nothing running',
    async () => {
      const args = ['demo', '--exit', '--predictions', '1200', '--port', '0'];
      const { status, stdout, stderr } = await assay(args, ENVIRONMENT, folder.path);
      expect([status, stderr]).toEqual([0, '']);
      expect(stdout.match(/^Verdict: (PROMOTE|HOLD|ROLLBACK|INSUFFICIENT)/gm)).toHaveLength(2);
      expect(stdout).toMatch(/^v2 against v1: /m);
      expect(stdout).toMatch(/^v3 against v[12]: /m);
      for (const version of ['v1', 'v2', 'v3']) {
        expect(stdout).toMatch(new RegExp(`^${version} .* [\\d.]+ % to [\\d.]+ %`, 'm'));
      }
      expect(stdout).not.toContain('\u001b');
      const url = addressIn(stdout);
      expect(stdout).toContain(`${url}/v1/predictors/industry-code/canary`);
      await expect(call(url, '/healthz')).rejects.toThrow();
      expect(existsSync(join(folder.path, 'data/demo/events.db'))).toBe(true);
    },
    LIMIT_MS,
  );

  test(
    'ends with everything it has started when it is interrupted',
    async () => {
      const child = spawn(process.execPath, [CLI, 'demo', '--port', '0'], {
        env: ENVIRONMENT,
        cwd: folder.path,
      });
      let printed = '';
      child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      const ended = new Promise<number | null>((done) => child.once('close', done));
      await eventually(
        async () => printed,
        (text) => text.includes('answers alone'),
        30_000,
      );
      const [classifier = '', service = ''] = printed.match(/http:\/\/127\.0\.0\.1:\d+/g) ?? [];
      expect((await call(service, '/healthz')).status).toBe(200);
      child.kill('SIGTERM');
      expect(await ended).toBe(130);
      await expect(call(service, '/healthz')).rejects.toThrow();
      await expect(call(classifier, '/v1', { json: { input: 'bakery' } })).rejects.toThrow();
    },
    LIMIT_MS,
  );

  test('refuses a number that is none, and says what to give', async () => {
    const { status, stderr } = await assay(['demo', '--predictions', 'many'], ENVIRONMENT, folder.path);
    expect(status).toBe(3);
    expect(stderr).toContain('Give a whole number of at least 100');
  });
});

function addressIn(text: string): string {
  const [, address = ''] = /^Service +(http:\/\/127\.0\.0\.1:\d+)/m.exec(text) ?? [];
  return address;
}

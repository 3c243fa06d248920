/** The disk of the store is full: what callers are told meanwhile, and that it passes by itself. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Answer,
  call,
  eventually,
  type Folder,
  projected,
  type RunningService,
  startPredictor,
  startService,
  temporaryFolder,
} from '../given.js';
import { scrape } from '../observability/scrape.js';

const MEGABYTE = 1 << 20;
const PATH = '/v1/predictors/p/predictions';
/** Large enough to fill the disk within some dozen requests. */
const INPUT = 'x'.repeat(40_000);
/** Only root may mount the small disk that this takes. */
const mounts = process.platform === 'linux' && process.getuid?.() === 0;

(mounts ? describe : describe.skip)('while the disk of the store is full', () => {
  let folder: Folder;
  let disk: string;
  let service: RunningService;

  beforeEach(() => {
    folder = temporaryFolder();
    disk = join(folder.path, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(MEGABYTE));
  });

  afterEach(async () => {
    try {
      await service.stop();
    } finally {
      execFileSync('umount', [disk]);
      folder.remove();
    }
  });

  async function start(more: Record<string, string> = {}): Promise<void> {
    service = await startService(folder.path, { ASSAY_STORE: `sqlite:${join(disk, 'events.db')}`, ...more });
    const backend = { kind: 'constant', candidates: [{ label: 'a' }] };
    await call(service.url, '/v1/predictors/p/deployments', { json: { version: 'v1', backend } });
  }

  const predict = (key?: string): Promise<Answer> =>
    call(service.url, PATH, {
      json: { input: INPUT },
      headers: key === undefined ? {} : { 'idempotency-key': key },
    });

  /** Predicts until the store refuses for good: the first refusals may be followed by a little more room. */
  async function fill(
    isRefused: (answer: Answer) => boolean,
  ): Promise<{ ids: string[]; refused: Answer; key: string }> {
    const ids: string[] = [];
    let inARow = 0;
    for (let i = 0; i < 400; i++) {
      const key = `key-${i}`;
      const answer = await predict(key);
      inARow = isRefused(answer) ? inARow + 1 : 0;
      if (inARow === 5) return { ids, refused: answer, key };
      if (inARow > 0) continue;
      expect(answer.status).toBe(201);
      ids.push(answer.body.id);
    }
    throw new Error('the disk did not fill up');
  }

  const events = async (): Promise<number> => (await call(service.url, '/v1/status')).body.events;

  async function makeRoom(): Promise<Answer> {
    rmSync(join(disk, 'filler'));
    expect(existsSync(disk)).toBe(true);
    for (let attempt = 0; ; attempt++) {
      const answer = await predict('after');
      if (answer.status === 201 || attempt === 20) return answer;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  it('ensures that a prediction is refused for now, nothing of it is written, and it recovers', async () => {
    await start();
    const { ids, refused, key } = await fill(({ status }) => status !== 201);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(refused.body).toMatchObject({ type: 'urn:assay:problem:store-unavailable', status: 503 });
    expect(refused.body.detail).toMatch(/disk of .*events\.db is full/);
    expect(await events()).toBe(ids.length + 1);
    // Reading goes on.
    expect((await call(service.url, `/v1/predictions/${ids[0]}`)).status).toBe(200);

    expect((await makeRoom()).status).toBe(201);
    const retried = await predict(key);
    expect(retried.status).toBe(201);
    expect(retried.headers.get('idempotency-replayed')).toBeNull();
    expect(await events()).toBe(ids.length + 3);
    await projected(service.url);
    expect((await call(service.url, '/v1/verifications', { method: 'POST' })).body.equal).toBe(true);
  }, 90_000);

  it('ensures that with ASSAY_UNRECORDED=serve predictions are answered, and say that they are unrecorded', async () => {
    await start({ ASSAY_UNRECORDED: 'serve' });
    const { ids, refused, key } = await fill(({ body }) => body.recorded !== true);
    expect(refused.status).toBe(200);
    expect(refused.body).toMatchObject({ version: 'v1', candidates: [{ label: 'a' }], recorded: false });
    const told = await scrape(service.url);
    const predictions = (outcome: string): number =>
      told.value('assay_predictions_total', { predictor: 'p', version: 'v1', outcome }) ?? 0;
    expect(predictions('recorded')).toBe(ids.length);
    expect(predictions('unrecorded')).toBeGreaterThanOrEqual(5);
    expect(told.value('assay_append_duration_seconds_count', { result: 'failed' })).toBe(
      predictions('unrecorded'),
    );
    expect((await call(service.url, `/v1/predictions/${refused.body.id}`)).status).toBe(404);
    expect(await events()).toBe(ids.length + 1);
    expect((await makeRoom()).body.recorded).toBe(true);
    const retried = await predict(key);
    expect(retried).toMatchObject({ status: 201, body: { recorded: true } });
    expect(await events()).toBe(ids.length + 3);
  }, 90_000);

  it('ensures that with ASSAY_UNRECORDED=serve a failing predictor is still told as what it is', async () => {
    const failing = await startPredictor((_, response) => response.writeHead(500).end('{}'));
    try {
      await start({ ASSAY_UNRECORDED: 'serve' });
      const backend = { kind: 'http', url: failing.url };
      await call(service.url, '/v1/predictors/p/deployments', { json: { version: 'v2', backend } });
      await fill(({ body }) => body.recorded !== true);
      // A failure is smaller than a prediction with its receipt: a few may still fit.
      const { status, body } = await eventually(
        () => call(service.url, PATH, { json: { input: INPUT, version: 'v2' } }),
        (answer) => !String(answer.body.detail).includes('is recorded as'),
      );
      expect(status).toBe(502);
      expect(body).toMatchObject({ type: 'urn:assay:problem:predictor-rejected', version: 'v2' });
      expect(body.detail).toMatch(/answered 500.*could not be recorded/);
      expect(body).not.toHaveProperty('predictionId');
    } finally {
      await failing.close();
    }
  }, 90_000);
});

/** The life of one prediction over HTTP: asked, served, corrected, corrected again, taken back, seen in the warehouse. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  call,
  cloudEvent,
  eventually,
  type Folder,
  type Predictor,
  projected,
  type RunningService,
  sendEvents,
  startPredictor,
  startService,
  temporaryFolder,
} from '../given.js';

let folder: Folder;
let service: RunningService;
let predictor: Predictor;

beforeAll(async () => {
  folder = temporaryFolder();
  service = await startService(folder.path);
  predictor = await startPredictor((body, response) => {
    const { input } = body as { input: string };
    const scored = [
      { label: 'bakery', confidence: 0.2 },
      { label: input, confidence: 0.7 },
      { label: 'fishing', confidence: 0.1 },
    ];
    response.end(JSON.stringify({ candidates: scored }));
  });
  await call(service.url, '/v1/predictors/industry/deployments', {
    json: { version: 'v1', backend: { kind: 'http', url: predictor.url } },
  });
});

afterAll(async () => {
  await service.stop();
  await predictor.close();
  folder.remove();
});

async function predict(input: unknown, more: object = {}) {
  return call(service.url, '/v1/predictors/industry/predictions', { json: { input, ...more } });
}

describe('predict', () => {
  it('ensures that the backend is asked and the candidates come back best first', async () => {
    const { status, body } = await predict('mining', { subject: 'kim' });
    expect(status).toBe(201);
    expect(body).toMatchObject({ predictor: 'industry', version: 'v1', recorded: true });
    expect(body.candidates).toEqual([
      { label: 'mining', confidence: 0.7 },
      { label: 'bakery', confidence: 0.2 },
      { label: 'fishing', confidence: 0.1 },
    ]);
    expect(predictor.asked.at(-1)).toEqual({ input: 'mining', limit: 5 });
  });

  it('ensures that limit and threshold cut the list', async () => {
    expect((await predict('mining', { limit: 1 })).body.candidates).toHaveLength(1);
    expect((await predict('mining', { threshold: 0.15 })).body.candidates).toHaveLength(2);
    expect((await predict('mining', { threshold: 0.9 })).body.candidates).toEqual([]);
  });

  it('ensures that a subject is stored only as a keyed hash', async () => {
    const { body } = await predict('mining', { subject: 'kim@example.org', metadata: { channel: 'web' } });
    const stored = (await call(service.url, `/v1/predictions/${body.id}`)).body;
    expect(stored.subject).toMatch(/^hmac:[\w-]{43}$/);
    expect(stored.metadata).toEqual({ channel: 'web' });
    const exported = await call(service.url, '/v1/events?limit=1000');
    expect(JSON.stringify(exported.body)).not.toContain('kim@example.org');
  });
});

describe('correct', () => {
  it('ensures that the outcome follows the latest correction, and falls back when it is retracted', async () => {
    const { body: prediction } = await predict('mining');
    const corrections = `/v1/predictions/${prediction.id}/corrections`;
    const first = await call(service.url, corrections, { json: { rank: 1, actor: 'kim' } });
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({
      outcome: { status: 'ranked', rank: 1, label: 'bakery' },
      supersedes: null,
    });
    const second = await call(service.url, corrections, { json: { label: 'mining' } });
    expect(second.body).toMatchObject({
      outcome: { status: 'right', rank: 0, label: 'mining' },
      supersedes: first.body.id,
    });
    const third = await call(service.url, corrections, { json: { none: true } });
    expect(third.body.outcome).toEqual({ status: 'missed', rank: null, label: null });
    const gone = await call(service.url, `${corrections}/${third.body.id}`, { method: 'DELETE' });
    expect(gone.status).toBe(204);
    const read = await call(service.url, `/v1/predictions/${prediction.id}`);
    expect(read.body.outcome).toEqual({ status: 'right', rank: 0, label: 'mining' });
    expect(read.body.corrections.map(({ retracted }: { retracted: boolean }) => retracted)).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('ensures that a label outside the candidates is a miss that keeps the label', async () => {
    const { body: prediction } = await predict('mining');
    const { body } = await call(service.url, `/v1/predictions/${prediction.id}/corrections`, {
      json: { label: 'forestry' },
    });
    expect(body.outcome).toEqual({ status: 'missed', rank: null, label: 'forestry' });
  });

  it('ensures that a correction dated back does not supersede a younger one', async () => {
    const { body: prediction } = await predict('mining');
    const corrections = `/v1/predictions/${prediction.id}/corrections`;
    await new Promise((resolve) => setTimeout(resolve, 5));
    await call(service.url, corrections, { json: { rank: 0 } });
    const { body } = await call(service.url, corrections, {
      json: { none: true, occurredAt: prediction.occurredAt },
    });
    expect(body).toMatchObject({ outcome: { status: 'right' }, supersedes: null });
  });
});

describe('idempotency', () => {
  it('ensures that the same key and body get the first answer again, and nothing twice', async () => {
    const headers = { 'idempotency-key': 'order-1' };
    const request = { json: { input: 'mining' }, headers };
    const path = '/v1/predictors/industry/predictions';
    const first = await call(service.url, path, request);
    const again = await call(service.url, path, request);
    expect(again.status).toBe(201);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    const other = await call(service.url, path, { json: { input: 'fishing' }, headers });
    expect(other.status).toBe(422);
  });

  it('ensures that of many at once under one key only one is recorded', async () => {
    const before = (await call(service.url, '/v1/status')).body.events;
    const request = { json: { input: 'mining' }, headers: { 'idempotency-key': 'order-2' } };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => call(service.url, '/v1/predictors/industry/predictions', request)),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect((await call(service.url, '/v1/status')).body.events).toBe(before + 1);
  });

  it('ensures that corrections, deployments and traffic repeat their first answer too', async () => {
    const { body: prediction } = await predict('mining');
    const headers = { 'idempotency-key': 'order-3' };
    for (const [path, json] of [
      [`/v1/predictions/${prediction.id}/corrections`, { rank: 0 }],
      [
        '/v1/predictors/industry/deployments',
        { version: 'v1', backend: { kind: 'http', url: predictor.url } },
      ],
      ['/v1/predictors/industry/traffic', { split: { v1: 1 } }],
    ] as const) {
      const first = await call(service.url, path, { json, headers });
      const again = await call(service.url, path, { json, headers });
      expect(again).toMatchObject({ status: first.status, body: first.body });
      expect(again.headers.get('idempotency-replayed')).toBe('true');
    }
  });
});

describe('recorded elsewhere', () => {
  const time = '2026-01-05T10:00:00Z';
  const recorded = (id: string) =>
    cloudEvent('prediction.recorded', id, time, {
      predictor: 'elsewhere',
      version: 'v7',
      input: 'q',
      candidates: [{ label: 'a', confidence: 1 }, { label: 'b' }],
    });

  it('ensures that a correction may come before its prediction', async () => {
    const correction = cloudEvent('prediction.corrected', 'c1', time, { predictionId: 'early', rank: 1 });
    expect((await sendEvents(service.url, [correction])).body).toEqual({
      accepted: 1,
      duplicates: 0,
      rejected: [],
    });
    expect((await call(service.url, '/v1/predictions/early')).status).toBe(404);
    expect((await sendEvents(service.url, [recorded('early')])).body.accepted).toBe(1);
    const { body } = await call(service.url, '/v1/predictions/early');
    expect(body.outcome).toEqual({ status: 'ranked', rank: 1, label: 'b' });
  });

  it('ensures that the same events again are duplicates, and one bad event does not block the rest', async () => {
    const batch = [
      recorded('r1'),
      { nonsense: true },
      recorded('r2'),
      cloudEvent('unknown.type', 'x', time, {}),
    ];
    const first = await sendEvents(service.url, batch);
    expect(first.body.accepted).toBe(2);
    expect(first.body.rejected.map(({ index }: { index: number }) => index)).toEqual([1, 3]);
    const again = await sendEvents(service.url, batch);
    expect(again.body).toMatchObject({ accepted: 0, duplicates: 2 });
  });

  it('ensures that a stream of lines of any length is taken, with the place of each bad line', async () => {
    const lines = Array.from({ length: 2500 }, (_, i) => JSON.stringify(recorded(`line-${i}`)));
    lines[7] = 'not json';
    const { body } = await call(service.url, '/v1/events', {
      text: `${lines.join('\n')}\n`,
      headers: { 'content-type': 'application/x-ndjson' },
    });
    expect(body.accepted).toBe(2499);
    expect(body.rejected).toEqual([{ index: 7, id: null, detail: 'is not JSON' }]);
  });

  it('ensures that the stream comes out again, page by page, whole and in order', async () => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const query: string = after === null ? '' : `&after=${after}`;
      const page = (await call(service.url, `/v1/events?limit=700&predictor=elsewhere${query}`)).body;
      seen.push(...page.events.map(({ id }: { id: string }) => id));
      after = page.next;
    } while (after !== null);
    // The early correction, its prediction, r1, r2 and the lines.
    expect(seen).toHaveLength(1 + 1 + 2 + 2499);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.slice(0, 4)).toEqual(['c1', 'early', 'r1', 'r2']);
  });
});

describe('quality', () => {
  it('ensures that predictions and corrections show in the series within seconds', async () => {
    const { body: prediction } = await predict('mining', { version: 'v1' });
    await call(service.url, `/v1/predictions/${prediction.id}/corrections`, { json: { rank: 0 } });
    await projected(service.url);
    const today = await eventually(
      () =>
        call(
          service.url,
          '/v1/predictors/elsewhere/quality?from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z',
        ),
      ({ body }) => body.series?.[0]?.total?.predictions === 2502,
    );
    const [series] = today.body.series;
    expect(series).toMatchObject({ version: 'v7' });
    expect(series.total).toMatchObject({ labelled: 1, accuracy: 0, accuracyAt3: 1, meanReciprocalRank: 0.5 });
    expect(series.total.accuracyInterval).toEqual([0, expect.closeTo(0.793, 3)]);
    expect(series.points).toHaveLength(1);
    expect(series.points[0].start).toBe('2026-01-05T00:00:00.000Z');
  });

  it('ensures that a quality question about an unknown predictor is a 404', async () => {
    expect((await call(service.url, '/v1/predictors/nobody/quality')).status).toBe(404);
  });
});

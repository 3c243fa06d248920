/**
 * Inputs, subjects and keys are for the events and their holders. At the most talkative level, through success
 * and every failure that a caller can bring about, none of them may be printed.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import {
  type Answer,
  assay,
  call,
  type CallOptions,
  type Folder,
  type Predictor,
  type RunningService,
  serviceEnvironment,
  startPredictor,
  startService,
  temporaryFolder,
} from '../given.js';
import { SqliteEventStore } from '#assay/store/event-store.sqlite.js';

const INPUT = 'marked-input-7c1f';
const SUBJECT = 'marked-subject-93ab';
const COMMENT = 'marked-comment-51de';
const SECRET = 'f00dfeedf00dfeedf00dfeedf00dfeedf00dfeedf00dfeed';
const ID = '0ddba11c0ffe';

let folder: Folder;
let predictor: Predictor;
let service: RunningService;
let key: string;
/** Statuses that were seen. */
const seen = new Set<number>();

beforeAll(async () => {
  folder = temporaryFolder();
  // What it is asked decides how it fails, and it says back what it was asked.
  predictor = await startPredictor((body, response) => {
    const { input } = body as { input: { mode: string } };
    if (input.mode === 'slow') return;
    if (input.mode === 'gone') return void response.destroy();
    response.statusCode = input.mode === 'refuse' ? 400 : 200;
    const candidates = input.mode === 'garble' ? { echo: body } : [{ label: 'a', confidence: 1 }];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(input.mode === 'refuse' ? { error: body } : { candidates }));
  });
  const environment = serviceEnvironment(folder.path);
  key = (await assay(['keys', 'create', '--name', 'a', '--scopes', 'admin'], environment)).stdout.trim();
  // An event that only a newer version can read makes an error that nobody foresaw.
  const store = await SqliteEventStore.open(join(folder.path, 'events.db'));
  await store.append('prediction-newer', -1, [
    {
      id: 'newer',
      type: 'assay.prediction.recorded',
      schemaVersion: 99,
      occurredAt: 0,
      predictor: 'p',
      causationId: null,
      traceparent: null,
      payload: JSON.stringify({ input: INPUT, subject: SUBJECT }),
    },
  ]);
  await store.close();
  service = await startService(folder.path, { LOG_LEVEL: 'debug', ASSAY_RATE_LIMIT: '60/1h' });
}, 60_000);

afterAll(async () => {
  await service.stop();
  await predictor.close();
  folder.remove();
});

async function ask(path: string, options: CallOptions & { as?: string } = {}): Promise<Answer> {
  const { as = key, headers, ...rest } = options;
  const answer = await call(service.url, path, {
    ...rest,
    headers: { authorization: `Bearer ${as}`, ...headers },
  });
  seen.add(answer.status);
  return answer;
}

const predict = (mode: string, more: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  ask('/v1/predictors/p/predictions', {
    json: { input: { mode, text: INPUT }, subject: SUBJECT, ...more },
    headers,
  });

describe('what is printed', () => {
  it('ensures that it holds no input, no subject, no comment and no key', async () => {
    const backend = { kind: 'http', url: predictor.url, timeoutMs: 300 };
    await ask('/v1/predictors/p/deployments', { json: { version: 'v1', backend } });
    const marked = { comment: COMMENT, actor: SUBJECT };

    const { body } = await predict('fine', {}, { 'idempotency-key': 'k' });
    await predict('fine', { limit: 1 }, { 'idempotency-key': 'k' });
    await ask(`/v1/predictions/${body.id}/corrections`, { json: { rank: 0, ...marked } });
    await ask(`/v1/predictions/${body.id}/corrections`, { json: { rank: 99, ...marked } });
    await ask(`/v1/predictions/${body.id}`);
    await ask(`/v1/predictions/${INPUT}`);
    await ask('/v1/predictions/newer');
    for (const mode of ['refuse', 'garble', 'gone', 'slow']) await predict(mode);
    await predict('fine', { [INPUT]: SUBJECT });
    await predict('fine', { version: 'v9' });
    await ask('/v1/predictors/p/predictions', { text: `{"input": "${INPUT}", "subject": "${SUBJECT}"` });
    await ask('/v1/predictors/p/predictions', { json: { input: INPUT.repeat(100_000) } });
    await ask('/v1/predictors/p/predictions', { text: INPUT, headers: { 'content-type': 'text/x-marked' } });
    await ask(`/v1/predictors/${INPUT}/predictions`, { json: { input: INPUT } });
    await ask('/v1/events', { json: [{ id: INPUT, data: { input: INPUT, subject: SUBJECT } }] });
    await ask('/v1/events', {
      text: `{"input": "${INPUT}`,
      headers: { 'content-type': 'application/x-ndjson' },
    });
    await ask('/v1/predictors/p/traffic', { json: { split: { [INPUT]: 1 } } });
    await ask('/v1/predictors/p/promote', { json: { version: 'v1', reason: COMMENT } });

    await predict('fine', {}, { authorization: `Bearer assay_${ID}_${SECRET}` });
    await predict('fine', {}, { authorization: `Basic ${SECRET}` });
    const reader = await ask('/v1/keys', { json: { name: 'b', scopes: ['read'] } });
    await ask('/v1/predictors/p/predictions', { json: { input: INPUT }, as: reader.body.key });
    await ask(`/v1/keys/${reader.body.id}`, { method: 'DELETE' });
    await ask('/v1/status', { as: reader.body.key });
    for (let i = 0; i < 60; i++) await predict('fine');

    for (const status of [200, 201, 204, 400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 504])
      expect([...seen]).toContain(status);
    const printed = service.output();
    // It does talk, and the unforeseen is in the log for the operator.
    expect(printed).toContain('upgrade it');
    expect(printed.length).toBeGreaterThan(1000);
    const secrets = [key, reader.body.key].map((text: string) => text.split('_')[2] as string);
    const told = [INPUT, SUBJECT, COMMENT, SECRET, ID, ...secrets].filter((text) => printed.includes(text));
    expect(told).toEqual([]);
  }, 60_000);
});

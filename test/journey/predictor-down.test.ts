/** The predictor fails in every way it can: callers are told how, and each failure is recorded and counted. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  call,
  eventually,
  type Folder,
  type Predictor,
  projected,
  type RunningService,
  startPredictor,
  startService,
  temporaryFolder,
} from '../given.js';

/** Nothing listens on port 9 here. */
const NOBODY = 'http://127.0.0.1:9/';

let folder: Folder;
let service: RunningService;
let predictor: Predictor;

beforeAll(async () => {
  folder = temporaryFolder();
  service = await startService(folder.path);
  predictor = await startPredictor((body, response, request) => {
    switch ((body as { input: string }).input) {
      case 'slow':
        return;
      case 'error':
        return void response.writeHead(500).end('{"candidates":[{"label":"a"}]}');
      case 'redirect':
        return void response.writeHead(302, { location: '/elsewhere' }).end();
      case 'text':
        return void response.end('<html>');
      case 'empty':
        return void response.end();
      case 'shape':
        return void response.end('{"answers":[]}');
      case 'label':
        return void response.end('{"candidates":[{"confidence":1}]}');
      case 'huge':
        return void response.end(JSON.stringify({ candidates: [], filler: 'x'.repeat(1 << 20) }));
      case 'reset':
        return void request.socket.destroy();
      default:
        response.end('{"candidates":[{"label":"a","confidence":1}]}');
    }
  });
  for (const [version, url] of [
    ['v1', predictor.url],
    ['v2', NOBODY],
  ] as const) {
    const backend = { kind: 'http', url, timeoutMs: 2000 };
    await call(service.url, '/v1/predictors/p/deployments', { json: { version, backend } });
  }
});

afterAll(async () => {
  await service.stop();
  await predictor.close();
  folder.remove();
});

const CASES = [
  ['does not answer in time', 'slow', 'v1', 504, 'timeout', /did not answer within 2000 ms/],
  ['is not there', 'x', 'v2', 502, 'unreachable', /ECONNREFUSED/],
  ['breaks the connection', 'reset', 'v1', 502, 'unreachable', /could not be reached/],
  ['answers 500', 'error', 'v1', 502, 'rejected', /answered 500/],
  ['answers with another address', 'redirect', 'v1', 502, 'rejected', /answered 302/],
  ['answers with no JSON', 'text', 'v1', 502, 'invalid', /not JSON/],
  ['answers with nothing', 'empty', 'v1', 502, 'invalid', /not JSON/],
  ['answers without candidates', 'shape', 'v1', 502, 'invalid', /list of candidates at "\/candidates"/],
  ['answers a candidate without a label', 'label', 'v1', 502, 'invalid', /label of 1 to 256 characters/],
  ['answers more than a MiB', 'huge', 'v1', 502, 'invalid', /larger than 1048576 bytes/],
] as const;

describe('a predictor', () => {
  it.each(CASES)(
    'ensures that one that %s is told and recorded',
    async (_, input, version, status, kind, says) => {
      const headers = { 'idempotency-key': `key-${input}` };
      const request = { json: { input, version, subject: 'kim' }, headers };
      const answer = await call(service.url, '/v1/predictors/p/predictions', request);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(answer.body).toMatchObject({ type: `urn:assay:problem:predictor-${kind}`, status, version });
      expect(answer.body.detail).toMatch(says);
      const { predictionId } = answer.body;
      const read = await call(service.url, `/v1/predictions/${predictionId}`);
      expect(read.body).toMatchObject({ status: 'failed', version, input, candidates: [], error: { kind } });
      // The key is not used up: the predictor is asked again, and the next failure is one of its own.
      const again = await call(service.url, '/v1/predictors/p/predictions', request);
      expect(again.status).toBe(status);
      expect(again.body.predictionId).not.toBe(predictionId);
    },
  );

  it('ensures that failures are errors in the quality of their version, and successes are not', async () => {
    const fine = await call(service.url, '/v1/predictors/p/predictions', {
      json: { input: 'fine', version: 'v1' },
    });
    expect(fine.status).toBe(201);
    await projected(service.url);
    const { body } = await eventually(
      () => call(service.url, '/v1/predictors/p/quality'),
      (answer) => answer.body.series?.length === 2,
    );
    const totals = body.series.map(({ version, total }: { version: string; total: { errors: number } }) => [
      version,
      total.errors,
    ]);
    const failures = (version: string): number => 2 * CASES.filter((known) => known[2] === version).length;
    expect(totals).toEqual([
      ['v1', failures('v1')],
      ['v2', failures('v2')],
    ]);
    expect(body.series[0].total.predictions).toBe(failures('v1') + 1);
    const failed = await call(service.url, '/v1/events?limit=1000&predictor=p');
    const types = failed.body.events.map(({ type }: { type: string }) => type);
    expect(types.filter((type: string) => type === 'assay.prediction.failed')).toHaveLength(2 * CASES.length);
  });
});

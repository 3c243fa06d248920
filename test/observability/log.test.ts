/** The log as Cloud Logging and Error Reporting read it, of the running service. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import Database from 'libsql';
import { join } from 'node:path';
import {
  assay,
  call,
  eventually,
  type Folder,
  type Predictor,
  type RunningService,
  serviceEnvironment,
  startPredictor,
  startService,
  temporaryFolder,
} from '../given.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
/** 0xb7ad6b7169203331 */
const SPAN_IN_DECIMAL = '13235353014750950193';
const CLOUD = { GOOGLE_CLOUD_PROJECT: 'a-project', GAE_SERVICE: 'a-service', GAE_VERSION: 'a-version' };
/** Each of them is sent somewhere, and none may show anywhere. */
const SECRETS = ['an-input', 'a-subject', 'a-key', 'a-token', 'a-query', 'a-comment', 'an-answer'];
const PREDICT = '/v1/predictors/p/predictions?a-query=1';

type Entry = Record<string, unknown> & { severity: string; message: string };

let folder: Folder;
let service: RunningService;
let predictor: Predictor;

const entries = (): Entry[] =>
  service
    .output()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry);

/** The entries of one trace: written behind the answer, so the first may have to be waited for. */
const traced = (trace: string): Promise<Entry[]> =>
  eventually(
    async () => entries().filter((entry) => String(entry['logging.googleapis.com/trace']).endsWith(trace)),
    (found) => found.length > 0,
  );

/** Adds an event that a newer version of the service wrote: reading it fails in a way nobody foresees. */
function addEventFromTheFuture(path: string): void {
  const database = new Database(join(path, 'events.db'));
  database.exec(`INSERT INTO events SELECT 1 + max(position), 'prediction-late', 0, 'late',
    'assay.prediction.recorded', 99,
    occurred_at, recorded_at, predictor, NULL, NULL, payload FROM events`);
  database.close();
}

beforeAll(async () => {
  folder = temporaryFolder();
  predictor = await startPredictor((body, response) => {
    const { input } = body as { input: string };
    if (input === 'an-input slow') setTimeout(() => response.end('{"candidates":[]}'), 1100);
    else response.writeHead(500).end('an-answer that quotes an-input');
  });
  service = await startService(folder.path);
  const backend = { kind: 'http', url: predictor.url };
  await call(service.url, '/v1/predictors/p/deployments', { json: { version: 'v1', backend } });
  await service.stop();
  addEventFromTheFuture(folder.path);
  service = await startService(folder.path, { ASSAY_LOG_FORMAT: 'json', ...CLOUD });
});

afterAll(async () => {
  await service.stop();
  await predictor.close();
  folder.remove();
});

describe('an entry', () => {
  it('ensures that every line is one, with severity, time and message', async () => {
    expect(entries().length).toBeGreaterThan(0);
    for (const { severity, time, message } of entries()) {
      expect(severity).toMatch(/^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$/);
      expect(new Date(time as string).toISOString()).toBe(time);
      expect(message).not.toBe('');
    }
    expect(entries().map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^Assay listens on/),
    );
  });

  it.each([
    ['traceparent', `00-${TRACE}-${SPAN}-01`, true],
    ['traceparent', `00-${TRACE.replace('0af', 'fff')}-${SPAN}-00`, false],
    ['x-cloud-trace-context', `${TRACE.replace('0af', 'eee')}/${SPAN_IN_DECIMAL};o=1`, true],
  ])(
    'ensures that one of a failed request belongs to the trace in %s (%s)',
    async (header, value, sampled) => {
      const headers = { [header]: value, 'idempotency-key': 'a-key', authorization: 'Bearer a-token' };
      const json = { input: 'an-input', subject: 'a-subject' };
      expect((await call(service.url, PREDICT, { json, headers })).status).toBe(502);
      const [trace] = /[0-9a-f]{32}/.exec(value) as unknown as [string];
      const found = await traced(trace);
      expect(found).toHaveLength(1);
      expect(found[0]).toMatchObject({
        severity: 'WARNING',
        'logging.googleapis.com/trace': `projects/a-project/traces/${trace}`,
        'logging.googleapis.com/spanId': SPAN,
        'logging.googleapis.com/trace_sampled': sampled,
        'logging.googleapis.com/labels': { context: 'Request', problem: 'predictor-rejected' },
        httpRequest: {
          requestMethod: 'POST',
          requestUrl: '/v1/predictors/:predictor/predictions',
          status: 502,
          latency: expect.stringMatching(/^\d+\.\d{6}s$/),
        },
      });
    },
  );

  it('ensures that a slow request leaves one, and a good one none', async () => {
    const slow = TRACE.replace('0af', 'ccc');
    const headers = { traceparent: `00-${slow}-${SPAN}-01` };
    expect((await call(service.url, PREDICT, { json: { input: 'an-input slow' }, headers })).status).toBe(
      201,
    );
    expect(await traced(slow)).toMatchObject([{ severity: 'WARNING', httpRequest: { status: 201 } }]);
    const before = entries().length;
    expect((await call(service.url, '/v1/predictors')).status).toBe(200);
    expect((await call(service.url, '/v1/predictions/none')).status).toBe(404);
    expect(entries()).toHaveLength(before);
  });
});

describe('an error', () => {
  it('ensures that what nobody foresaw is an event for Error Reporting, with its request', async () => {
    const trace = TRACE.replace('0af', 'ddd');
    const answer = await call(service.url, '/v1/predictions/late?a-query=1', {
      headers: { traceparent: `00-${trace}-${SPAN}-01` },
    });
    expect(answer.status).toBe(500);
    expect(await traced(trace)).toMatchObject([
      {
        severity: 'ERROR',
        message: expect.stringMatching(/schema version 99/),
        '@type': 'type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent',
        stack_trace: expect.stringMatching(/^Error: event late has schema version 99.*\n {4}at /),
        serviceContext: { service: 'a-service', version: 'a-version' },
        context: { httpRequest: { method: 'GET', url: '/v1/predictions/:id', responseStatusCode: 500 } },
        httpRequest: { requestMethod: 'GET', requestUrl: '/v1/predictions/:id', status: 500 },
      },
    ]);
  });

  it('ensures that a configuration nobody can use is an entry too, and says what to do', async () => {
    const environment = serviceEnvironment(folder.path, {
      K_SERVICE: 's',
      K_REVISION: 'r1',
      LOG_LEVEL: 'loud',
    });
    const { status, stdout, stderr } = await assay(['serve'], environment);
    expect(status).toBe(3);
    expect(stdout).toBe('');
    const told = stderr.trim().split('\n');
    expect(told).toHaveLength(1);
    expect(JSON.parse(told[0] as string)).toMatchObject({
      severity: 'CRITICAL',
      message: expect.stringMatching(/LOG_LEVEL is "loud": give error or warn or info or debug/),
    });
  });
});

describe('the log', () => {
  it('ensures that no entry holds an input, a subject, a key or an answer', async () => {
    await call(service.url, '/v1/predictors/p/predictions', {
      json: { input: 'an-input', subject: 'a-subject', metadata: { of: 'an-input' } },
      headers: { 'idempotency-key': 'a-key', authorization: 'Bearer a-token' },
    });
    await call(service.url, '/v1/predictions/late/corrections', {
      json: { none: true, comment: 'a-comment' },
    });
    await call(service.url, '/v1/subjects/a-subject/nothing?q=an-input', { method: 'DELETE' });
    await eventually(
      async () => entries().filter(({ severity }) => severity !== 'INFO'),
      (found) => found.length > 6,
    );
    expect(SECRETS.filter((secret) => service.output().includes(secret))).toEqual([]);
  });

  it('ensures that on one machine it is for people', async () => {
    const own = temporaryFolder();
    const plain = await startService(own.path);
    await call(plain.url, '/v1/predictors/p/deployments', {
      json: { version: 'v1', backend: { kind: 'http', url: 'http://127.0.0.1:9/' } },
    });
    const headers = { traceparent: `00-${TRACE}-${SPAN}-01` };
    await call(plain.url, PREDICT, { json: { input: 'an-input' }, headers });
    await plain.stop();
    own.remove();
    expect(plain.output()).toMatch(/^Assay listens on http/);
    expect(plain.output()).toMatch(
      /WARN.*POST \S+ 502 in 0\.\d{3} s \(predictor-unreachable\).*\(trace 0af7/,
    );
    expect(plain.output()).not.toContain('an-input');
  });
});

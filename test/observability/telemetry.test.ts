/** Traces and metrics as a collector receives them from the running service, over OTLP/HTTP. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Answer,
  call,
  eventually,
  type Folder,
  type Predictor,
  type RunningService,
  startPredictor,
  startService,
  temporaryFolder,
} from '../given.js';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.js';
import { scrape } from './scrape.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const SERVER = 2;
const CLIENT = 3;
const ERROR = 2;
const SECRETS = ['an-input', 'a-subject', 'a-key', 'an-answer', 'a-query'];

let folder: Folder;
let receiver: OtlpReceiver;
let predictor: Predictor;
let service: RunningService;
/** traceparent of each call of the predictor. */
const handedOn: (string | undefined)[] = [];

/** The spans that began here: sent in batches, so they may have to be waited for. */
const spans = (holds: (found: ReceivedSpan[]) => boolean, traceId?: string): Promise<ReceivedSpan[]> =>
  eventually(async () => receiver.spans.filter((span) => (traceId ?? span.traceId) === span.traceId), holds);

const named = (found: ReceivedSpan[], name: string): ReceivedSpan => {
  const matching = found.filter((span) => span.name === name);
  expect(matching).toHaveLength(1);
  return matching[0] as ReceivedSpan;
};

function predict(json: object, traceId: string): Promise<Answer> {
  const headers = { traceparent: `00-${traceId}-${SPAN}-01`, 'idempotency-key': `a-key-${traceId}` };
  return call(service.url, '/v1/predictors/p/predictions?a-query=1', { json, headers });
}

beforeAll(async () => {
  folder = temporaryFolder();
  receiver = await startOtlpReceiver();
  predictor = await startPredictor((body, response, request) => {
    handedOn.push(request.headers.traceparent as string | undefined);
    const isFine = (body as { input: string }).input === 'an-input';
    response.writeHead(isFine ? 200 : 500).end('{"candidates":[{"label":"an-answer"}]}');
  });
  service = await startService(folder.path, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_SERVICE_NAME: 'assay-under-test',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    OTEL_BSP_SCHEDULE_DELAY: '200',
    OTEL_METRIC_EXPORT_INTERVAL: '500',
    OTEL_METRIC_EXPORT_TIMEOUT: '400',
    ASSAY_LOG_FORMAT: 'json',
  });
  const backend = { kind: 'http', url: predictor.url };
  await call(service.url, '/v1/predictors/p/deployments', { json: { version: 'v1', backend } });
  await call(service.url, '/v1/predictors/p/deployments', { json: { version: 'v2', backend, canary: {} } });
});

afterAll(async () => {
  await service.stop();
  await predictor.close();
  await receiver.close();
  folder.remove();
});

describe('a trace', () => {
  it('ensures that a prediction is one, from the caller over its request to predictor and append', async () => {
    const json = { input: 'an-input', subject: 'a-subject', version: 'v1' };
    const answer = await predict(json, TRACE);
    expect(answer.status).toBe(201);
    const found = await spans((some) => some.length === 3, TRACE);
    const request = named(found, 'POST /v1/predictors/:predictor/predictions');
    expect(request).toMatchObject({ parentSpanId: SPAN, kind: SERVER, status: 0 });
    expect(request.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/v1/predictors/:predictor/predictions',
      'http.response.status_code': 201,
    });
    const predicted = named(found, 'predict');
    expect(predicted).toMatchObject({ parentSpanId: request.spanId, kind: CLIENT });
    expect(predicted.attributes).toEqual({ 'assay.predictor': 'p', 'assay.version': 'v1' });
    expect(handedOn.at(-1)).toBe(`00-${TRACE}-${predicted.spanId}-01`);
    const appended = named(found, 'append');
    expect(appended.parentSpanId).toBe(request.spanId);
    expect(appended.attributes).toEqual({
      'assay.events': 1,
      'assay.event_types': ['assay.prediction.recorded'],
      'assay.result': 'appended',
    });
    expect(predicted.seconds + appended.seconds).toBeLessThan(request.seconds);
    // The event says which request led to it.
    const { body } = await call(service.url, '/v1/events?limit=1000');
    const event = body.events.find(({ id }: { id: string }) => id === answer.body.id);
    expect(event.traceparent).toBe(`00-${TRACE}-${request.spanId}-01`);
  });

  it('ensures that a failure is marked on every span it passed, without its message, and in the log', async () => {
    const trace = TRACE.replace('4bf', 'aaa');
    const json = { input: 'an-input broken', subject: 'a-subject', version: 'v2' };
    expect((await predict(json, trace)).status).toBe(502);
    const found = await spans((some) => some.length === 3, trace);
    const request = named(found, 'POST /v1/predictors/:predictor/predictions');
    expect(request).toMatchObject({
      status: ERROR,
      attributes: { 'error.type': 'predictor-rejected', 'http.response.status_code': 502 },
    });
    expect(named(found, 'predict')).toMatchObject({
      status: ERROR,
      attributes: { 'error.type': 'rejected' },
    });
    expect(named(found, 'append').status).toBe(0);
    const logged = await eventually(
      async () =>
        service
          .output()
          .split('\n')
          .find((line) => line.includes(trace)),
      (line) => line !== undefined,
    );
    expect(JSON.parse(logged as string)).toMatchObject({
      'logging.googleapis.com/trace': trace,
      'logging.googleapis.com/spanId': request.spanId,
    });
  });

  it('ensures that a caller who does not sample leaves no span, and a call without a trace begins one', async () => {
    const trace = TRACE.replace('4bf', 'bbb');
    const headers = { traceparent: `00-${trace}-${SPAN}-00` };
    expect((await call(service.url, '/v1/predictors', { headers })).status).toBe(200);
    expect((await call(service.url, '/v1/predictors/p')).status).toBe(200);
    const found = await spans((some) => some.some(({ name }) => name === 'GET /v1/predictors/:predictor'));
    expect(named(found, 'GET /v1/predictors/:predictor').parentSpanId).toBe('');
    expect(found.filter(({ traceId }) => traceId === trace)).toEqual([]);
  });

  it('ensures that projection, judging and rebuild have their own', async () => {
    await call(service.url, '/v1/predictors/p/canary');
    await call(service.url, '/v1/rebuilds', { method: 'POST' });
    const found = await spans((some) => some.some(({ name }) => name === 'rebuild'));
    const projected = found.filter(({ name }) => name === 'project');
    expect(projected.every(({ parentSpanId }) => parentSpanId === '')).toBe(true);
    const copied = projected.map(({ attributes }) => attributes['assay.events'] as number);
    expect(copied.reduce((sum, events) => sum + events, 0)).toBeGreaterThan(4);
    const judged = found.find(({ name }) => name === 'judge');
    expect(judged?.attributes).toEqual({ 'assay.predictor': 'p', 'assay.result': 'insufficient' });
    const rebuilt = named(found, 'rebuild');
    expect(rebuilt.attributes).toEqual({ 'assay.differences': 0 });
    for (const stage of ['derive', 'swap']) expect(named(found, stage).parentSpanId).toBe(rebuilt.spanId);
  });
});

describe('metrics', () => {
  it('ensures that they are those of /metrics, with the same labels and values', async () => {
    const labels = { predictor: 'p', version: 'v1', outcome: 'recorded' };
    await eventually(
      async () => receiver.metrics.get('assay_predictions_total')?.points[0]?.value,
      (value) => value === 1,
    );
    const seen = await scrape(service.url);
    const names = [...seen.types.keys()];
    expect([...receiver.metrics.keys()].sort()).toEqual(names.sort());
    for (const [name, { kind }] of receiver.metrics) {
      expect(kind).toBe(seen.types.get(name)?.replace('counter', 'sum'));
    }
    expect(receiver.metrics.get('assay_predictions_total')?.points).toContainEqual({
      attributes: labels,
      value: seen.value('assay_predictions_total', labels),
    });
    const calls = receiver.metrics.get('assay_backend_duration_seconds');
    expect(calls?.unit).toBe('s');
    for (const { value, buckets } of calls?.points ?? []) {
      expect(buckets?.counts).toHaveLength((buckets?.bounds.length ?? 0) + 1);
      expect(buckets?.counts.reduce((sum, count) => sum + count, 0)).toBe(value);
    }
  });

  it('ensures that they come from the service that the environment names', () => {
    expect(receiver.resource).toMatchObject({
      'service.name': 'assay-under-test',
      'deployment.environment.name': 'test',
      'service.instance.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });
});

describe('what is sent', () => {
  it('ensures that nothing holds an input, a subject, a key, an answer or a query', () => {
    const everything = receiver.bodies.join('\n');
    expect(everything.length).toBeGreaterThan(1000);
    expect(SECRETS.filter((secret) => everything.includes(secret))).toEqual([]);
  });

  it('ensures that nothing is when it is switched off, or the traces alone are', async () => {
    const quiet = await startOtlpReceiver();
    const own = temporaryFolder();
    const use = async (more: Record<string, string>): Promise<void> => {
      const other = await startService(own.path, { OTEL_EXPORTER_OTLP_ENDPOINT: quiet.url, ...more });
      await call(other.url, '/v1/predictors');
      await other.stop();
    };
    await use({ OTEL_SDK_DISABLED: 'true' });
    expect(quiet.bodies).toEqual([]);
    await use({ OTEL_TRACES_EXPORTER: 'none' });
    expect(quiet.spans).toEqual([]);
    expect(quiet.metrics.has('assay_events')).toBe(true);
    await quiet.close();
    own.remove();
  });
});

/** /metrics after traffic that is known to the last request; and what is built on it, dashboards and alerts. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
import { type Scrape, scrape } from './scrape.js';

const PREDICT = '/v1/predictors/:predictor/predictions';
const ASKED = 7;
const FAILED = 3;

let folder: Folder;
let service: RunningService;
let predictor: Predictor;
let before: Scrape;
let seen: Scrape;

async function predict(json: object): Promise<string> {
  const { body } = await call(service.url, '/v1/predictors/p/predictions', { json });
  return body.id;
}

async function traffic(): Promise<void> {
  const ids: string[] = [];
  for (let i = 0; i < ASKED; i++) ids.push(await predict({ input: 'fine', version: 'v1' }));
  for (let i = 0; i < FAILED; i++) await predict({ input: 'broken', version: 'v2' });
  const correct = (i: number, json: object): Promise<unknown> =>
    call(service.url, `/v1/predictions/${ids[i]}/corrections`, { json });
  await correct(0, { rank: 0 });
  await correct(1, { rank: 1 });
  await correct(2, { none: true });
  await correct(2, { rank: 0 });
  await call(service.url, '/v1/predictors/p/canary');
  const { body } = await call(service.url, '/v1/rebuilds', { method: 'POST' });
  await eventually(
    () => call(service.url, `/v1/rebuilds/${body.id}`),
    (answer) => answer.body.status === 'done',
  );
  await projected(service.url);
}

beforeAll(async () => {
  folder = temporaryFolder();
  predictor = await startPredictor((body, response) => {
    const isFine = (body as { input: string }).input === 'fine';
    response.writeHead(isFine ? 200 : 500).end('{"candidates":[{"label":"a"},{"label":"b"}]}');
  });
  service = await startService(folder.path);
  before = await scrape(service.url);
  const backend = { kind: 'http', url: predictor.url };
  await call(service.url, '/v1/predictors/p/deployments', { json: { version: 'v1', backend } });
  await call(service.url, '/v1/predictors/p/deployments', { json: { version: 'v2', backend, canary: {} } });
  await traffic();
  seen = await scrape(service.url);
});

afterAll(async () => {
  await service.stop();
  await predictor.close();
  folder.remove();
});

describe('what is counted', () => {
  it('ensures that every metric of ours says what it is, in base units', () => {
    const ours = [...seen.types.keys()].filter((name) => name.startsWith('assay_'));
    expect(ours.length).toBeGreaterThan(20);
    for (const name of ours) {
      expect(seen.help.get(name)).toMatch(/^[A-Z0-9].{15,}\.$/);
      const type = seen.types.get(name);
      if (type === 'counter') expect(name).toMatch(/_total$/);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(name).not.toMatch(/_(ms|milliseconds|count|sum|bucket)$/);
    }
  });

  it('ensures that requests are counted by route, method and status', () => {
    const count = 'assay_http_request_duration_seconds_count';
    expect(seen.value(count, { method: 'POST', route: PREDICT, status: '201' })).toBe(ASKED);
    expect(seen.value(count, { method: 'POST', route: PREDICT, status: '502' })).toBe(FAILED);
    const corrected = { method: 'POST', route: '/v1/predictions/:id/corrections', status: '201' };
    expect(seen.value(count, corrected)).toBe(4);
  });

  it('ensures that the buckets of a histogram add up', () => {
    const labels = { method: 'POST', route: PREDICT, status: '201' };
    const buckets = seen.samples
      .filter(({ name }) => name === 'assay_http_request_duration_seconds_bucket')
      .filter((sample) => sample.labels.route === PREDICT && sample.labels.status === '201');
    const bounds = buckets.map((sample) => Number(sample.labels.le?.replace('+Inf', 'Infinity')));
    expect(bounds).toEqual([...bounds].sort((a, b) => a - b));
    const counts = buckets.map(({ value }) => value);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts.at(-1)).toBe(ASKED);
    const sum = seen.value('assay_http_request_duration_seconds_sum', labels) as number;
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThan(ASKED * 10);
  });

  it('ensures that predictions, corrections and calls are counted by version and outcome', () => {
    const v1 = { predictor: 'p', version: 'v1' };
    const v2 = { predictor: 'p', version: 'v2' };
    expect(seen.value('assay_predictions_total', { ...v1, outcome: 'recorded' })).toBe(ASKED);
    expect(seen.value('assay_predictions_total', { ...v2, outcome: 'failed' })).toBe(FAILED);
    expect(seen.value('assay_backend_duration_seconds_count', { ...v1, result: 'ok' })).toBe(ASKED);
    expect(seen.value('assay_backend_duration_seconds_count', { ...v2, result: 'rejected' })).toBe(FAILED);
    expect(seen.value('assay_corrections_total', { ...v1, outcome: 'right' })).toBe(2);
    expect(seen.value('assay_corrections_total', { ...v1, outcome: 'ranked' })).toBe(1);
    expect(seen.value('assay_corrections_total', { ...v1, outcome: 'missed' })).toBe(1);
  });

  it('ensures that log, projection and rebuild show as /v1/status has them', async () => {
    const { body } = await call(service.url, '/v1/status');
    expect(seen.value('assay_events')).toBe(body.events);
    expect(seen.value('assay_projected_events_total')).toBe(body.events);
    expect(seen.value('assay_appended_events_total', { type: 'assay.prediction.recorded' })).toBe(ASKED);
    expect(seen.value('assay_appended_events_total', { type: 'assay.prediction.corrected' })).toBe(4);
    const appends = seen.value('assay_append_duration_seconds_count', { result: 'appended' });
    // One append deploys the canary: deployed, split and started in one step.
    expect(appends).toBe(body.events - 2);
    for (const up of ['assay_store_up', 'assay_projection_up']) expect(seen.value(up)).toBe(1);
    expect(seen.value('assay_projection_lag_events')).toBe(0);
    expect(seen.value('assay_rebuilds_total', { result: 'done' })).toBe(1);
    expect(seen.value('assay_rebuild_differences')).toBe(0);
    expect(seen.value('assay_rebuild_duration_seconds')).toBeGreaterThan(0);
  });

  it('ensures that the verdict on a running canary shows, and is gone with the canary', async () => {
    const verdict = { predictor: 'p', verdict: 'insufficient' };
    expect(seen.value('assay_canary_verdict', verdict)).toBe(1);
    expect(seen.value('assay_canary_verdict', { predictor: 'p', verdict: 'rollback' })).toBe(0);
    const judgedAt = seen.value('assay_canary_judged_timestamp_seconds', { predictor: 'p' }) as number;
    expect(Math.abs(Date.now() / 1000 - judgedAt)).toBeLessThan(60);
    await call(service.url, '/v1/predictors/p/rollback', { json: { version: 'v2' } });
    const after = await scrape(service.url);
    expect(after.value('assay_canary_verdict', verdict)).toBeUndefined();
    expect(after.value('assay_canary_judged_timestamp_seconds')).toBeUndefined();
    expect(after.value('assay_appended_events_total', { type: 'assay.predictor.rolled_back' })).toBe(1);
  });

  it('ensures that the process and its event loop show', () => {
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes']) {
      expect(before.value(name)).toBeGreaterThan(0);
    }
    expect(before.value('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThanOrEqual(0);
  });
});

describe('names that anybody may make up', () => {
  it('ensures that neither requests nor back-fills for unknown predictors make series', async () => {
    const made = (names: string): number =>
      all.samples.filter(({ labels }) => Object.values(labels).some((value) => value.includes(names))).length;
    const now = Date.now();
    const events = Array.from({ length: 20 }, (_, i) =>
      cloudEvent('prediction.recorded', `ghost-${i}`, now, {
        predictor: `ghost-${i}`,
        version: 'v1',
        input: 'x',
        candidates: [{ label: 'a' }],
      }),
    );
    expect((await sendEvents(service.url, events)).body.accepted).toBe(20);
    for (let i = 0; i < 20; i++) {
      await call(service.url, `/v1/predictors/ghost-${i}/predictions`, { json: { input: 'x' } });
      await call(service.url, `/v1/predictors/p/predictions`, {
        json: { input: 'x', version: `ghost-${i}` },
      });
      await call(service.url, `/v1/predictors/ghost-${i}/canary`);
      await call(service.url, `/ghost-${i}`);
      const corrected = await call(service.url, `/v1/predictions/ghost-${i}/corrections`, {
        json: { rank: 0 },
      });
      expect(corrected.status).toBe(201);
    }
    const all = await scrape(service.url);
    expect(made('ghost')).toBe(0);
    // Counted all the same, together.
    const others = { predictor: '', version: '', outcome: 'right' };
    expect(all.value('assay_corrections_total', others)).toBe(20);
    const count = 'assay_http_request_duration_seconds_count';
    expect(all.value(count, { route: '(no route)', status: '404' })).toBe(20);
  });
});

describe('the files under deploy/observability', () => {
  const FOLDER = 'deploy/observability';
  const read = (path: string): unknown => JSON.parse(readFileSync(join(FOLDER, path), 'utf8'));
  const alerts = readdirSync(join(FOLDER, 'alerts')).map((name) => `alerts/${name}`);
  const dashboards = ['grafana-dashboard.json', 'cloud-monitoring-dashboard.json'];

  /** Every PromQL expression of a file, wherever its format keeps them. */
  function queriesOf(value: unknown): string[] {
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).flatMap(([key, inner]) =>
      typeof inner === 'string' && ['expr', 'prometheusQuery', 'query'].includes(key)
        ? inner === 'prometheus'
          ? []
          : [inner]
        : queriesOf(inner),
    );
  }

  /** Metric of a series: a histogram's has three suffixes. */
  const metricOf = (series: string): string =>
    seen.types.has(series) ? series : series.replace(/_(bucket|sum|count)$/, '');

  it.each([...dashboards, ...alerts])('ensures that %s asks only for what the service tells', (path) => {
    const queries = queriesOf(read(path));
    expect(queries.length).toBeGreaterThan(0);
    for (const query of queries) {
      const used = [...query.matchAll(/\b(?:assay|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name);
      expect(used.length).toBeGreaterThan(0);
      expect(used.filter((series) => !seen.types.has(metricOf(series)))).toEqual([]);
      expect([...query].filter((c) => c === '(')).toHaveLength([...query].filter((c) => c === ')').length);
    }
  });

  it.each([...dashboards, ...alerts])('ensures that %s selects and groups by labels there are', (path) => {
    for (const query of queriesOf(read(path))) {
      const names = [...query.matchAll(/\b(?:assay|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name);
      const has = new Set(
        seen.samples
          .filter((sample) => names.some((name) => metricOf(sample.name) === metricOf(name)))
          .flatMap(({ labels }) => Object.keys(labels)),
      );
      const selected = [...query.matchAll(/([a-z_]+)(?:=|!=|=~|!~)"/g)].map(([, label]) => label as string);
      const grouped = [...query.matchAll(/by \(([a-z_, ]+)\)/g)].flatMap(([, list]) =>
        (list as string).split(', '),
      );
      // A change of the verdict takes evidence that this traffic does not give: its metric has no series yet.
      if (names.every((name) => name === 'assay_canary_verdict_changes_total')) continue;
      expect([...selected, ...grouped].filter((label) => !has.has(label))).toEqual([]);
    }
  });

  it('ensures that every alert policy is one that Cloud Monitoring takes', () => {
    expect(alerts.length).toBeGreaterThan(5);
    for (const path of alerts) {
      expect(read(path)).toMatchObject({
        displayName: expect.stringMatching(/^Assay: /),
        severity: expect.stringMatching(/^(WARNING|ERROR|CRITICAL)$/),
        combiner: 'OR',
        documentation: { content: expect.stringMatching(/.{30}/), mimeType: 'text/markdown' },
        conditions: [
          {
            displayName: expect.any(String),
            conditionPrometheusQueryLanguage: {
              duration: expect.stringMatching(/^\d+s$/),
              evaluationInterval: expect.stringMatching(/^(\d*[1-9])?0s$/),
              alertRule: expect.stringMatching(/^[a-z_]+$/),
            },
          },
        ],
      });
    }
  });

  it('ensures that both dashboards show the same questions, and no panel lies over another', () => {
    const grafana = read('grafana-dashboard.json') as {
      panels: { title: string; gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    const cloud = read('cloud-monitoring-dashboard.json') as {
      mosaicLayout: {
        columns: number;
        tiles: { xPos: number; yPos: number; width: number; height: number; widget: { title: string } }[];
      };
    };
    const { columns, tiles } = cloud.mosaicLayout;
    expect(tiles.map(({ widget }) => widget.title)).toEqual(grafana.panels.map(({ title }) => title));
    expectApart(
      tiles.map(({ xPos, yPos, width, height }) => ({ x: xPos, y: yPos, w: width, h: height })),
      columns,
    );
    expectApart(
      grafana.panels.map(({ gridPos }) => gridPos),
      24,
    );
  });

  it('ensures that docs/observability.md tells of every metric of ours, and of no other', () => {
    const told = new Set(
      [...readFileSync('docs/observability.md', 'utf8').matchAll(/^\| `(assay_[a-z0-9_]+)`/gm)].map(
        ([, name]) => name,
      ),
    );
    const ours = [...seen.types.keys()].filter((name) => name.startsWith('assay_'));
    expect([...told].sort()).toEqual(ours.sort());
  });
});

interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

function expectApart(boxes: Box[], columns: number): void {
  boxes.forEach((a, i) => {
    expect(a.x + a.w).toBeLessThanOrEqual(columns);
    const over = boxes
      .slice(i + 1)
      .filter((b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h);
    expect(over).toEqual([]);
  });
}

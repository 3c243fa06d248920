/**
 * How fast the DuckDB warehouse takes events and derives them anew.
 *
 *     npx nest build && npx swc bench -d .bench --strip-leading-paths
 *     node .bench/rebuild.js [predictions = 770000] [folder = a temporary one]
 *
 * 0.3 corrections a prediction: 770,000 predictions are a million events.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoredEvent } from '#assay/event/envelope.js';
import { PROJECTION } from '#assay/projection/views.js';
import { DEFAULT_POLICY } from '#assay/event/policy.js';
import { readSeries } from '#assay/quality/questions.js';
import { readBuckets } from '#assay/verdict/cells.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import type { Warehouse } from '#assay/warehouse/warehouse.js';

const START_MS = Date.UTC(2026, 0, 1);
const SPAN_MS = 3 * 86_400_000;
const BATCH = 2000;

/** Pseudo-random numbers in [0, 1) from a seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function* history(predictions: number): Generator<StoredEvent> {
  const draw = random(7);
  let position = 0;
  const put = (stream: string, revision: number, type: string, at: number, data: object): StoredEvent => ({
    id: `${stream.slice(-36)}-${revision}`,
    stream,
    revision,
    type,
    schemaVersion: 1,
    occurredAt: at,
    recordedAt: at,
    predictor: 'naics',
    causationId: null,
    traceparent: null,
    position: String(position++),
    payload: JSON.stringify(data),
  });
  for (let i = 0; i < predictions; i++) {
    const at = START_MS + Math.floor((i / predictions) * SPAN_MS);
    const predictionId = `${i.toString(16).padStart(12, '0')}-7000-8000-000000000000`;
    const candidates = Array.from({ length: 5 }, (_, rank) => ({
      label: `${Math.floor(draw() * 1000)} some kind of business, retail or wholesale`,
      confidence: 0.9 / (rank + 1),
    }));
    const version = draw() < 0.2 ? 'v8' : 'v7';
    const subject = draw() < 0.2 ? {} : { subject: `subject-${Math.floor(draw() * 50_000)}`.padEnd(43, 'x') };
    yield put(`prediction-${predictionId}`, 0, 'assay.prediction.recorded', at, {
      predictionId,
      predictor: 'naics',
      version,
      input: 'a company that sells garden furniture, plants and lamps in three towns',
      candidates,
      ...subject,
      latencyMs: Math.floor(draw() * 200),
    });
    if (draw() < 0.3) {
      const correctionId = `c-${i}`;
      const rank = draw() < 0.7 ? 0 : 2;
      const when = at + Math.floor(draw() * 3_600_000);
      yield put(`prediction-${predictionId}`, 1, 'assay.prediction.corrected', when, {
        predictionId,
        correctionId,
        rank,
      });
    }
  }
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  console.log(`${what.padEnd(46)} ${((performance.now() - started) / 1000).toFixed(2)} s`);
  return result;
}

async function fill(warehouse: Warehouse, predictions: number): Promise<number> {
  let events = 0;
  let batch: StoredEvent[] = [];
  for (const event of history(predictions)) {
    batch.push(event);
    if (batch.length < BATCH) continue;
    events += batch.length;
    await warehouse.append(batch, batch.at(-1)!.position);
    batch = [];
  }
  await warehouse.append(batch, String(predictions * 2));
  return events + batch.length;
}

async function main(): Promise<void> {
  const predictions = Number(process.argv[2] ?? 770_000);
  const given = process.argv[3];
  const folder = given ?? mkdtempSync(join(tmpdir(), 'assay-bench-'));
  const path = join(folder, 'warehouse.duckdb');
  if (given !== undefined && existsSync(path))
    throw new Error(`${path} is there already: name an empty folder`);
  const warehouse = await DuckDbWarehouse.open(path, PROJECTION);
  try {
    const started = performance.now();
    const events = await fill(warehouse, predictions);
    const seconds = (performance.now() - started) / 1000;
    console.log(
      `append and seal ${events} events: ${seconds.toFixed(1)} s, ${Math.round(events / seconds)} events/s`,
    );
    const { rows, differences } = await timed('derive a generation, compare with the sealed one', () =>
      warehouse.deriveGeneration(),
    );
    console.log(rows, `${differences.length} differences`);
    await timed('swap', () => warehouse.swapGeneration());
    await timed('counts and checksums of the events', () => warehouse.eventInventory());
    await timed('accuracy_hourly, 3 days', () =>
      warehouse.query((sql) => `SELECT * FROM ${sql.table('accuracy_hourly')}`),
    );
    await timed('prediction_outcomes, counted', () =>
      warehouse.query(
        (sql) => `SELECT outcome, COUNT(*) AS n FROM ${sql.table('prediction_outcomes')} GROUP BY 1`,
      ),
    );
    const canary = { predictor: 'naics', baseline: 'v7', canary: 'v8', policy: DEFAULT_POLICY };
    const buckets = await timed("a canary's buckets, 3 days", () =>
      readBuckets(warehouse, { ...canary, startedAt: START_MS }),
    );
    console.log(`${buckets.length} rows`);
    await timed("a canary's buckets, last day", () =>
      readBuckets(warehouse, { ...canary, startedAt: START_MS + (SPAN_MS * 2) / 3 }),
    );
    await timed('quality series by hour, last day', () =>
      readSeries(warehouse, {
        predictor: 'naics',
        from: START_MS + (SPAN_MS * 2) / 3,
        to: START_MS + SPAN_MS,
        interval: 'hour',
      }),
    );
  } finally {
    await warehouse.close();
    for (const name of readdirSync(folder)) {
      console.log(`${name}: ${Math.round(statSync(join(folder, name)).size / 1e6)} MB`);
    }
    console.log(`peak memory of the process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`);
    if (given === undefined) rmSync(folder, { recursive: true });
  }
}

await main();

/**
 * How long the health of a canary takes to answer: three days old, a million predictions, 300,000 corrections.
 *
 *   npm run bench:health -- [--predictions 1000000] [--seconds 330] [--rate 500]
 *
 * Asked ten times a second, first while nothing moves, then while `rate` events a second come in (seven
 * predictions to three corrections, the predictions of both versions). 330 seconds hold a bucket's end.
 */
import { parseArgs } from 'node:util';
import { benchFolder, machine, post, quantile, startAssay } from './running.js';

const { values } = parseArgs({
  options: {
    predictions: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '330' },
    rate: { type: 'string', default: '500' },
  },
});
const predictions = Number(values.predictions);
const seconds = Number(values.seconds);
const rate = Number(values.rate);

const SPAN_MS = 3 * 86_400_000;
const PAUSE_MS = 100;
const PREDICTOR = 'bench';
const LINES = 20_000;
const candidates = Array.from({ length: 5 }, (_, i) => ({ label: `47${i}`, confidence: (5 - i) / 15 }));

const assay = await startAssay(benchFolder());
const startedAt = Date.now() - SPAN_MS;

/** Numbers in [0, 1) that are the same in every run (Park and Miller). */
let state = 7;
const draw = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;

function event(type: string, id: string, at: number, data: object): string {
  const time = new Date(Math.round(at)).toISOString();
  return JSON.stringify({ specversion: '1.0', id, source: '/bench', type: `assay.${type}`, time, data });
}

function deployed(version: string): string {
  const backend = { kind: 'constant', candidates };
  return event('predictor.deployed', `d-${version}`, startedAt - 2, {
    predictor: PREDICTOR,
    version,
    backend,
  });
}

function* history(): Generator<string> {
  yield deployed('v7');
  yield deployed('v8');
  yield event('predictor.canary_started', 'c', startedAt - 1, {
    predictor: PREDICTOR,
    baseline: 'v7',
    canary: 'v8',
  });
  yield event('predictor.traffic_split', 's', startedAt - 1, {
    predictor: PREDICTOR,
    split: { v7: 0.8, v8: 0.2 },
  });
  for (let i = 0; i < predictions; i++) {
    const at = startedAt + ((i + 0.5) / predictions) * (SPAN_MS - 60_000);
    const id = `p-${i.toString(16).padStart(8, '0')}`;
    const subject = draw() < 0.2 ? {} : { subject: `user-${Math.floor(draw() * 50_000)}` };
    const version = draw() < 0.2 ? 'v8' : 'v7';
    const input = 'a company that sells garden furniture, plants and lamps in three towns';
    yield event('prediction.recorded', id, at, {
      predictor: PREDICTOR,
      version,
      input,
      candidates,
      latencyMs: Math.floor(draw() * 200),
      ...subject,
    });
    if (draw() >= 0.3) continue;
    const labelled = Math.min(at + draw() * 3_600_000, Date.now());
    yield event('prediction.corrected', `${id}-c`, labelled, {
      predictionId: id,
      rank: draw() < 0.7 ? 0 : 2,
    });
  }
}

async function send(lines: string[]): Promise<void> {
  const response = await fetch(`${assay.url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  const { rejected } = (await response.json()) as { rejected?: object[] };
  if (!response.ok || rejected?.length !== 0) throw new Error(`refused: ${JSON.stringify(rejected)}`);
}

async function fill(): Promise<void> {
  let lines: string[] = [];
  let sent = 0;
  for (const line of history()) {
    lines.push(line);
    if (lines.length < LINES) continue;
    await send(lines);
    sent += lines.length;
    lines = [];
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${sent} events recorded`);
  }
  await send(lines);
  for (let behind = 1; behind > 0;) {
    const status = (await (await fetch(`${assay.url}/v1/status`)).json()) as { lag: { events: number } };
    behind = status.lag.events;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${behind} events to project`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

async function health(path = `/v1/predictors/${PREDICTOR}/canary`): Promise<number> {
  const asked = performance.now();
  const response = await fetch(assay.url + path);
  await response.text();
  if (!response.ok) throw new Error(`the health answered ${response.status}`);
  return performance.now() - asked;
}

async function ask(forSeconds: number, path?: string): Promise<number[]> {
  const took: number[] = [];
  const until = performance.now() + forSeconds * 1000;
  while (performance.now() < until) {
    took.push(await health(path));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return took;
}

function report(what: string, took: readonly number[]): void {
  const [p50, p99, max] = [0.5, 0.99, 1].map((q) => quantile(took, q).toFixed(1));
  console.log(`${what.padEnd(40)} n ${took.length}  p50 ${p50} ms  p99 ${p99} ms  max ${max} ms`);
}

/** Sends `rate` events a second until told to stop. */
async function live(isOver: () => boolean): Promise<number> {
  const ids: string[] = [];
  const pending = new Set<Promise<void>>();
  const began = performance.now();
  let sent = 0;
  const one = async (n: number): Promise<void> => {
    const id = n % 10 >= 7 ? ids.shift() : undefined;
    if (id === undefined) {
      const body = { input: 'bread, cakes and coffee', subject: `user-${Math.floor(draw() * 50_000)}` };
      const answer = await post(`${assay.url}/v1/predictors/${PREDICTOR}/predictions`, body);
      ids.push(answer.id as string);
    } else await post(`${assay.url}/v1/predictions/${id}/corrections`, { rank: draw() < 0.7 ? 0 : 2 });
  };
  while (!isOver()) {
    for (const due = ((performance.now() - began) / 1000) * rate; sent < due; sent++) {
      const sending = one(sent).finally(() => pending.delete(sending));
      pending.add(sending);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Promise.all(pending);
  return sent / ((performance.now() - began) / 1000);
}

console.log(machine());
const filling = performance.now();
await fill();
console.log(
  `${predictions} predictions recorded and projected in ${((performance.now() - filling) / 1000).toFixed(0)} s`,
);
console.log(`the first answer: ${(await health()).toFixed(0)} ms`);
await ask(2);
report('for comparison: GET /healthz', await ask(20, '/healthz'));
report('while nothing moves', await ask(20));
let isOver = false;
const sending = live(() => isOver);
const took = await ask(seconds);
isOver = true;
report(`while ${(await sending).toFixed(0)} events a second arrive`, took);
await assay.stop();

/**
 * How long after its acknowledgement an event is visible in the warehouse, at a steady rate over HTTP: seven
 * predictions to three corrections.
 *
 *   npm run bench:freshness -- [--rate 1000] [--seconds 30]
 *
 * Positions are handed out without gaps, so the n-th acknowledged event is visible once the warehouse holds n
 * events; the status is asked every 10 ms. What the quality series counts at the end must be what was sent.
 */
import { parseArgs } from 'node:util';
import {
  benchFolder,
  deployConstant,
  machine,
  post,
  PREDICT,
  quantile,
  QUESTION,
  startAssay,
} from './running.js';

const TICK_MS = 10;

const { values } = parseArgs({
  options: { rate: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '30' } },
});
const perTick = (Number(values.rate) * TICK_MS) / 1000;
const seconds = Number(values.seconds);

const assay = await startAssay(benchFolder());
await deployConstant(assay.url);

/** When the n-th event was acknowledged, from 0: the deployment. */
const acknowledged: number[] = [performance.now()];
const lags: number[] = [];
const ids: string[] = [];
let visible = 0;
let corrections = 0;
let sending = true;

async function sendOne(n: number): Promise<void> {
  const id = n % 10 >= 7 ? ids.shift() : undefined;
  if (id === undefined) {
    const answer = await post(assay.url + PREDICT, { ...QUESTION, subject: `user-${n % 500}` });
    ids.push(answer.id as string);
  } else {
    await post(`${assay.url}/v1/predictions/${id}/corrections`, { rank: 0 });
    corrections++;
  }
  acknowledged.push(performance.now());
}

async function watch(): Promise<void> {
  while (sending || visible < acknowledged.length) {
    const status = (await (await fetch(`${assay.url}/v1/status`)).json()) as {
      events: number;
      lag: { events: number };
    };
    const now = performance.now();
    for (const held = status.events - status.lag.events; visible < held; visible++) {
      // An event can be visible before its answer has reached us.
      lags.push(Math.max(0, now - (acknowledged[visible] ?? now)));
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}

const watching = watch();
const startedAt = performance.now();
const pending = new Set<Promise<void>>();
let sent = 0;
while (performance.now() - startedAt < seconds * 1000) {
  const due = Math.floor(((performance.now() - startedAt) / TICK_MS) * perTick);
  for (; sent < due; sent++) {
    const one = sendOne(sent).finally(() => pending.delete(one));
    pending.add(one);
  }
  await new Promise((resolve) => setTimeout(resolve, TICK_MS));
}
await Promise.all(pending);
const took = (performance.now() - startedAt) / 1000;
sending = false;
await watching;

const quality = (await (await fetch(`${assay.url}/v1/predictors/bench/quality`)).json()) as {
  series: Array<{ total: { predictions: number; labelled: number } }>;
};
const total = quality.series[0]?.total;
const ms = (q: number): string => Math.round(quantile(lags, q)).toString();
console.log(`${machine()}\n`);
console.log('| events/s | events | p50 ms | p95 ms | p99 ms | max ms |');
console.log('|---|---|---|---|---|---|');
console.log(
  `| ${Math.round(sent / took)} | ${lags.length} | ${ms(0.5)} | ${ms(0.95)} | ${ms(0.99)} | ${ms(1)} |`,
);
console.log(`\nquality counts ${total?.predictions} predictions, ${total?.labelled} labelled`);
if (total?.predictions !== sent - corrections || total.labelled !== corrections) {
  console.error(`sent were ${sent - corrections} and ${corrections}`);
  process.exitCode = 1;
}
await assay.stop();

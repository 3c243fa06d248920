/**
 * From the start of the process to its first prediction, on files that hold a deployment already.
 *
 *   npm run bench:first-answer -- [--runs 5]
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

const { values } = parseArgs({ options: { runs: { type: 'string', default: '5' } } });
const folder = benchFolder();
const prepared = await startAssay(folder);
await deployConstant(prepared.url);
await prepared.stop();

const times: number[] = [];
for (let run = 0; run < Number(values.runs); run++) {
  const startedAt = performance.now();
  const assay = await startAssay(folder);
  await post(assay.url + PREDICT, QUESTION);
  times.push(performance.now() - startedAt);
  await assay.stop();
}
const ms = (q: number): string => Math.round(quantile(times, q)).toString();
console.log(`${machine()}\n`);
console.log('| starts | median ms | slowest ms |');
console.log('|---|---|---|');
console.log(`| ${times.length} | ${ms(0.5)} | ${ms(1)} |`);

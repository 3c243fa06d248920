/**
 * Kills the service under load for as long as one likes, and says what was lost or doubled:
 *   npm run soak:crash -- --kills 1000 --seconds 600
 * whichever comes first. Options: --seed N, --callers N, --answers N (between two kills, on average). Exit status 1 when something was found; the files are kept then.
 */
import { rmSync } from 'node:fs';
import { crashRun } from '../test/crash/run.js';
import { temporaryFolder } from '../test/given.js';

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? fallback : Number(process.argv[at + 1]);
  if (Number.isFinite(value) && value > 0) return value;
  console.error(`--${name} takes a number above 0`);
  process.exit(3);
}

const kills = option('kills', 100);
const seconds = option('seconds', 600);
const answers = option('answers', 500);
const seed = option('seed', 1);
const folder = temporaryFolder();
const startedAt = Date.now();
const elapsed = (): string => `${((Date.now() - startedAt) / 1000).toFixed(0)} s`;

console.log(`Killing the service ${kills} times or for ${seconds} s; seed ${seed}, files in ${folder.path}`);
const report = await crashRun({
  folder: folder.path,
  seed,
  callers: option('callers', 32),
  kills,
  answersPerLife: answers,
  limitMs: seconds * 1000,
  onKill: ({ kills: done, acknowledged, interrupted }) => {
    const line = `${elapsed()}: ${done}/${kills} kills, ${acknowledged} acknowledged, ${interrupted} interrupted`;
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line}`);
    else if (done % 10 === 0 || done === kills) console.log(line);
  },
});
const { findings, ...numbers } = report;
console.log(`\n${elapsed()}: ${JSON.stringify(numbers)}`);
if (findings.length === 0) {
  console.log('Nothing acknowledged was lost, nothing was doubled, store and warehouse are equal.');
  rmSync(folder.path, { recursive: true });
} else {
  console.error(`${findings.join('\n')}\nThe files are kept in ${folder.path}.`);
  process.exitCode = 1;
}

/**
 * Two processes over one Firestore and one BigQuery (both on this machine) take a load while the one that projects
 * is killed with -9, and says what was lost or doubled:
 *   npm run soak:cloud -- --answers 20000 --kills 3
 * Options: --seed N, --callers N. FIRESTORE_TEST_SERVER=small takes the small server in the place of Google's
 * emulator. Exit status 1 when something was found.
 */
import { twoInstancesRun } from '../test/crash/two-instances.js';
import { chosenServer } from '../test/firestore/given.js';
import { temporaryFolder } from '../test/given.js';

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? fallback : Number(process.argv[at + 1]);
  if (Number.isFinite(value) && value > 0) return value;
  console.error(`--${name} takes a number above 0`);
  process.exit(3);
}

const kills = option('kills', 3);
const answers = option('answers', 20_000);
const folder = temporaryFolder();
const startedAt = Date.now();
const elapsed = (): string => `${((Date.now() - startedAt) / 1000).toFixed(0)} s`;

console.log(`${answers} requests over two processes, ${kills} kills`);
const { findings, ...numbers } = await twoInstancesRun({
  folder: folder.path,
  firestore: chosenServer(),
  seed: option('seed', 1),
  callers: option('callers', 32),
  kills,
  answers,
  onProgress: ({ kills: done, acknowledged, interrupted }) =>
    console.log(`${elapsed()}: ${done}/${kills} kills, ${acknowledged} answered, ${interrupted} interrupted`),
});
folder.remove();
console.log(`${elapsed()}: ${JSON.stringify(numbers)}`);
if (findings.length === 0) {
  console.log('Nothing acknowledged was lost, nothing was doubled, store and warehouse are equal.');
} else {
  console.error(findings.join('\n'));
  process.exitCode = 1;
}

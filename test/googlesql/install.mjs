// Installs ZetaSQL for the suite where it is missing: called by `npm test` alone. What goes wrong here is only
// said; the suite of this folder then fails, and the other suites still run.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { binaryHere } from './platform.mjs';

const here = (path) => new URL(path, import.meta.url);
const { binary, reason } = binaryHere();

if (binary === null) {
  console.error(`ZetaSQL is not installed: ${reason}. The suite of GoogleSQL will be skipped.`);
} else if (!isInstalled()) {
  console.error(
    'Installing ZetaSQL, which proves the SQL for BigQuery (once, 112 MB; only for the suite) ...',
  );
  const result = npm(['ci', '--no-fund', '--no-audit', '--loglevel=error']);
  if (result.status === 0 && isInstalled()) console.error('ZetaSQL is installed in test/googlesql.');
  else
    console.error(
      `ZetaSQL could not be installed: ${result.error?.message ?? `npm ended with ${result.status}`}.`,
    );
}

/** npm writes this file last, and only when everything was unpacked. */
function isInstalled() {
  const installed = here('node_modules/.package-lock.json');
  if (!existsSync(installed)) return false;
  const wanted = JSON.parse(readFileSync(here('package-lock.json'), 'utf8')).packages;
  const found = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version }]) => path === '' || found[path]?.version === version,
  );
}

function npm(words) {
  const options = { cwd: fileURLToPath(here('.')), stdio: ['ignore', 'ignore', 'inherit'] };
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) return spawnSync(process.execPath, [script, ...words], options);
  return spawnSync('npm', words, options);
}

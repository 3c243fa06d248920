/**
 * Predict and correct, each with a durable event, against a bare Fastify echo with a JSON schema, in the same
 * run: rounds are interleaved, 64 keep-alive connections, and the ratio is taken round by round.
 *
 *   npm run bench:http -- [--rounds 6] [--seconds 3]
 */
import autocannon from 'autocannon';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const CONNECTIONS = 64;

interface Measured {
  perSecond: number;
  p50: number;
  p99: number;
}

interface Running {
  url: string;
  process: ChildProcess;
}

async function start(args: string[], env: NodeJS.ProcessEnv): Promise<Running> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise<string>((found, failed) => {
    let printed = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
      const match = /listens on (\S+)/.exec(printed);
      if (match?.[1] !== undefined) found(match[1]);
    });
    child.once('exit', () => failed(new Error(`did not start: ${printed}`)));
  });
  return { url, process: child };
}

async function stop({ process: child }: Running): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

async function post(url: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}

/** One round of load; `paths` are taken in turn, `path` stays the same. */
async function load(url: string, seconds: number, body: unknown, paths: string[]): Promise<Measured> {
  let next = 0;
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: seconds,
    requests: [
      {
        method: 'POST',
        path: paths[0] ?? '/',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        ...(paths.length === 1
          ? {}
          : { setupRequest: (request: object) => ({ ...request, path: paths[next++ % paths.length] }) }),
      } as autocannon.Request,
    ],
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${result.non2xx} refused, ${result.errors} broken`);
  return { perSecond: result.requests.average, p50: result.latency.p50, p99: result.latency.p99 };
}

const median = (values: number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

function row(name: string, rounds: Measured[], echo: Measured[]): string {
  const rates = rounds.map(({ perSecond }) => perSecond);
  const ratios = rounds.map(({ perSecond }, i) => perSecond / (echo[i]?.perSecond ?? NaN));
  const cells = [
    name,
    `${Math.round(median(rates))} [${Math.round(Math.min(...rates))}-${Math.round(Math.max(...rates))}]`,
    median(rounds.map(({ p50 }) => p50)),
    median(rounds.map(({ p99 }) => p99)),
    `${median(ratios).toFixed(2)} [${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)}]`,
  ];
  return `| ${cells.join(' | ')} |`;
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '6' }, seconds: { type: 'string', default: '3' } },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

const folder = mkdtempSync(join(tmpdir(), 'assay-bench-'));
const startedAt = performance.now();
const assay = await start(['dist/cli/cli.js', 'serve'], {
  PORT: '0',
  ASSAY_STORE: `sqlite:${join(folder, 'events.db')}`,
  ASSAY_WAREHOUSE: `duckdb:${join(folder, 'warehouse.duckdb')}`,
});
const echo = await start(['.bench/echo.js'], {});
const candidates = Array.from({ length: 5 }, (_, i) => ({ label: `47${i}`, confidence: (5 - i) / 15 }));
await post(`${assay.url}/v1/predictors/bench/deployments`, {
  version: 'v1',
  backend: { kind: 'constant', candidates },
});
const question = {
  input: 'sells bread, cakes and coffee from a shop at the corner',
  subject: 'user-17',
  limit: 5,
};
const predictPath = '/v1/predictors/bench/predictions';
await post(assay.url + predictPath, question);
console.error(`first answer after ${Math.round(performance.now() - startedAt)} ms (with the echo's start)`);

// Corrections need predictions of their own: a user corrects an answer once or twice, not a thousand times.
const predictionPaths: string[] = [];
for (let i = 0; i < 400; i++) {
  const made = await Promise.all(Array.from({ length: 50 }, () => post(assay.url + predictPath, question)));
  predictionPaths.push(...made.map(({ id }) => `/v1/predictions/${id as string}/corrections`));
}

const measured = { echo: [] as Measured[], predict: [] as Measured[], correct: [] as Measured[] };
await load(echo.url, 1, question, ['/echo']);
await load(assay.url, 2, question, [predictPath]);
for (let round = 0; round < rounds; round++) {
  measured.echo.push(await load(echo.url, seconds, question, ['/echo']));
  measured.predict.push(await load(assay.url, seconds, question, [predictPath]));
  measured.correct.push(await load(assay.url, seconds, { rank: 1, actor: 'user-17' }, predictionPaths));
  console.error(
    `round ${round + 1}: ${Object.entries(measured)
      .map(([name, all]) => `${name} ${Math.round(all.at(-1)?.perSecond ?? 0)}/s`)
      .join(', ')}`,
  );
}
console.log(
  `${cpus().length} cores (${cpus()[0]?.model ?? ''}), Node ${process.version}, ${CONNECTIONS} connections\n`,
);
console.log('| route | requests/s | p50 ms | p99 ms | ratio to the echo, per round |');
console.log('|---|---|---|---|---|');
console.log(row('bare Fastify echo with JSON schema', measured.echo, measured.echo));
console.log(row('predict, event durable', measured.predict, measured.echo));
console.log(row('correct, event durable', measured.correct, measured.echo));
console.log(`\nevents.db: ${Math.round(statSync(join(folder, 'events.db')).size / 1e6)} MB`);
await stop(assay);
await stop(echo);
rmSync(folder, { recursive: true });

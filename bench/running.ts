/** The built service, or anything else that says where it listens, as a process of its own for a benchmark. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Running {
  url: string;
  process: ChildProcess;
  stop(): Promise<void>;
}

/** Starts a Node program and waits until it prints `listens on URL`. */
export async function start(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((found, failed) => {
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
      const match = /listens on (\S+)/.exec(printed);
      if (match?.[1] !== undefined) found(match[1]);
    });
    child.once('exit', () => failed(new Error(`${args.join(' ')} did not start: ${printed}`)));
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  return { url, process: child, stop };
}

export function startAssay(folder: string): Promise<Running> {
  return start(['dist/bin/cli.js', 'serve'], {
    PORT: '0',
    ASSAY_STORE: `sqlite:${join(folder, 'events.db')}`,
    ASSAY_WAREHOUSE: `duckdb:${join(folder, 'warehouse.duckdb')}`,
  });
}

/** A folder that is gone when the process ends. */
export function benchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'assay-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function post(url: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}

/** The predictor that all HTTP benchmarks ask: it answers in the process, so that it does not dominate. */
export async function deployConstant(url: string): Promise<void> {
  const candidates = Array.from({ length: 5 }, (_, i) => ({ label: `47${i}`, confidence: (5 - i) / 15 }));
  await post(`${url}/v1/predictors/bench/deployments`, {
    version: 'v1',
    backend: { kind: 'constant', candidates },
  });
}

export const QUESTION = {
  input: 'sells bread, cakes and coffee from a shop at the corner',
  subject: 'user-17',
  limit: 5,
};
export const PREDICT = '/v1/predictors/bench/predictions';

/** Quantile by the nearest rank; q in (0, 1]. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? NaN;
}

export function machine(): string {
  return `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.version}`;
}

/** What journeys need: the built service as a real process, a real predictor beside it, and events. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const CLI = resolve('dist/bin/cli.js');
const START_LIMIT_MS = 20_000;

export interface Folder {
  path: string;
  remove(): void;
}

export function temporaryFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'assay-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface RunningService {
  url: string;
  process: ChildProcess;
  /** SIGTERM, and wait for the end. */
  stop(): Promise<void>;
  /** SIGKILL, and wait for the end. */
  kill(): Promise<void>;
  /** Everything it printed so far. */
  output(): string;
}

/** Environment of a service that keeps its files in a folder. */
export function serviceEnvironment(
  folder: string,
  more: Record<string, string> = {},
): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    PORT: '0',
    ASSAY_STORE: `sqlite:${join(folder, 'events.db')}`,
    ASSAY_WAREHOUSE: `duckdb:${join(folder, 'warehouse.duckdb')}`,
    ASSAY_SUBJECT_SECRET: 'a secret for tests only',
    ...more,
  };
}

/** @param cli the file that is started, unless it is the one that everybody starts */
export async function startService(
  folder: string,
  more: Record<string, string> = {},
  cli = CLI,
): Promise<RunningService> {
  const child = spawn(process.execPath, [cli, 'serve'], { env: serviceEnvironment(folder, more) });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  const url = await new Promise<string>((found, failed) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      failed(new Error(`the service did not start:\n${printed}`));
    }, START_LIMIT_MS);
    child.stdout.on('data', () => {
      const match = /listens on (\S+)/.exec(printed);
      if (match?.[1] === undefined) return;
      clearTimeout(timer);
      found(match[1]);
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      failed(new Error(`the service ended with ${code}:\n${printed}`));
    });
  });
  const end = (signal: NodeJS.Signals) => async (): Promise<void> => {
    child.kill(signal);
    await ended;
  };
  return { url, process: child, stop: end('SIGTERM'), kill: end('SIGKILL'), output: () => printed };
}

export interface CommandResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `assay ...` as a process of its own, in a folder if one is given. */
export async function assay(
  args: string[],
  environment: Record<string, string>,
  cwd?: string,
): Promise<CommandResult> {
  const child = spawn(process.execPath, [CLI, ...args], { env: { NO_COLOR: '1', ...environment }, cwd });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end();
  const status = await new Promise<number | null>((done) => child.once('close', done));
  return { status, stdout, stderr };
}

export interface Answer {
  status: number;
  headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into answers without types
  body: any;
}

export interface CallOptions {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as it is; `json` is serialised. */
  text?: string;
  json?: unknown;
}

export async function call(url: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const body = options.text ?? (options.json === undefined ? undefined : JSON.stringify(options.json));
  const response = await fetch(new URL(path, url), {
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  let parsed: unknown = text;
  try {
    parsed = text === '' ? null : JSON.parse(text);
  } catch {
    // Not every answer is JSON.
  }
  return { status: response.status, headers: response.headers, body: parsed };
}

/** Sends CloudEvents as one batch. */
export function sendEvents(url: string, events: readonly object[]): Promise<Answer> {
  return call(url, '/v1/events', {
    json: events,
    headers: { 'content-type': 'application/cloudevents-batch+json' },
  });
}

export function cloudEvent(type: string, id: string, time: string | number, data: object): object {
  const at = typeof time === 'number' ? new Date(time).toISOString() : time;
  return { specversion: '1.0', id, source: '/test', type: `assay.${type}`, time: at, data };
}

/** Asks until `holds`, or fails with the last answer. */
export async function eventually<T>(
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
  limitMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`it did not come to hold: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Waits until everything acknowledged so far is in the warehouse. */
export async function projected(url: string): Promise<void> {
  await eventually(
    () => call(url, '/v1/status'),
    ({ body }) => body.lag.events === 0,
  );
}

export interface Predictor {
  url: string;
  /** Bodies of the requests so far. */
  asked: unknown[];
  close(): Promise<void>;
}

/** A predictor of its own, over HTTP; `answer` writes what it likes. */
export async function startPredictor(
  answer: (body: unknown, response: ServerResponse, request: IncomingMessage) => void,
): Promise<Predictor> {
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const body: unknown = JSON.parse(text);
      asked.push(body);
      answer(body, response, request);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

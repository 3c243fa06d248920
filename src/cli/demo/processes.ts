/** The demo's two processes: the service, and the classifier that it asks. Both end with the demo. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Unreachable } from '../service-client.js';
import type { Listening, Training } from './classifier.server.js';

/** How long a process may take to start, and to stop before it is killed, milliseconds. */
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 5_000;

/** What `assay demo` was started from is what its service is started from. */
const [, ownFile = ''] = process.argv;

export class Processes {
  private readonly children: ChildProcess[] = [];
  private reportEnd: (error: Error) => void = () => undefined;

  /** Rejects, with the end of its log, when the service ends without being told to. */
  readonly serviceEnded = new Promise<never>((_, reject) => (this.reportEnd = reject));

  constructor() {
    this.serviceEnded.catch(() => undefined);
    // Whatever ends the demo, nothing of it stays behind.
    process.once('exit', () => this.children.forEach((child) => child.kill('SIGKILL')));
  }

  /** @returns the address below which each version has its path, and how long training took */
  async startClassifier(training: Training): Promise<{ url: string; trainedMs: number }> {
    const child = fork(fileURLToPath(new URL('./classifier.server.js', import.meta.url)));
    this.children.push(child);
    const listening = once(child, 'message', { signal: AbortSignal.timeout(START_LIMIT_MS) });
    const ended = once(child, 'exit').then(() =>
      Promise.reject(new Unreachable('The classifier did not start.')),
    );
    ended.catch(() => undefined);
    child.send(training);
    const [{ port, trainedMs }] = (await Promise.race([listening, ended])) as [Listening];
    return { url: `http://127.0.0.1:${port}`, trainedMs };
  }

  /**
   * Runs `assay serve` on files in `folder`, with its output in `folder/service.log`.
   * @returns the service's address
   */
  async startService(port: number, folder: string): Promise<string> {
    const logFile = join(folder, 'service.log');
    const child = spawn(process.execPath, [ownFile, 'serve'], {
      env: serviceEnvironment(port, folder),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.children.push(child);
    const log = createWriteStream(logFile);
    child.stderr.pipe(log, { end: false });
    child.stdout.pipe(log, { end: false });
    const failed = (what: string) =>
      new Unreachable(`The service ${what}. Its log, ${logFile}, ends:\n${endOf(logFile)}`);
    // Not 'exit': what it said last must have reached the log.
    child.once('close', (code) => {
      log.end(() => this.reportEnd(failed(`stopped (exit status ${code ?? 'unknown'})`)));
    });
    const url = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(failed('did not start in time')), START_LIMIT_MS);
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        const [, address] = /listens on (http:\S+)/.exec(output) ?? [];
        if (address === undefined) return;
        clearTimeout(timer);
        resolve(address);
      });
      child.once('exit', () => clearTimeout(timer));
    });
    return Promise.race([url, this.serviceEnded]);
  }

  /** Ends the processes, the last one started first. */
  async stop(): Promise<void> {
    for (const child of this.children.splice(0).reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      await ended;
      clearTimeout(timer);
    }
  }
}

/** `wanted` when nothing listens there on the loopback interface, else 0: any free port. */
export async function freePort(wanted: number): Promise<number> {
  const server = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(wanted, '127.0.0.1', () => resolve(true));
  });
  if (!isFree) return 0;
  await new Promise((resolve) => server.close(resolve));
  return wanted;
}

/** The user's own settings of the service must not change what the demo shows. */
function serviceEnvironment(port: number, folder: string): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('ASSAY_'));
  return {
    ...Object.fromEntries(others),
    HOST: '127.0.0.1',
    PORT: String(port),
    LOG_LEVEL: 'warn',
    ASSAY_STORE: `sqlite:${join(folder, 'events.db')}`,
    ASSAY_WAREHOUSE: `duckdb:${join(folder, 'warehouse.duckdb')}`,
  };
}

function endOf(file: string): string {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-10);
  return lines.map((line) => `  ${line}`).join('\n');
}

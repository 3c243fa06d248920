/** A service that is killed and started again on the same files, under one roof for its callers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type RunningService, serviceEnvironment, startService } from '../given.js';

/** Longest wait for the next life, milliseconds. */
const NEXT_LIFE_LIMIT_MS = 60_000;

interface Life {
  url: string;
  /** Which start of the service this is, from 1. */
  life: number;
}

export class CrashingService {
  private service: RunningService | null = null;
  private life = 0;
  private up: Promise<Life>;
  private tellUp: (life: Life) => void = () => {};

  /**
   * @param more environment beside its files
   * @param mayRefuse whether it may answer 503: its store is elsewhere, and busy
   */
  constructor(
    private readonly folder: string,
    private readonly more: Record<string, string> = {},
    readonly mayRefuse = false,
  ) {
    this.up = this.nextUp();
  }

  async start(): Promise<void> {
    this.service = await startService(this.folder, { LOG_LEVEL: 'error', ...this.more });
    this.life++;
    this.tellUp({ url: this.service.url, life: this.life });
  }

  /** Of the process that runs, or ran last. */
  get pid(): number | undefined {
    return this.service?.process.pid;
  }

  /** SIGKILL: nothing in the process gets to say goodbye. */
  async kill(): Promise<void> {
    const killed = this.service;
    this.up = this.nextUp();
    await killed?.kill();
  }

  /** Starts one more process on the files and kills it a moment later, wherever its start has come to. */
  async startAndKill(afterMs: number): Promise<void> {
    const child = spawn(process.execPath, ['dist/bin/cli.js', 'serve'], {
      env: serviceEnvironment(this.folder, { LOG_LEVEL: 'error', ...this.more }),
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.service?.stop();
  }

  /** The running service, as soon as there is one. */
  running(): Promise<Life> {
    return this.up;
  }

  /** Waits until a later life than the one that broke has begun. */
  async afterLife(life: number): Promise<void> {
    const deadline = Date.now() + NEXT_LIFE_LIMIT_MS;
    while ((await this.up).life === life) {
      if (Date.now() > deadline) throw new Error('a connection broke although the service was not killed');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  private nextUp(): Promise<Life> {
    return new Promise((resolve) => (this.tellUp = resolve));
  }
}

/** One life of the SQLite store's worker thread, with the calls that wait for its answers. */
import { Worker } from 'node:worker_threads';
import {
  CLOSE,
  type AppendReply,
  type AppendRequest,
  type Batch,
  type Failed,
  type ReadReply,
  type ReadRequest,
  type Reply,
  type Succeeded,
} from './event-store.sqlite.messages.js';
import { InvalidPosition, StoreUnavailable, UnusableStore } from './event-store.js';

export class Thread {
  /** Resolves when the thread is gone and the file closed. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #path: string;
  readonly #now: () => number;
  readonly #appends: Waiting<AppendReply>[] = [];
  readonly #lookups: Waiting<ReadReply>[] = [];
  readonly #steps: Waiting<ReadReply>[] = [];
  #batch: Batch | null = null;
  #running = true;

  constructor(path: string, now: () => number) {
    this.#path = path;
    this.#now = now;
    this.#worker = new Worker(new URL('./event-store.sqlite.worker.js', import.meta.url), {
      name: 'event-store',
      // The options of the process may not suit a worker (`--input-type` ends it at once).
      execArgv: [],
      workerData: { path },
    });
    this.#worker.on('message', (reply: Reply) => this.#receive(reply));
    // What went wrong inside is told to the callers, once the thread is gone.
    let reason = 'it was stopped';
    this.#worker.on('error', (error) => (reason = error.message));
    this.ended = new Promise((resolveEnded) => {
      this.#worker.once('exit', () => {
        this.#running = false;
        this.#failWaiting(reason);
        resolveEnded();
      });
    });
  }

  get isRunning(): boolean {
    return this.#running;
  }

  append(request: AppendRequest): Promise<Succeeded<AppendReply>> {
    this.#nextBatch().appends.push(request);
    return new Promise((resolve, reject) => this.#appends.push({ resolve, reject }));
  }

  read(request: ReadRequest): Promise<Succeeded<ReadReply>> {
    const batch = this.#nextBatch();
    if (request[0] === 'after') batch.steps.push(request);
    else batch.lookups.push(request);
    const waiting = request[0] === 'after' ? this.#steps : this.#lookups;
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  }

  /** Lets it finish what was asked and close the file. */
  close(): void {
    this.#send();
    this.#worker.postMessage(CLOSE);
  }

  /** Collects until the end of this turn of the event loop. */
  #nextBatch(): Batch {
    if (this.#batch === null) {
      this.#batch = { now: 0, appends: [], lookups: [], steps: [] };
      setImmediate(() => this.#send());
    }
    return this.#batch;
  }

  #send(): void {
    if (this.#batch === null) return;
    this.#batch.now = this.#now();
    this.#worker.postMessage(this.#batch);
    this.#batch = null;
  }

  #receive(reply: Reply): void {
    if ('step' in reply) this.#settle(this.#steps.splice(0, 1), [reply.step]);
    else if ('lookups' in reply) this.#settle(this.#lookups.splice(0, reply.lookups.length), reply.lookups);
    else this.#settle(this.#appends.splice(0, reply.appends.length), reply.appends);
  }

  #settle<R extends AppendReply | ReadReply>(waiting: Waiting<R>[], replies: R[]): void {
    replies.forEach((reply, index) => {
      if (reply[0] !== 'failed') waiting[index]?.resolve(reply as Succeeded<R>);
      else {
        waiting[index]?.reject(errorOf(reply));
        if (reply[1] === 'lost' || reply[1] === 'unusable') this.#stop();
      }
    });
  }

  /** Ends a thread whose connection cannot be trusted any more. */
  #stop(): void {
    this.#running = false;
    void this.#worker.terminate();
  }

  #failWaiting(reason: string): void {
    for (const { reject } of [
      ...this.#appends.splice(0),
      ...this.#lookups.splice(0),
      ...this.#steps.splice(0),
    ]) {
      reject(new StoreUnavailable(`the thread of ${this.#path} ended (${reason}): the call can be repeated`));
    }
  }
}

/** A call that waits for its reply. */
interface Waiting<R> {
  resolve: (reply: Succeeded<R>) => void;
  reject: (error: Error) => void;
}

function errorOf([, kind, message]: Failed): Error {
  switch (kind) {
    case 'full':
    case 'lost':
      return new StoreUnavailable(message);
    case 'unusable':
      return new UnusableStore(message);
    case 'position':
      return new InvalidPosition(message);
    case 'internal':
      return new Error(message);
  }
}

/**
 * The thread that owns the event store's file. It takes whatever is queued, appends all of it in one
 * transaction, so that many callers share one fsync, and answers once the commit has returned. Reads come
 * between two transactions, so that they never see what is not durable: look-ups ahead of the appends, since a
 * correction waits for one and then for its own fsync; steps through the log after them.
 */
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { failureOf } from './event-store.sqlite.file.js';
import { Log } from './event-store.sqlite.log.js';
import {
  CLOSE,
  type AppendRequest,
  type Batch,
  type Failed,
  type LookupRequest,
  type ReadReply,
  type Reply,
  type StepRequest,
} from './event-store.sqlite.messages.js';

const { path } = workerData as { path: string };
const port = parentPort as MessagePort;
let log: Log | undefined;
let appends: AppendRequest[] = [];
let lookups: LookupRequest[] = [];
let steps: StepRequest[] = [];
let now = 0;
let closing = false;

port.on('message', (message: Batch | typeof CLOSE) => {
  take(message);
  work();
});

function take(message: Batch | typeof CLOSE): void {
  if (message === CLOSE) {
    closing = true;
    return;
  }
  now = message.now;
  appends = appends.length === 0 ? message.appends : appends.concat(message.appends);
  lookups = lookups.length === 0 ? message.lookups : lookups.concat(message.lookups);
  steps = steps.length === 0 ? message.steps : steps.concat(message.steps);
}

function work(): void {
  for (;;) {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      take(next.message as Batch | typeof CLOSE);
    }
    if (lookups.length > 0) {
      const requests = lookups;
      lookups = [];
      reply({ lookups: answer(requests.length, (open) => requests.map((request) => open.read(request))) });
    } else if (appends.length > 0) {
      const requests = appends;
      appends = [];
      reply({ appends: answer(requests.length, (open) => open.append(requests, now)) });
    } else if (steps.length > 0) {
      const request = steps.shift() as StepRequest;
      const [step] = answer(1, (open) => [open.read(request)]) as [ReadReply];
      reply({ step });
    } else break;
  }
  // The file is closed and its log folded into it when the thread's memory goes.
  if (closing) port.close();
}

/** Opens the file when it is not open yet; a failure to do so is the answer to everybody. */
function answer<Answer>(count: number, work: (log: Log) => Answer[]): (Answer | Failed)[] {
  try {
    log ??= new Log(path);
  } catch (error) {
    // Whatever the reason, a half-opened file may keep its lock until this thread is gone: it has to go.
    const [failed, kind, message] = failureOf(error, path);
    const failure: Failed = [failed, kind === 'unusable' ? kind : 'lost', message];
    return Array.from({ length: count }, () => failure);
  }
  return work(log);
}

function reply(message: Reply): void {
  port.postMessage(message);
}

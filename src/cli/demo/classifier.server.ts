/**
 * The classifier as a process of its own, as a team would run it: one path per version on a free port of the
 * loopback interface. What each version learns from is given by the parent.
 *
 * `POST /<version>` `{"input": "...", "limit": 5}` -> `{"candidates": [{"label", "confidence"}]}`: what a
 * deployment's `http` backend calls. `{"inputs": [...], "limit": 5}` -> `{"answers": [{"candidates",
 * "latencyMs"}]}`: many at once, for the replay.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Classifier } from './classifier.js';
import { buildCorpus } from './corpus.js';
import { readDescriptions } from './naics.js';

/** A stretch of the training texts, as shares of them: from 0 to 1 is all of them. */
export interface Part {
  from: number;
  to: number;
}

/** First message of the parent. */
export interface Training {
  seed: number;
  /** Version -> what it learns from. */
  parts: Record<string, Part>;
}

/** Reply, once every version is trained and the port listens. */
export interface Listening {
  port: number;
  trainedMs: number;
}

interface Question {
  input?: string;
  inputs?: string[];
  limit?: number;
}

const MAX_BODY_BYTES = 1 << 20;
const DEFAULT_LIMIT = 5;

process.once('message', (training: Training) => {
  const startedAt = performance.now();
  const classifiers = train(training);
  const trainedMs = Math.round(performance.now() - startedAt);
  const server = createServer((request, response) => {
    answer(classifiers, request).then(
      ({ status, body }) => send(response, status, body),
      (error: Error) => send(response, 400, { detail: error.message }),
    );
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    process.send?.({ port, trainedMs } satisfies Listening);
  });
});

// The parent is gone, however it ended: nobody is left to ask.
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent decides when it no longer needs this one.
process.on('SIGINT', () => undefined);

function train({ seed, parts }: Training): Map<string, Classifier> {
  const { training } = buildCorpus(readDescriptions(), seed);
  const place = (share: number) => Math.round(training.length * share);
  return new Map(
    Object.entries(parts).map(([version, { from, to }]) => [
      version,
      new Classifier(training.slice(place(from), place(to))),
    ]),
  );
}

async function answer(classifiers: Map<string, Classifier>, request: IncomingMessage) {
  const classifier = classifiers.get((request.url ?? '/').slice(1));
  if (classifier === undefined || request.method !== 'POST') {
    return { status: 404, body: { detail: `POST to one of ${[...classifiers.keys()].join(', ')}` } };
  }
  const { input, inputs, limit = DEFAULT_LIMIT } = JSON.parse(await bodyOf(request)) as Question;
  if (input !== undefined) return { status: 200, body: { candidates: classifier.rank(input, limit) } };
  const answers = (inputs ?? []).map((text) => {
    const startedAt = performance.now();
    const candidates = classifier.rank(text, limit);
    return { candidates, latencyMs: Math.round((performance.now() - startedAt) * 1000) / 1000 };
  });
  return { status: 200, body: { answers } };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error(`the body has more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

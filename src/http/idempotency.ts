/**
 * Idempotency-Key: the same key with the same body gets the first answer again, another body under a used key
 * is a mistake. The answer is kept in the same step as the events it reports, so that no crash can separate
 * them (docs/decisions/0005-receipts.md).
 */
import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../problem.js';
import type { AppendResult, EventStore, Receipt } from '../store/event-store.js';

const KEY_LENGTH = 255;

/** What a request's key stands for, before there is an answer. */
export interface Idempotency {
  key: string;
  requestHash: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set when the request carries an Idempotency-Key. */
    idempotency?: Idempotency;
  }
}

/** Thrown when a request was answered before: the filter sends that answer. */
export class AnsweredBefore extends Error {
  override readonly name = 'AnsweredBefore';

  constructor(readonly receipt: Receipt) {
    super('answered before');
  }
}

/** A Fastify hook that runs once the body is parsed and valid. */
export function idempotencyHook(store: EventStore) {
  // With a callback, since most requests have no key and need not wait for a promise.
  return (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    const header = request.headers['idempotency-key'];
    if (header === undefined || request.method !== 'POST') return done();
    // A stream is not held to hash it; its events are idempotent by their ids.
    if (typeof (request.body as { pipe?: unknown } | null)?.pipe === 'function') return done();
    answerAgain(store, header, request, reply).then((isAnswered) => {
      if (!isAnswered) done();
    }, done);
  };
}

/** Sends the first answer to a repeated request; otherwise notes what the request's key stands for. */
async function answerAgain(
  store: EventStore,
  header: string | string[],
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<boolean> {
  const idempotency = idempotencyOf(request, header);
  const receipt = await store.receipt(idempotency.key);
  if (receipt === null) {
    request.idempotency = idempotency;
    return false;
  }
  sendReceipt(reply, sameRequest(receipt, idempotency));
  return true;
}

function idempotencyOf(request: FastifyRequest, header: string | string[]): Idempotency {
  if (typeof header !== 'string' || header.length === 0 || header.length > KEY_LENGTH) {
    throw new Problem(
      'invalid-request',
      `Idempotency-Key must be one value of 1 to ${KEY_LENGTH} characters.`,
    );
  }
  const path = request.url.split('?', 1)[0];
  return {
    key: hash('sha256', `${path}\n${header}`, 'base64url'),
    requestHash: hash('sha256', JSON.stringify(request.body ?? null), 'base64url'),
  };
}

function sameRequest(receipt: Receipt, { requestHash }: Idempotency): Receipt {
  if (receipt.requestHash === requestHash) return receipt;
  throw new Problem(
    'idempotency-key-reused',
    'This Idempotency-Key was used before with another body. Use a new key for a new request.',
  );
}

/** The receipt to keep with the events of a request, if it carries a key. */
export function receiptFor(
  idempotency: Idempotency | undefined,
  status: number,
  answer: object | null,
): Receipt | undefined {
  if (idempotency === undefined) return undefined;
  return { ...idempotency, status, body: answer === null ? '' : JSON.stringify(answer) };
}

/** Stops here when another request with the same key was faster. */
export function unlessAnswered(result: AppendResult, idempotency: Idempotency | undefined): void {
  if (result.kind !== 'answered' || idempotency === undefined) return;
  throw new AnsweredBefore(sameRequest(result.receipt, idempotency));
}

export function sendReceipt(reply: FastifyReply, receipt: Receipt): FastifyReply {
  return reply
    .status(receipt.status)
    .header('idempotency-replayed', 'true')
    .header('content-type', 'application/json; charset=utf-8')
    .send(receipt.body);
}

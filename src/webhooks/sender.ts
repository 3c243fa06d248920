/** One attempt: an event to a receiver, and what came of it. */
import { Agent, request } from 'undici';
import { type StoredEvent, toCloudEvent } from '../event/envelope.js';
import { guardedLookup } from './addresses.js';
import { signatureHeaders, webhookId } from './signature.js';
import type { Webhook } from './webhook.js';

/** An attempt takes no longer, milliseconds. */
export const ATTEMPT_MS = 10_000;
/** What is read of an answer, bytes; it says nothing to us. */
const ANSWER_LIMIT = 64 * 1024;

export type Outcome =
  | { kind: 'delivered' }
  /** `retryAfterMs` where the receiver said when to come back. */
  | { kind: 'failed'; error: string; retryAfterMs: number | null }
  /** The receiver wants no more of it. */
  | { kind: 'gone' };

export class Sender {
  /** Without keep-alive: minutes and hours lie between two events, and a name may lead elsewhere by then. */
  private readonly agent = new Agent({
    pipelining: 0,
    connect: { timeout: ATTEMPT_MS, lookup: guardedLookup },
  });

  /** @throws Error when the event was written by a newer version of the service */
  async send({ url, secret }: Webhook, event: StoredEvent, signal: AbortSignal): Promise<Outcome> {
    const body = JSON.stringify(toCloudEvent(event));
    try {
      const answer = await request(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/cloudevents+json; charset=utf-8',
          'user-agent': 'assay',
          ...signatureHeaders(secret, webhookId(event), body, Date.now()),
        },
        body,
        dispatcher: this.agent,
        signal: AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS)]),
      });
      // The status is the answer, whatever becomes of the rest.
      void answer.body.dump({ limit: ANSWER_LIMIT }).catch(() => undefined);
      return outcomeOf(answer.statusCode, answer.headers['retry-after']);
    } catch (error) {
      return { kind: 'failed', error: explained(error as Error & { code?: string }), retryAfterMs: null };
    }
  }

  close(): Promise<void> {
    return this.agent.close();
  }
}

function outcomeOf(status: number, retryAfter: string | string[] | undefined): Outcome {
  if (status >= 200 && status <= 299) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone' };
  const isElsewhere = status >= 300 && status <= 399;
  const error = isElsewhere
    ? `it answered ${status}: redirects are not followed, give the address it leads to`
    : `it answered ${status}`;
  return { kind: 'failed', error, retryAfterMs: milliseconds(String(retryAfter ?? ''), Date.now()) };
}

/** Retry-After is a number of seconds or a date. */
export function milliseconds(retryAfter: string, now: number): number | null {
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

function explained({ name, code, message }: Error & { code?: string }): string {
  const isLate = name === 'TimeoutError' || code?.includes('TIMEOUT') === true;
  if (isLate) return `it did not answer within ${ATTEMPT_MS / 1000} s`;
  return `it could not be reached: ${message || code || name}`;
}

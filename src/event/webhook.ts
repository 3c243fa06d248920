/**
 * What happened to webhooks: how far each has come, as events of its own. They never leave the service, and none
 * come in from outside.
 *
 * A webhook has a stream a month (UTC), so that finding out how far it is takes a few hundred events at most. Every
 * event says all that counts; the last one of the latest month is the state.
 */

export const WEBHOOK_BEGUN = 'assay.webhook.begun';
export const WEBHOOK_DELIVERED = 'assay.webhook.delivered';
export const WEBHOOK_GIVEN_UP = 'assay.webhook.given_up';

/** Predictor -> revision in its stream up to which its events are done with. */
export type Revisions = Record<string, number>;

/** `assay.webhook.begun`: it is new, or is about other predictors or types than before. */
export interface WebhookState {
  webhook: string;
  /** The predictors it is about; null: all. */
  predictors: string[] | null;
  /** The types it is sent; not told by events of the first releases. */
  types?: string[];
  /** A predictor that is not among them was made later, and is sent from its beginning. */
  done: Revisions;
}

/** `assay.webhook.delivered` and `assay.webhook.given_up`, in which case `error` is the last one. */
export interface WebhookProgress extends WebhookState {
  event: { id: string; type: string; predictor: string; revision: number };
  /** Counted in the process that came to the end of it. */
  attempts: number;
  error?: string;
}

const PREFIX = 'webhook-';

export function isWebhookStream(stream: string): boolean {
  return stream.startsWith(PREFIX);
}

/** @param at within the month, milliseconds */
export function webhookStream(webhook: string, at: number): string {
  return `${PREFIX}${webhook}-${new Date(at).toISOString().slice(0, 7)}`;
}

/** The streams of a webhook from the latest on: next month's, in case another clock is ahead, to three years back. */
export function* webhookStreams(webhook: string, now: number): Generator<string> {
  const date = new Date(now);
  for (let back = -1; back < 36; back++) {
    yield webhookStream(webhook, Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - back, 1));
  }
}

/** What a webhook is, and which events it is sent. Pure. */
import {
  CANARY_JUDGED,
  CANARY_PAUSED,
  CANARY_RESUMED,
  CANARY_STARTED,
  PROMOTED,
  ROLLED_BACK,
  TRAFFIC_SPLIT,
} from '../event/predictor.js';

/**
 * What can be sent: the verdict and each step of a release. Not `assay.predictor.deployed`, whose backend may hold
 * credentials for the predictor.
 */
export const SENT_TYPES: readonly string[] = [
  CANARY_STARTED,
  CANARY_JUDGED,
  TRAFFIC_SPLIT,
  CANARY_PAUSED,
  CANARY_RESUMED,
  PROMOTED,
  ROLLED_BACK,
];

export interface Webhook {
  /** Names what is known of it in the log: under another name it begins anew. */
  readonly name: string;
  readonly url: string;
  /** Key of the HMAC. */
  readonly secret: Buffer;
  /** Null: all. */
  readonly predictors: readonly string[] | null;
  /** Among SENT_TYPES. */
  readonly types: readonly string[];
  /** An event that is older and still fails is given up, milliseconds. */
  readonly giveUpMs: number;
}

export function concerns({ predictors }: Pick<Webhook, 'predictors'>, predictor: string): boolean {
  return predictors === null || predictors.includes(predictor);
}

/** What may be shown: the rest of a URL can be a secret. */
export function originOf({ url }: Webhook): string {
  return new URL(url).origin;
}

/** First and longest pause between two attempts, milliseconds; each failure doubles it. */
const PAUSE_MS = 1_000;
const PAUSE_LIMIT_MS = 300_000;
/** A receiver may ask for a longer pause, but not for more than this, milliseconds. */
const ASKED_LIMIT_MS = 3_600_000;

/**
 * How long to wait before the next attempt, milliseconds.
 * @param failures in a row, from 1
 * @param askedMs what the receiver asked for in Retry-After; null: nothing
 * @param random in [0, 1): receivers that come back are not met by everybody at once
 */
export function pauseMs(failures: number, askedMs: number | null, random: number): number {
  const pause = Math.min(PAUSE_MS * 2 ** (failures - 1), PAUSE_LIMIT_MS) * (0.75 + random / 2);
  return Math.max(pause, Math.min(askedMs ?? 0, ASKED_LIMIT_MS));
}

/**
 * The API keys in memory, so that to know a caller costs a look-up and a hash. The copy is read again in the
 * background while it is in use, so that a key that was made or revoked by another instance counts within
 * seconds. No request reads the store by itself.
 */
import { ACCESS_STREAM, foldKeys, type KeyState } from '../event/access.js';
import { Problem } from '../problem.js';
import type { EventStore } from '../store/event-store.js';
import { ANYBODY, type Caller } from './caller.js';
import { comparable, hashOf, isSecretOf, newToken, type Token, tokenOf, tokenText } from './token.js';

/** A copy in use is read again after this long, milliseconds. */
const FRESH_MS = 2_000;
/** Requests wait for the reading when the copy is older, as after an idle night, milliseconds, */
const STALE_MS = 10_000;
/** but no longer than this: while the store is away, the keys that are known count on. */
const WAIT_LIMIT_MS = 1_000;

interface Held {
  caller: Caller;
  hash: Buffer;
  expiresAt: number | null;
  revokedAt: number | null;
}

export interface KeyRingOptions {
  /** Whether everybody may do everything while there is no key: on loopback only. */
  openWithoutKeys: boolean;
  onError: (error: unknown) => void;
}

export class KeyRing {
  private held = new Map<string, Held>();
  /** A key of this process alone, for the command that started it. */
  private own: Held | null = null;
  private lookedAt = -Infinity;
  private reading: Promise<void> | null = null;
  private overdue: Promise<void> | null = null;

  constructor(
    private readonly store: Pick<EventStore, 'readStream'>,
    private readonly options: KeyRingOptions,
  ) {}

  /** Reads the keys now, whatever is known; they hold everything appended before the call. */
  async readAgain(): Promise<void> {
    // A reading under way may have begun before what the caller knows of.
    if (this.reading !== null) await this.reading.catch(() => {});
    await (this.reading ?? this.read(Date.now()));
  }

  /** Whether a key was ever made. A revoked or expired one does not open the service again. */
  get isEmpty(): boolean {
    return this.held.size === 0 && this.own === null;
  }

  /** Keys that are good now. */
  usable(now: number): number {
    return [...this.held.values()].filter((key) => refusalOf(key, now) === null).length;
  }

  /** Whether no key is asked for. */
  get isOpen(): boolean {
    return this.options.openWithoutKeys && this.isEmpty;
  }

  /** Makes a key that only this process knows, and that dies with it. */
  ownKey(): string {
    const token = newToken();
    const caller: Caller = { ...ANYBODY, keyId: token.id };
    this.own = { caller, hash: comparable(hashOf(token.secret)), expiresAt: null, revokedAt: null };
    return tokenText(token);
  }

  /**
   * Keeps the copy young.
   * @returns what to wait for before the copy may be used; null nearly always
   */
  refresh(now: number): Promise<void> | null {
    const age = now - this.lookedAt;
    if (age <= FRESH_MS || this.reading !== null) return this.overdue;
    const reading = this.read(now).catch(this.options.onError);
    if (age > STALE_MS) this.overdue = limited(reading).then(() => void (this.overdue = null));
    return this.overdue;
  }

  /** The reading under way, for whoever brings a key that is not known yet. */
  get underWay(): Promise<void> | null {
    return this.reading === null ? null : limited(this.reading);
  }

  /**
   * The caller behind an Authorization header; undefined when its key is not known.
   * @throws Problem unauthenticated
   */
  callerOf(authorization: string | undefined, now: number): Caller | undefined {
    if (authorization === undefined) {
      throw unauthenticated('This needs an API key. Send it as "Authorization: Bearer assay_...".', false);
    }
    const token = tokenOf(authorization);
    if (token === null) {
      const detail = 'The Authorization header holds no API key. Send "Authorization: Bearer assay_...".';
      throw unauthenticated(detail, true);
    }
    const key = this.keyOf(token);
    if (key === undefined || !isSecretOf(token.secret, key.hash)) return undefined;
    const refusal = refusalOf(key, now);
    if (refusal !== null) throw unauthenticated(refusal, true);
    return key.caller;
  }

  private keyOf({ id }: Token): Held | undefined {
    return this.own?.caller.keyId === id ? this.own : this.held.get(id);
  }

  private read(now: number): Promise<void> {
    this.lookedAt = now;
    this.reading = this.store
      .readStream(ACCESS_STREAM)
      .then((events) => {
        this.held = new Map([...foldKeys(events)].map(([id, state]) => [id, heldOf(state)]));
      })
      .finally(() => (this.reading = null));
    return this.reading;
  }
}

function heldOf({ keyId, hash, scopes, predictors, expiresAt, revokedAt }: KeyState): Held {
  const limits = predictors === null ? null : new Set(predictors);
  const caller: Caller = { keyId, scopes: new Set(scopes), predictors: limits };
  return { caller, hash: comparable(hash), expiresAt, revokedAt };
}

function refusalOf({ revokedAt, expiresAt }: Held, now: number): string | null {
  if (revokedAt !== null) return 'This API key was revoked. Use another one.';
  if (expiresAt !== null && expiresAt <= now) return 'This API key has expired. Use another one.';
  return null;
}

/** @param wasGiven whether the request carried credentials at all (RFC 6750, section 3.1) */
export function unauthenticated(detail: string, wasGiven: boolean): Problem {
  const challenge = `Bearer realm="assay"${wasGiven ? ', error="invalid_token"' : ''}`;
  return new Problem('unauthenticated', detail, { headers: { 'www-authenticate': challenge } });
}

/** Settles with the work, but within the limit, and never fails. */
async function limited(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, WAIT_LIMIT_MS)));
  await Promise.race([work.catch(() => {}), limit]);
  clearTimeout(timer);
}

/**
 * Makes, lists and revokes API keys. They are events of one stream, so that every store keeps them, and every
 * instance of the service sees the same ones.
 */
import { v7 as uuidv7 } from 'uuid';
import {
  ACCESS_STREAM,
  foldKeys,
  KEY_CREATED,
  KEY_REVOKED,
  type KeyCreated,
  type KeyState,
} from '../event/access.js';
import { newEvent, type NewEvent } from '../event/envelope.js';
import { invalidRequest, Problem } from '../problem.js';
import { type EventStore, NO_STREAM } from '../store/event-store.js';
import type { CreateKeyRequest } from './keys.dto.js';
import { hashOf, newToken, tokenText } from './token.js';

/** Attempts before a writer that always finds another one ahead of it gives up. */
const ATTEMPTS = 10;

/** A key as it is shown: everything but its hash. */
export interface KeyDocument {
  id: string;
  name: string;
  scopes: string[];
  predictors: string[] | null;
  createdAt: string;
  expiresAt: string | null;
  revokedAt: string | null;
}

/** The one answer that holds the key itself. */
export interface CreatedKey extends KeyDocument {
  key: string;
}

export class AccessKeys {
  constructor(private readonly store: EventStore) {}

  /** @throws Problem invalid-request, conflict */
  async create(request: CreateKeyRequest): Promise<CreatedKey> {
    const now = Date.now();
    const token = newToken();
    const data: KeyCreated = {
      keyId: token.id,
      name: request.name,
      hash: hashOf(token.secret),
      scopes: [...request.scopes],
      ...(request.predictors === undefined ? {} : { predictors: [...request.predictors] }),
      ...(request.expiresAt === undefined ? {} : { expiresAt: expiry(request.expiresAt, now) }),
    };
    requireUnlimitedAdmin(request);
    const keys = await this.append((before) => {
      requireFirstAdmin(before, request);
      if (before.has(token.id)) throw new Problem('conflict', 'Two keys were given the same id. Try again.');
      return newEvent(KEY_CREATED, { id: uuidv7(), occurredAt: now, predictor: null }, data);
    });
    return { ...keyDocument(keys.get(token.id) as KeyState), key: tokenText(token) };
  }

  /** All there ever were, oldest first. */
  async list(): Promise<KeyDocument[]> {
    const keys = foldKeys(await this.store.readStream(ACCESS_STREAM));
    return [...keys.values()].map(keyDocument);
  }

  /**
   * Revoking one that is revoked changes nothing.
   * @throws Problem unknown-key
   */
  async revoke(keyId: string): Promise<void> {
    await this.append((keys) => {
      const key = keys.get(keyId);
      if (key === undefined)
        throw new Problem('unknown-key', `There is no key "${keyId}". \`assay keys list\` shows all.`);
      if (key.revokedAt !== null) return null;
      return newEvent(KEY_REVOKED, { id: uuidv7(), occurredAt: Date.now(), predictor: null }, { keyId });
    });
  }

  /** Reads the keys, lets `decide` say what follows, appends it; once more when another writer was faster. */
  private async append(
    decide: (keys: Map<string, KeyState>) => NewEvent | null,
  ): Promise<Map<string, KeyState>> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const events = await this.store.readStream(ACCESS_STREAM);
      const keys = foldKeys(events);
      const event = decide(keys);
      if (event === null) return keys;
      const revision = events.at(-1)?.revision ?? NO_STREAM;
      const result = await this.store.append(ACCESS_STREAM, revision, [event]);
      if (result.kind === 'appended' || result.kind === 'duplicate')
        return foldKeys([...events, ...result.events]);
    }
    throw new Problem('conflict', 'The keys are being changed by others all the time. Try again.');
  }
}

function expiry(text: string, now: number): number {
  const expiresAt = Date.parse(text);
  if (expiresAt > now) return expiresAt;
  throw invalidRequest([{ pointer: '/expiresAt', detail: 'must lie in the future' }]);
}

/** Whoever makes keys could make one without the limit. */
function requireUnlimitedAdmin({ scopes, predictors }: CreateKeyRequest): void {
  if (predictors === undefined || !scopes.includes('admin')) return;
  const detail = 'must be left out with the scope admin, which is never limited';
  throw invalidRequest([{ pointer: '/predictors', detail }]);
}

/** From the first key on every request needs one: without an admin nobody could make a second. */
function requireFirstAdmin(keys: Map<string, KeyState>, { scopes }: CreateKeyRequest): void {
  if (keys.size > 0 || scopes.includes('admin')) return;
  const detail = 'must include admin for the first key, or nobody could make the next one';
  throw invalidRequest([{ pointer: '/scopes', detail }]);
}

function keyDocument(key: KeyState): KeyDocument {
  const time = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());
  return {
    id: key.keyId,
    name: key.name,
    scopes: key.scopes,
    predictors: key.predictors,
    createdAt: new Date(key.createdAt).toISOString(),
    expiresAt: time(key.expiresAt),
    revokedAt: time(key.revokedAt),
  };
}

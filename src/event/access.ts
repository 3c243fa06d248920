/** What happened to API keys: created, revoked, and what a stream of both comes to. Holds hashes, never a key. */
import { payloadOf, type StoredEvent } from './envelope.js';

/** The one stream of all keys. Its events never leave the service, and none come in from outside. */
export const ACCESS_STREAM = 'access-keys';

export const KEY_CREATED = 'assay.access.key_created';
export const KEY_REVOKED = 'assay.access.key_revoked';

/** What a key may do; `admin` is all of it and the keys themselves. */
export const SCOPES = ['predict', 'correct', 'deploy', 'read', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

export interface KeyCreated {
  keyId: string;
  /** For people. */
  name: string;
  /** SHA-256 of the key's secret, hexadecimal. */
  hash: string;
  scopes: Scope[];
  /** The only predictors it is good for; left out: all. */
  predictors?: string[];
  /** From then on it is refused, milliseconds; left out: never. */
  expiresAt?: number;
}

export interface KeyRevoked {
  keyId: string;
}

/** A key as its events have left it. */
export interface KeyState {
  keyId: string;
  name: string;
  hash: string;
  scopes: Scope[];
  /** Null: all. */
  predictors: string[] | null;
  createdAt: number;
  /** Null: never. */
  expiresAt: number | null;
  /** Null while it was not. */
  revokedAt: number | null;
}

/** All keys there ever were, by id, oldest first. */
export function foldKeys(events: readonly StoredEvent[]): Map<string, KeyState> {
  const keys = new Map<string, KeyState>();
  for (const event of events) {
    if (event.type === KEY_CREATED) {
      const { keyId, name, hash, scopes, predictors, expiresAt } = payloadOf<KeyCreated>(event);
      keys.set(keyId, {
        keyId,
        name,
        hash,
        scopes,
        predictors: predictors ?? null,
        createdAt: event.occurredAt,
        expiresAt: expiresAt ?? null,
        revokedAt: null,
      });
    }
    if (event.type === KEY_REVOKED) {
      const key = keys.get(payloadOf<KeyRevoked>(event).keyId);
      if (key !== undefined) key.revokedAt ??= event.occurredAt;
    }
  }
  return keys;
}

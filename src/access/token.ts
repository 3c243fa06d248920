/**
 * An API key as its holder has it: `assay_<id>_<secret>`. The prefix lets scanners of leaked secrets find it,
 * the id is no secret and names it in lists.
 *
 * What is kept is the secret's SHA-256. Slow hashes are for passwords, which can be guessed: to guess one of
 * 2^192 random secrets is hopeless at any speed, and a slow hash would be paid by every request.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

const ID_BYTES = 6;
/** 192 bits. */
const SECRET_BYTES = 24;

const BEARER = /^bearer +assay_([0-9a-f]{12})_([0-9a-f]{48})$/i;
/** For tools that can be given a URL only, http://any:KEY@host: the key is the password. */
const BASIC = /^basic +([a-z0-9+/]{1,200}={0,2})$/i;

export interface Token {
  id: string;
  secret: string;
}

export function newToken(): Token {
  return { id: randomBytes(ID_BYTES).toString('hex'), secret: randomBytes(SECRET_BYTES).toString('hex') };
}

export function tokenText({ id, secret }: Token): string {
  return `assay_${id}_${secret}`;
}

/** The key in an Authorization header, or null when none of ours is in it. */
export function tokenOf(authorization: string): Token | null {
  const basic = BASIC.exec(authorization);
  const given = basic === null ? authorization : bearerIn(basic[1] as string);
  const found = BEARER.exec(given);
  return found === null ? null : { id: found[1] as string, secret: found[2] as string };
}

function bearerIn(credentials: string): string {
  const text = Buffer.from(credentials, 'base64').toString('latin1');
  return `bearer ${text.slice(text.indexOf(':') + 1)}`;
}

/** What is kept of a secret. */
export function hashOf(secret: string): string {
  return hash('sha256', secret, 'hex');
}

/** Takes as long wherever the two differ. */
export function isSecretOf(secret: string, kept: Buffer): boolean {
  return timingSafeEqual(Buffer.from(hashOf(secret), 'latin1'), kept);
}

/** A kept hash in the form that `isSecretOf` compares. */
export function comparable(kept: string): Buffer {
  return Buffer.from(kept, 'latin1');
}

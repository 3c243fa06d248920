/** Subjects leave the request only as keyed hashes: equal ones stay equal, and nobody reads a name. */
import { createHmac } from 'node:crypto';

const PREFIX = 'hmac:';
/** Prefix and 43 characters of base64url: 256 bits. */
const HASHED = /^hmac:[A-Za-z0-9_-]{43}$/;

/** Hashes that are remembered: the same people ask again, and a look-up costs a tenth of a hash. */
const REMEMBERED = 10_000;

export class Subjects {
  private readonly known = new Map<string, string>();

  /** @param secret ASSAY_SUBJECT_SECRET; another secret makes the same person another subject */
  constructor(private readonly secret: string) {}

  /** HMAC-SHA-256 of the subject. One that is hashed already (an export that comes back in) stays as it is. */
  hash(subject: string): string {
    if (HASHED.test(subject)) return subject;
    const known = this.known.get(subject);
    if (known !== undefined) return known;
    const hashed = PREFIX + createHmac('sha256', this.secret).update(subject).digest('base64url');
    if (this.known.size === REMEMBERED) this.known.clear();
    this.known.set(subject, hashed);
    return hashed;
  }
}

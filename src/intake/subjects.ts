/** Subjects leave the request only as keyed hashes: equal ones stay equal, and nobody reads a name. */
import { createHmac } from 'node:crypto';

const PREFIX = 'hmac:';
/** Prefix and 43 characters of base64url: 256 bits. */
const HASHED = /^hmac:[A-Za-z0-9_-]{43}$/;

export class Subjects {
  /** @param secret ASSAY_SUBJECT_SECRET; another secret makes the same person another subject */
  constructor(private readonly secret: string) {}

  /** HMAC-SHA-256 of the subject. One that is hashed already (an export that comes back in) stays as it is. */
  hash(subject: string): string {
    if (HASHED.test(subject)) return subject;
    return PREFIX + createHmac('sha256', this.secret).update(subject).digest('base64url');
  }
}

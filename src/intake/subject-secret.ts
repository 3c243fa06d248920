/** The key under which subjects are hashed, when the operator gave none: made once, kept beside the events. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Configuration } from '../configuration.js';

const FILE = 'subject-secret';

export function subjectSecret({ subjectSecret: given, store }: Configuration): string {
  if (given !== null) return given;
  // The configuration is refused before that.
  if (store.kind !== 'sqlite') throw new Error('there is no file beside which a secret could be kept');
  const path = join(dirname(store.path), FILE);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const secret = randomBytes(32).toString('base64url');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  return secret;
}

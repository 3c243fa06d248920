/**
 * Which version answers a subject: weighted rendezvous hashing. The same key always gets the same version
 * while the split stands, and a changed split moves only the keys that it must.
 *
 * Each version draws u in (0, 1) from a hash of (key, version); the largest -share / ln(u) wins, which is
 * version v with probability share(v).
 * Source: Schindelhauer and Schomaker, "Weighted distributed hash tables" (SPAA 2005), the logarithmic method.
 */
import { hash } from 'node:crypto';
import type { Split } from '../event/predictor.js';

/**
 * @param split version -> share, shares sum to 1
 * @param key the subject's hash, or the prediction's id where there is no subject
 * @throws Error when no version has a share
 */
export function chooseVersion(split: Split, key: string): string {
  let chosen: string | undefined;
  let best = -Infinity;
  for (const version in split) {
    const share = split[version] ?? 0;
    if (share <= 0) continue;
    if (share >= 1) return version;
    const score = -share / Math.log(drawOf(key, version));
    if (score > best) {
      best = score;
      chosen = version;
    }
  }
  if (chosen === undefined) throw new Error('no version has a share of the traffic');
  return chosen;
}

/** Uniform in (0, 1), from the first 52 bits of SHA-256. */
function drawOf(key: string, version: string): number {
  const digest = hash('sha256', `${key}\n${version}`, 'hex');
  return (parseInt(digest.slice(0, 13), 16) + 0.5) / 2 ** 52;
}

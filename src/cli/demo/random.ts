/**
 * Chance for the demo, all of it from one seed: the same seed gives the same texts, users and delays.
 *
 * sfc32 (Chris Doty-Humphrey, PractRand), seeded through FNV-1a; good enough for a simulation, not for secrets.
 */

/** Uniform in [0, 1). */
export type Random = () => number;

/** An independent source for each combination of parts, e.g. `randomOf(seed, 'user', 17)`. */
export function randomOf(...parts: (string | number)[]): Random {
  const text = parts.join('\u0000');
  let [a, b, c] = [hash(text, 1), hash(text, 2), hash(text, 3)];
  let counter = 1;
  const next = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < 12; round++) next();
  return next;
}

function hash(text: string, salt: number): number {
  let value = 0x811c9dc5 ^ Math.imul(salt, 0x9e3779b1);
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value | 0;
}

/** One of a list that is not empty. */
export function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)] as T;
}

/** A shuffled copy (Fisher and Yates). */
export function shuffled<T>(list: readonly T[], random: Random): T[] {
  const result = [...list];
  for (let index = result.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [result[index], result[other]] = [result[other] as T, result[index] as T];
  }
  return result;
}

/** Log-normal by its median (same unit as the result) and the spread of its logarithm; Box and Muller. */
export function logNormal(median: number, spread: number, random: Random): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return median * Math.exp(spread * normal);
}

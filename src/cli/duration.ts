/** Durations as people write them: 90s, 30m, 6h, 90d. */
import { InvalidArgumentError } from 'commander';

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * For an option's value; a number without a unit means seconds.
 * @returns seconds
 */
export function seconds(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('Give a duration such as 90s, 30m, 6h or 90d.');
  return Number(number) * (UNITS[unit || 's'] ?? 1);
}

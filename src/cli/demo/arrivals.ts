/** When users ask: at random, by the rhythm of their day. */
import type { Random } from './random.js';

const HOUR = 3_600_000;
const STEP = 300_000;

/** Busiest hour of the day (UTC), and how much busier or quieter than the mean it gets: (0 = never, 1 = twice). */
const PEAK_HOUR = 15;
const SWING = 0.6;

/** `count` times within [from, to), milliseconds, ascending. */
export function arrivals(from: number, to: number, count: number, random: Random): number[] {
  const steps = Math.ceil((to - from) / STEP);
  const cumulated: number[] = [];
  let sum = 0;
  for (let step = 0; step < steps; step++) {
    sum += intensity(from + (step + 0.5) * STEP);
    cumulated.push(sum);
  }
  const marks = Array.from({ length: count }, () => random() * sum).sort((a, b) => a - b);
  let step = 0;
  return marks.map((mark) => {
    while ((cumulated[step] ?? Infinity) <= mark) step++;
    const before = cumulated[step - 1] ?? 0;
    const within = (mark - before) / ((cumulated[step] ?? mark + 1) - before);
    return Math.min(Math.floor(from + (step + within) * STEP), to - 1);
  });
}

function intensity(at: number): number {
  const hour = (at / HOUR) % 24;
  return 1 + SWING * Math.cos(((hour - PEAK_HOUR) / 24) * 2 * Math.PI);
}

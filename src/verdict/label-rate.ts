/** How fast labels come in, to say about how long a verdict will take. */
import type { Block } from './blocks.js';

/** Of the canary's time so far, the last part that counts: traffic and habits of its beginning are past. */
const RECENT = 1 / 4;

/** Time span over which labels are counted, milliseconds. */
export interface CanaryTime {
  startedAt: number;
  asOf: number;
}

/** Labels of the canary per second in cells that closed lately; 0 when there were none. */
export function labelRate(blocks: readonly Block[], { startedAt, asOf }: CanaryTime): number {
  const since = asOf - (asOf - startedAt) * RECENT;
  let labels = 0;
  for (const block of blocks) {
    if (block.kind !== 'labels' || block.closesAt <= since) continue;
    labels += block.canary.right + block.canary.wrong;
  }
  return asOf > since ? (1000 * labels) / (asOf - since) : 0;
}

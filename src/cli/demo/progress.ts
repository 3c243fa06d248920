/** How far the demo is: a bar on a terminal, a line for each quarter elsewhere. */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  add(more: number): void;
  /** Leaves the bar as it stands. */
  end(): void;
}

const QUARTERS = 4;

export function startProgress(total: number, what = 'predictions'): Progress {
  return process.stdout.isTTY ? bar(total, what) : lines(total, what);
}

function bar(total: number, what: string): Progress {
  const single = new SingleBar(
    { format: `   {bar} {percentage} % | {value} of {total} ${what} | {eta_formatted} left` },
    Presets.shades_classic,
  );
  single.start(total, 0);
  return { add: (more) => single.increment(more), end: () => single.stop() };
}

function lines(total: number, what: string): Progress {
  let done = 0;
  let told = 0;
  return {
    add(more) {
      done += more;
      const quarter = Math.floor((done / total) * QUARTERS);
      if (quarter === told) return;
      told = quarter;
      console.log(`   ${count(done)} of ${count(total)} ${what}`);
    },
    end: () => undefined,
  };
}

export function count(number: number): string {
  return Math.round(number).toLocaleString('en');
}

/** How far the replay is: a bar on a terminal, a line for each quarter elsewhere. */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  add(predictions: number): void;
  /** Leaves the bar as it stands. */
  end(): void;
}

const QUARTERS = 4;

export function startProgress(total: number): Progress {
  return process.stdout.isTTY ? bar(total) : lines(total);
}

function bar(total: number): Progress {
  const single = new SingleBar(
    { format: '   {bar} {percentage} % | {value} of {total} predictions | {eta_formatted} left' },
    Presets.shades_classic,
  );
  single.start(total, 0);
  return { add: (predictions) => single.increment(predictions), end: () => single.stop() };
}

function lines(total: number): Progress {
  let done = 0;
  let told = 0;
  return {
    add(predictions) {
      done += predictions;
      const quarter = Math.floor((done / total) * QUARTERS);
      if (quarter === told) return;
      told = quarter;
      console.log(`   ${count(done)} of ${count(total)} predictions`);
    },
    end: () => undefined,
  };
}

export function count(number: number): string {
  return Math.round(number).toLocaleString('en');
}

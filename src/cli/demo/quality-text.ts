/** Accuracy and coverage by version, for people. */
import type { Interval } from '../../quality/intervals.js';
import { table } from '../health-text.js';
import { count } from './progress.js';
import type { Truth } from './replay.js';

/** What is read of the answer to GET /v1/predictors/{predictor}/quality. */
export interface QualityAnswer {
  series: {
    version: string;
    total: {
      predictions: number;
      labelled: number;
      coverage: number | null;
      accuracy: number | null;
      accuracyInterval: Interval | null;
      accuracyAt5: number | null;
    };
  }[];
}

const HEADER = [
  'version',
  'learnt from',
  'predictions',
  'labelled',
  'coverage',
  'accuracy of the labelled',
  '95 % interval',
  'in first 5',
  'in truth',
];

/**
 * @param learns what each version has learnt from
 * @param truth how often it was right, labelled or not
 */
export function qualityText(
  { series }: QualityAnswer,
  learns: (version: string) => string,
  truth: ReadonlyMap<string, Truth>,
): string {
  const rows = series.map(({ version, total }) => {
    const known = truth.get(version);
    return [
      version,
      learns(version),
      count(total.predictions),
      count(total.labelled),
      percent(total.coverage),
      percent(total.accuracy),
      between(total.accuracyInterval),
      percent(total.accuracyAt5),
      percent(known === undefined ? null : known.right / known.asked),
    ];
  });
  return table([HEADER, ...rows]).join('\n');
}

function between(interval: Interval | null): string {
  return interval === null ? '-' : `${percent(interval.low)} to ${percent(interval.high)}`;
}

function percent(share: number | null): string {
  return share === null ? '-' : `${(share * 100).toFixed(1)} %`;
}

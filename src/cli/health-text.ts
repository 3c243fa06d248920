/** Canary health for people: the verdict in words, and what every check has found. */
import type { Verdict } from '../event/predictor.js';
import type { Check } from '../verdict/checks.js';
import type { LabelSummary } from '../verdict/labels-seen.js';

/** What GET /v1/predictors/{predictor}/canary answers. */
export interface HealthAnswer {
  predictor: string;
  baseline: string;
  canary: string;
  startedAt: string;
  verdict: Verdict;
  reason: string;
  decidedAt: string | null;
  asOf: string;
  lagSeconds: number;
  labelsNeeded?: number;
  checks: Check[];
  labels: { baseline: LabelSummary; canary: LabelSummary };
}

export function healthText(health: HealthAnswer): string {
  const { predictor, baseline, canary, verdict, reason, labels } = health;
  return [
    `${predictor}: canary ${canary} against ${baseline} since ${minute(health.startedAt)}, as of ${minute(health.asOf)}`,
    `Verdict: ${verdict.toUpperCase()}${health.decidedAt === null ? '' : ` (reached ${minute(health.decidedAt)})`}`,
    reason,
    '',
    ...table([HEADER, ...health.checks.map(checkRow)]),
    '',
    ...[[baseline, labels.baseline] as const, [canary, labels.canary] as const].map(([version, summary]) =>
      labelLine(version, summary),
    ),
    ...(health.labelsNeeded === undefined
      ? []
      : [
          `About ${Math.ceil(health.labelsNeeded).toLocaleString('en')} more labels of ${canary} are needed.`,
        ]),
  ].join('\n');
}

const HEADER = ['check', 'status', 'evidence', 'needed', 'canary/baseline', '95 % interval', 'subjects'];

function checkRow({
  name,
  status,
  evidence,
  threshold,
  estimate,
  interval,
  baseline,
  canary,
}: Check): string[] {
  return [
    name,
    status,
    magnitude(evidence),
    magnitude(threshold),
    estimate === null ? '-' : estimate.toFixed(3),
    interval === null ? '-' : `${interval[0].toFixed(3)} to ${interval[1].toFixed(3)}`,
    `${Math.round(baseline.n).toLocaleString('en')} / ${Math.round(canary.n).toLocaleString('en')}`,
  ];
}

function labelLine(version: string, { n, coverage, accuracy }: LabelSummary): string {
  const labelled = coverage === null ? 'none labelled' : `${(coverage * 100).toFixed(1)} % labelled`;
  const right = accuracy === null ? '' : `, ${(accuracy * 100).toFixed(1)} % of the labels right`;
  return `${version}: ${n.toLocaleString('en')} subjects per bucket added up, ${labelled}${right}`;
}

function magnitude(value: number): string {
  if (value >= 1e6) return value.toExponential(1);
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 1 ? 1 : 3);
}

function minute(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')} UTC`;
}

/** Columns as wide as their widest cell; numbers to the right. */
export function table(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}

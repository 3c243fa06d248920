/** Canary health for people: the verdict in words, and what every check has found, on a terminal or in Markdown. */
import sparkly from 'sparkly';
import type { CheckName } from '../event/policy.js';
import type { Verdict } from '../event/predictor.js';
import { type Check, isAlarm, isAnswered } from '../verdict/checks.js';
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
  /** How long that takes at the present rate of labels. */
  secondsNeeded?: number;
  checks: Check[];
  /** At most with which probability a canary that does no harm is rolled back. */
  alpha: { rollback: number };
  /** The evidence at moments in the past, oldest first. */
  timeline: { at: string; evidence: Record<CheckName, number> }[];
  labels: { baseline: LabelSummary; canary: LabelSummary };
  ramp: RampAnswer | null;
}

/** Where the ramp stands. */
export interface RampAnswer {
  shares: number[];
  share: number;
  nextShare: number | null;
  waitsFor: string | null;
}

export function healthText(health: HealthAnswer): string {
  const { predictor, baseline, canary, verdict, reason, labels } = health;
  return [
    `${predictor}: canary ${canary} against ${baseline} since ${minute(health.startedAt)}, as of ${minute(health.asOf)}`,
    `Verdict: ${verdict.toUpperCase()}${health.decidedAt === null ? '' : ` (reached ${minute(health.decidedAt)})`}`,
    reason,
    '',
    ...table([HEADER, ...health.checks.map((check) => checkRow(check, health))]),
    'evidence over time: from 1 (says nothing) up to what is needed (full height), on a logarithmic scale',
    ...notes(health),
    '',
    ...[[baseline, labels.baseline] as const, [canary, labels.canary] as const].map(([version, summary]) =>
      labelLine(version, summary),
    ),
    ...(health.ramp === null ? [] : [rampLine(health.ramp)]),
  ].join('\n');
}

/** For the comment on a pull request. */
export function healthMarkdown(health: HealthAnswer): string {
  const { predictor, baseline, canary, verdict, reason, labels } = health;
  const rows = health.checks.map((check) => {
    const [name, , ...cells] = checkRow(check, health);
    return `| ${[`${mark(check)} \`${name}\``, ...cells].join(' | ')} |`;
  });
  return [
    `### ${predictor}: ${VERDICT_MARK[verdict]} ${verdict} ${canary}`,
    '',
    reason,
    '',
    `<details><summary>Every check, ${canary} against ${baseline}, as of ${minute(health.asOf)}</summary>`,
    '',
    `| ${['check', ...HEADER.slice(2)].join(' | ')} |`,
    '| --- | --: | --: | --- | --: | --: | --: |',
    ...rows,
    '',
    ...notes(health).map((note) => `- ${note}`),
    `- ${labelLine(baseline, labels.baseline)}`,
    `- ${labelLine(canary, labels.canary)}`,
    ...(health.ramp === null ? [] : [`- ${rampLine(health.ramp)}`]),
    '',
    '</details>',
  ].join('\n');
}

/** What the table cannot say: the risk that all alarms add up to, and what could not be counted. */
function notes({ checks, alpha, baseline, canary }: HealthAnswer): string[] {
  const count = (n: number) => n.toLocaleString('en');
  const leftOut = checks.flatMap(({ name, baseline: b, canary: c }) =>
    (b.leftOut ?? 0) + (c.leftOut ?? 0) > 0
      ? [
          `${name}: left out ${count(b.leftOut ?? 0)} predictions of ${baseline} and ${count(c.leftOut ?? 0)} of ${canary}, which have no number from 0 to 1 there`,
        ]
      : [],
  );
  return [
    `a canary that does no harm is rolled back in at most ${percent(alpha.rollback)} % of releases`,
    ...leftOut,
  ];
}

const VERDICT_MARK: Record<Verdict, string> = {
  promote: '✅',
  rollback: '❌',
  hold: '⏳',
  insufficient: '⏳',
};

function mark(check: Check): string {
  if (check.status === 'waived') return '➖';
  if (!isAnswered(check)) return check.status === 'pending' ? '⏳' : '✅';
  return isAlarm(check.name) ? '❌' : '✅';
}

const HEADER = [
  'check',
  'status',
  'evidence',
  'needed',
  'over time',
  'canary/baseline',
  '95 % interval',
  'subjects',
];

function checkRow(
  { name, status, evidence, threshold, estimate, interval, baseline, canary }: Check,
  { timeline }: HealthAnswer,
): string[] {
  return [
    name,
    status,
    magnitude(evidence),
    magnitude(threshold),
    sparkline(
      timeline.map((point) => point.evidence[name] ?? 1),
      threshold,
    ),
    estimate === null ? '-' : estimate.toFixed(3),
    interval === null ? '-' : `${interval[0].toFixed(3)} to ${interval[1].toFixed(3)}`,
    `${Math.round(baseline.n).toLocaleString('en')} / ${Math.round(canary.n).toLocaleString('en')}`,
  ];
}

/** Moments shown in a line of a table. */
const SPARKS = 16;

/** The way of the evidence from 1 to the threshold, in its logarithm; below 1 counts as 1. */
function sparkline(evidence: readonly number[], threshold: number): string {
  const step = Math.max(1, evidence.length / SPARKS);
  const count = Math.min(SPARKS, evidence.length);
  const shown = Array.from(
    { length: count },
    (_, index) => evidence[evidence.length - 1 - Math.floor((count - 1 - index) * step)] ?? 1,
  );
  const heights = shown.map(
    (value) => Math.log(Math.max(1, Math.min(value, threshold))) / Math.log(threshold),
  );
  return sparkly(heights, { minimum: 0, maximum: 1 });
}

function rampLine({ shares, share, nextShare, waitsFor }: RampAnswer): string {
  const steps = shares.map((step) => `${percent(step)} %`).join(', ');
  const next = nextShare === null ? 'the promotion' : `${percent(nextShare)} %`;
  const wait = waitsFor === null ? 'due now' : `waits for ${waitsFor}`;
  return `ramp ${steps}: at ${percent(share)} % now; next is ${next}, which ${wait.startsWith('due') ? `is ${wait}` : wait}`;
}

function percent(share: number): string {
  return (share * 100).toFixed(2).replace(/\.?0+$/, '');
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

export function minute(time: string): string {
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

/**
 * Every statement that the service can send to BigQuery, with slots in the place of what is written into its
 * text. The local server answers nothing else: what is missing here fails the suite.
 */
import { PROJECTION } from '#assay/projection/views.js';
import { seriesStatement, totalsStatement } from '#assay/quality/questions.js';
import { bucketsStatement, predictedAtStatement } from '#assay/verdict/cells.js';
import { pairsStatement, speedStatement } from '#assay/verdict/challenger-pairs.js';
import { adapterStatements, type ListedStatement } from '#assay/warehouse/warehouse.bigquery.statements.js';

const RANGE = { predictor: 'STRING', from: 'INT64', to: 'INT64' } as const;
const BUCKETS = {
  predictor: 'STRING',
  baseline: 'STRING',
  canary: 'STRING',
  since: 'INT64',
  labelsSince: 'INT64',
} as const;

/** A slot of adapter statements; letters only, so that it may be a part of a table's name. */
const slot = (name: string): string => `SLOT${name}END`;

/** As many age bins as a policy may have. */
const BINS = Array.from({ length: 15 }, (_, index) => index + 1);

/** Numbers that stand for those of a policy. Their thousandfold appears where seconds become milliseconds. */
const NUMBER_SLOT = 970_000;
export const SLOTS = /SLOT([a-z]+)END|\b(97\d{4})(?:000)?\b/gi;

/** How many scores of /cost, /quality, ... the policies of tests have. */
const SCORES = [{ from: '/cost' }, { from: '/quality' }];

/** All of a canary's buckets, some of them, and those of single predictions. */
function buckets(bins: number, latencyLimitMs: number | undefined, scores = 0): ListedStatement[] {
  const policy = {
    rightWithin: NUMBER_SLOT + 1,
    bucketSeconds: NUMBER_SLOT + 2,
    ageEdgesSeconds: Array.from({ length: bins + 1 }, (_, index) => NUMBER_SLOT + 10 + index),
    ...(latencyLimitMs === undefined ? {} : { latencyLimitMs }),
    scores: SCORES.slice(0, scores),
  };
  const name = `canary-buckets-${bins}${latencyLimitMs === undefined ? '' : '-latency'}-${scores}`;
  return [
    { name, statement: bucketsStatement(policy), parameters: BUCKETS },
    {
      name: `${name}-some`,
      statement: bucketsStatement(policy, true),
      parameters: { ...BUCKETS, from: 'INT64', buckets: 'STRING' },
    },
  ];
}

const CHALLENGER = { predictor: 'STRING', challenger: 'STRING', since: 'INT64' } as const;

function pairs(rightWithin: number): ListedStatement {
  const policy = { rightWithin, bucketSeconds: NUMBER_SLOT + 2, labelWindowSeconds: NUMBER_SLOT + 4 };
  return {
    name: `challenger-pairs-${rightWithin === 1 ? 'first' : 'within'}`,
    statement: pairsStatement(policy),
    parameters: { ...CHALLENGER, baseline: 'STRING', skewedSince: 'INT64' },
  };
}

const questions: ListedStatement[] = [
  pairs(1),
  pairs(NUMBER_SLOT + 1),
  { name: 'challenger-speed', statement: speedStatement, parameters: CHALLENGER },
  ...(['hour', 'day'] as const).flatMap((interval) => [
    { name: `quality-series-${interval}`, statement: seriesStatement(interval, false), parameters: RANGE },
    {
      name: `quality-series-${interval}-version`,
      statement: seriesStatement(interval, true),
      parameters: { ...RANGE, version: 'STRING' as const },
    },
  ]),
  { name: 'quality-totals', statement: totalsStatement(false), parameters: RANGE },
  {
    name: 'quality-totals-version',
    statement: totalsStatement(true),
    parameters: { ...RANGE, version: 'STRING' },
  },
];

/** With slots: to recognise a statement by. */
export function templates(): ListedStatement[] {
  const literals = {
    generation: slot('generation'),
    next: slot('next'),
    sealedTo: slot('sealedTo'),
    upTo: slot('upTo'),
    tailFrom: slot('tailFrom'),
    streamsFrom: slot('streamsFrom'),
  };
  return [
    ...adapterStatements(PROJECTION, literals),
    ...questions,
    ...BINS.flatMap((bins) => [...buckets(bins, undefined), ...buckets(bins, NUMBER_SLOT + 3)]),
    ...SCORES.flatMap((_, k) => buckets(6, undefined, k + 1)),
    {
      name: 'predicted-at',
      statement: predictedAtStatement,
      parameters: { predictor: 'STRING', ids: 'STRING' },
    },
  ];
}

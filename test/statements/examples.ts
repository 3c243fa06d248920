/** For each rule of storage-rules.ts, statements that break it and are correct GoogleSQL all the same. */
import type { ParameterTypes } from '../googlesql/zetasql.js';

export interface Example {
  breaks: RegExp;
  sql: string;
  parameters?: ParameterTypes;
}

const LONG = `SELECT '${'x'.repeat(1_000_000)}' AS x`;
const view = (select: string) => `CREATE VIEW \`assay.v\` AS ${select}`;
const table = (columns: string, rest: string) => `CREATE TABLE \`assay.t\` (${columns}) ${rest}`;

export const EXAMPLES: readonly Example[] = [
  { breaks: /partitioned by one column/, sql: table('a STRING', 'PARTITION BY a') },
  { breaks: /partitioned by one column/, sql: table('a TIMESTAMP', 'PARTITION BY a') },
  { breaks: /partitioned by one column/, sql: table('a INT64', 'PARTITION BY TIMESTAMP_MILLIS(a)') },
  { breaks: /partitioned by one column/, sql: table('a DATE, b DATE', 'PARTITION BY a, b') },
  { breaks: /only a partitioned table/, sql: table('a DATE', 'OPTIONS (require_partition_filter = TRUE)') },
  {
    breaks: /up to 4 columns/,
    sql: table('a INT64, b INT64, c INT64, d INT64, e INT64', 'CLUSTER BY a, b, c, d, e'),
  },
  { breaks: /up to 4 columns/, sql: table('a BYTES', 'CLUSTER BY a') },
  { breaks: /up to 4 columns/, sql: table('a STRING', 'CLUSTER BY a, a') },
  { breaks: /up to 4 columns/, sql: table('a STRING', 'CLUSTER BY SUBSTR(a, 1)') },
  { breaks: /filter of constants/, sql: 'SELECT position FROM `assay.events`' },
  { breaks: /filter of constants/, sql: 'SELECT position FROM `assay.events` WHERE position > 5' },
  {
    breaks: /filter of constants/,
    sql: 'SELECT position FROM `assay.events` WHERE recorded_at >= (SELECT MAX(tail_from) FROM `assay.assay_projection`)',
  },
  {
    breaks: /filter of constants/,
    sql: 'SELECT position FROM `assay.events` WHERE recorded_at >= CURRENT_TIMESTAMP() OR position > 5',
  },
  {
    breaks: /filter of constants/,
    sql: 'SELECT position FROM `assay.events` WHERE recorded_at >= occurred_at',
  },
  {
    breaks: /filter of constants/,
    sql: 'SELECT position FROM `assay.events` WHERE UNIX_MILLIS(recorded_at) >= @from',
    parameters: { from: 'INT64' },
  },
  {
    breaks: /filter of constants/,
    sql: 'SELECT a.position FROM `assay.events` AS a JOIN `assay.events` AS b ON a.stream = b.stream WHERE a.recorded_at >= TIMESTAMP_MILLIS(0)',
  },
  { breaks: /filter of constants/, sql: 'DELETE FROM `assay.events` WHERE position > 5' },
  { breaks: /shorter than 1 MB/, sql: LONG },
  { breaks: /shorter than 1 MB/, sql: view(`SELECT '${'x'.repeat(256_000)}' AS x`) },
  {
    breaks: /looks at nothing outside/,
    sql: 'SELECT (SELECT MAX(c.revision) FROM `assay.corrections` AS c WHERE c.prediction_id = p.prediction_id) AS x FROM `assay.predictions` AS p',
  },
  {
    breaks: /an outer join compares/,
    sql: 'SELECT p.label FROM `assay.predictions` AS p LEFT JOIN `assay.corrections` AS c ON c.position > p.position',
  },
  {
    breaks: /an outer join compares/,
    sql: 'SELECT p.label FROM `assay.predictions` AS p JOIN `assay.corrections` AS c ON c.position = p.position AND c.label IN (SELECT version FROM `assay.deployments`)',
  },
  { breaks: /put together/, sql: 'SELECT 1 AS x EXCEPT ALL SELECT 2 AS x' },
  { breaks: /one of BigQuery/, sql: 'SELECT ARRAY_INCLUDES([1], 1) AS x' },
  { breaks: /is asked for/, sql: 'SELECT 1 AS x', parameters: { from: 'INT64' } },
  { breaks: /a name of its own/, sql: view('SELECT 1 AS _PARTITIONTIME') },
  { breaks: /a name of its own/, sql: view('SELECT 1 AS `day-time`') },
  {
    breaks: /columns of their names/,
    sql: 'INSERT INTO `assay.schema_migrations` (name, applied_at) SELECT label, predicted_at FROM `assay.predictions`',
  },
];

/** One slip in a statement as it is sent, and how the analyser words it. */
export const SLIPS: readonly (readonly [string, string, string, RegExp])[] = [
  ['create-events', 'recorded_at, DAY', 'recorded_on, DAY', /recorded_on/],
  ['create-events', 'require_partition_filter', 'required_partition_filter', /required_partition_filter/],
  ['create-events', 'payload JSON', 'payload JASON', /JASON/],
  ['create-view-labels', 'c.corrected_at', 'c.corrected_on', /corrected_on/],
  ['create-view-prediction_outcomes', 'p.latency_ms,', 'p.latency,', /latency/],
  ['create-view-accuracy_daily', "outcome = 'right'", 'outcome = 0', /No matching signature/],
  [
    'create-view-predictions',
    'candidates, latency_ms, pinned',
    'latency_ms, candidates, pinned',
    /UNION ALL/,
  ],
  ['keys-between', '@position', '@place', /place/],
  ['keys-between', 'GROUP BY stream, revision', 'GROUP BY stream', /neither grouped nor aggregated/],
  ['latest-progress', 'ORDER BY ordinal', 'ORDER BY ordinals', /ordinals/],
  ['inventory', 'BIT_XOR(digest)', 'BIT_XOR(hour)', /No matching signature/],
  ['forget-hour', 'recorded_at < TIMESTAMP_MILLIS(@to)', 'recorded_at < @to', /No matching signature/],
  ['expire-predictions', 'TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 7 DAY)', "'soon'", /TIMESTAMP/],
  [
    'totals',
    'APPROX_QUANTILES(latency_ms, 1000)[OFFSET(500)]',
    'quantile_disc(latency_ms, 0.5)',
    /quantile_disc/,
  ],
  ['canary buckets, default', 'NOT p.pinned', 'NOT p.predictor', /No matching signature/],
];

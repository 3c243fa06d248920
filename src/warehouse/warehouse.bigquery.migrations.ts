/**
 * Brings a dataset up to what this service expects. BigQuery's DDL knows no transactions: each statement may be
 * run again, and a migration that broke off is run from its beginning.
 */
import { randomUUID } from 'node:crypto';
import type { BigQuery } from '@google-cloud/bigquery';
import { Umzug } from 'umzug';
import type { StorageDialect } from './warehouse.bigquery.dialect.js';
import { isMissing, isThereAlready } from './warehouse.bigquery.failure.js';
import type { Jobs } from './warehouse.bigquery.jobs.js';
import { type Progress, progressOf, type ProgressRow } from './warehouse.bigquery.progress.js';
import type { BigQueryPlace } from './warehouse.bigquery.place.js';
import {
  beginProgress,
  createEvents,
  createMigrations,
  createProgress,
  createSealed,
  type StorageStatement,
} from './warehouse.bigquery.schema.js';
import {
  addColumn,
  fillColumn,
  latestProgress,
  METADATA,
  migrationDone,
  migrationsRun,
} from './warehouse.bigquery.statements.js';
import { type Parameters, type Projection, UnusableWarehouse } from './warehouse.js';

interface Step {
  statement: StorageStatement;
  parameters?: Parameters;
}

interface Migration {
  name: string;
  /** What to run, given what is there. */
  steps: (where: MigrationPlace) => Step[] | Promise<Step[]>;
}

/** In the order in which they are run; one that was released stays as it is. */
function migrations({ derivations }: Projection): Migration[] {
  return [
    {
      name: '0001-events-and-derived-rows',
      steps: () => [
        { statement: createEvents },
        { statement: createProgress },
        ...derivations.map((derivation) => ({ statement: createSealed(derivation, 1, 0) })),
        { statement: beginProgress, parameters: { incarnation: randomUUID(), now: Date.now() } },
      ],
    },
    {
      name: '0002-metadata-of-predictions',
      steps: async (where) => {
        const { generation } = await progressNow(where);
        return derivations
          .filter(({ name }) => name === 'predictions')
          .flatMap((predictions) => [
            { statement: addColumn(predictions, generation, METADATA) },
            { statement: fillColumn(predictions, generation, 'prediction_id', METADATA.name) },
          ]);
      },
    },
    {
      name: '0003-shadows',
      steps: async (where) => {
        const { generation, sealedTo } = await progressNow(where);
        return derivations
          .filter(({ name }) => name === 'shadows')
          .map((derivation) => ({ statement: createSealed(derivation, generation, sealedTo) }));
      },
    },
  ];
}

/** Whose tables hold the derived rows, and up to where. */
async function progressNow(where: MigrationPlace): Promise<Progress> {
  const [row] = await run<ProgressRow>(where, { statement: latestProgress });
  if (row === undefined) throw new Error('the table assay_projection is empty');
  return progressOf(row);
}

export interface MigrationPlace {
  client: BigQuery;
  jobs: Jobs;
  place: BigQueryPlace;
  sql: StorageDialect;
  projection: Projection;
}

/**
 * Creates the dataset if it is not there, and runs the migrations that have not been run.
 * @throws UnusableWarehouse when the dataset is another application's, or of a newer service
 */
export async function migrate(where: MigrationPlace): Promise<void> {
  const known = migrations(where.projection);
  const done = await migrationsDone(where);
  unlessNewer(done, known, where.place);
  const umzug = new Umzug({
    logger: undefined,
    migrations: known.map(({ name, steps }) => ({
      name,
      up: async () => {
        for (const step of await steps(where)) await run(where, step);
      },
    })),
    storage: {
      executed: () => Promise.resolve(done),
      logMigration: async ({ name }) => {
        await run(where, { statement: migrationDone, parameters: { name, now: Date.now() } });
      },
      unlogMigration: () => Promise.reject(new Error('migrations are not taken back')),
    },
  });
  await umzug.up();
}

function run<Row>({ jobs, sql }: MigrationPlace, { statement, parameters }: Step): Promise<Row[]> {
  return jobs.run<Row>({
    purpose: 'migration',
    text: statement(sql).trim(),
    kind: 'upkeep',
    ...(parameters === undefined ? {} : { parameters }),
  });
}

/** Names of what was run; none in a dataset that has just been created. */
async function migrationsDone(where: MigrationPlace): Promise<string[]> {
  try {
    const rows = await run<{ name: string }>(where, { statement: migrationsRun });
    return rows.map(({ name }) => name);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await createDataset(where);
    await run(where, { statement: createMigrations });
    return [];
  }
}

async function createDataset({ client, place, projection }: MigrationPlace): Promise<void> {
  const { dataset, location } = place;
  try {
    await client.createDataset(dataset, { location });
  } catch (error) {
    if (!isThereAlready(error)) throw error;
    await unlessForeign(client, place, projection);
  }
}

/** Tables under our names without our migrations are somebody else's. */
async function unlessForeign(client: BigQuery, place: BigQueryPlace, projection: Projection): Promise<void> {
  const ours = ['events', ...[...projection.derivations, ...projection.views].map(({ name }) => name)];
  const [tables] = await client.dataset(place.dataset).getTables();
  const taken = tables.map(({ id }) => id).filter((id) => id !== undefined && ours.includes(id));
  if (taken.length === 0) return;
  throw new UnusableWarehouse(
    `The dataset ${place.project}.${place.dataset} holds ${taken.join(', ')}, but not of this service. Name ` +
      'another dataset in ASSAY_WAREHOUSE: it is created and filled from the event store',
  );
}

function unlessNewer(done: string[], known: { name: string }[], place: BigQueryPlace): void {
  const newer = done.filter((name) => !known.some((migration) => migration.name === name));
  if (newer.length === 0) return;
  throw new UnusableWarehouse(
    `The dataset ${place.project}.${place.dataset} was brought to ${newer.at(-1)} by a newer service: ` +
      'upgrade this one, or name another dataset in ASSAY_WAREHOUSE',
  );
}

/**
 * A warehouse in memory for the simulation: the tables, views and questions of the service, filled straight
 * from a made-up world, or, to see that this makes no difference, through events and their derivation.
 */
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { PROJECTION } from '#assay/projection/views.js';
import { type BucketRow, readBuckets } from '#assay/verdict/cells.js';
import { judgeCanary, type Judgement } from '#assay/verdict/verdict.js';
import { duckdb } from '#assay/warehouse/sql.js';
import type { Parameters, Statement } from '#assay/warehouse/warehouse.js';
import { appendEvents, rows } from '#assay/warehouse/warehouse.duckdb.rows.js';
import { AFTER, CREATE_TABLES, fileSchema, UP_TO } from '#assay/warehouse/warehouse.duckdb.schema.js';
import { toColumns } from '#assay/warehouse/warehouse.duckdb.columns.js';
import { beginOf, bucketOf, inputOf, policyOf, STARTED_AT, type World } from './canary-world.js';
import { eventsOf, type Filed } from './world-events.js';
import { type ArrivalRow, LABELS_BY_ARRIVAL, labelsByArrival, type LabelsOfBucket } from './naive-rules.js';
import { correctionsOf, fatesOf, predictionsOf, saltOf, scheduleOf, type Stretch } from './world-rows.js';

const SCHEMA = fileSchema(PROJECTION);
const TABLES = ['predictions', 'corrections'] as const;
/** Beyond all that is ever recorded, milliseconds. */
const FOREVER = Date.UTC(2100, 0, 1);

export class SimWarehouse {
  private scheduled: World | null = null;
  private readonly pace = new Pace();

  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
  ) {}

  static async open(): Promise<SimWarehouse> {
    // One thread each: the simulation is spread over processes, and the order of sums stays the same.
    const instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '1GB' });
    const connection = await instance.connect();
    const settings = [`SET TimeZone = 'UTC'`, `SET default_null_order = 'nulls_first_on_asc_last_on_desc'`];
    const tables = SCHEMA.derived.map(({ name }) => `CREATE TABLE ${name}_sealed AS ${derivationOf(name)}`);
    for (const statement of [...settings, ...CREATE_TABLES, ...tables, ...SCHEMA.views]) {
      await connection.run(statement);
    }
    return new SimWarehouse(instance, connection);
  }

  query<Row>(statement: Statement, parameters: Parameters = {}): Promise<Row[]> {
    return rows<Row>(this.connection, statement(duckdb), parameters);
  }

  /**
   * Lives through a world once and judges it; the first verdict stands. Where everything is recorded as it
   * happens, the end is the only moment to ask, since the judge looks back at the end of each bucket by itself.
   * (Where a verdict is to be expected early it is asked early too: that saves living through the rest.)
   * @param name makes the draws differ from those of another scenario
   */
  async judge(world: World, seed: number, name: string, run: number): Promise<Judgement> {
    const salt = saltOf(seed, name, run);
    await this.empty(world);
    if (world.askedEvery !== null) return this.judgeAsKnown(world, salt, world.askedEvery);
    const look = this.pace.lookOf(name, world.buckets);
    await this.showAsDrawn(world);
    const early = look === null ? null : await this.judgeStretch(world, salt, { from: 0, to: look });
    const judgement =
      early !== null && bucketOf(early) !== null
        ? early
        : await this.judgeStretch(world, salt, { from: look ?? 0, to: world.buckets });
    this.pace.learn(name, bucketOf(judgement));
    return judgement;
  }

  private async judgeStretch(world: World, salt: bigint, stretch: Stretch): Promise<Judgement> {
    await this.draw(world, salt, stretch);
    return judgeCanary(inputOf(world, await this.buckets(world), stretch.to));
  }

  /** Asks again and again, each time with what had been recorded by then. */
  private async judgeAsKnown(world: World, salt: bigint, step: number): Promise<Judgement> {
    await this.draw(world, salt, { from: 0, to: world.buckets });
    for (let asked = step; ; asked += step) {
      await this.file(world, asked === step ? 0 : beginOf(asked - step), beginOf(asked));
      const judgement = judgeCanary(
        inputOf(world, await this.buckets(world), Math.min(asked, world.buckets)),
      );
      if (bucketOf(judgement) !== null || asked >= world.buckets) return judgement;
    }
  }

  /** Lives through a whole run; all that is ever recorded is in the tables then. */
  async live(world: World, seed: number, name: string, run: number): Promise<void> {
    await this.empty(world);
    await this.draw(world, saltOf(seed, name, run), { from: 0, to: world.buckets });
    await this.file(world, 0, FOREVER);
  }

  /** The same over a whole run, with its labels for the rules that look at other figures than the judge. */
  async judgeWithLabels(
    world: World,
    seed: number,
    name: string,
    run: number,
  ): Promise<{ judgement: Judgement; labels: LabelsOfBucket[] }> {
    await this.live(world, seed, name, run);
    const judgement = judgeCanary(inputOf(world, await this.buckets(world), world.buckets));
    const arrivals = await this.query<ArrivalRow>(() => LABELS_BY_ARRIVAL, { startedAt: STARTED_AT });
    return { judgement, labels: labelsByArrival(arrivals, world) };
  }

  /** The rows from which the judge of the service starts, by its own statement. */
  buckets(world: World): Promise<BucketRow[]> {
    return readBuckets(this, {
      predictor: 'p',
      baseline: 'v1',
      canary: 'v2',
      startedAt: STARTED_AT,
      policy: policyOf(world),
    });
  }

  /** Before a run: no rows, and the schedule of this world. */
  private async empty(world: World): Promise<void> {
    if (this.scheduled !== world) await this.connection.run(scheduleOf(world));
    this.scheduled = world;
    for (const table of TABLES) await this.connection.run(`TRUNCATE ${table}_sealed`);
    for (const view of SCHEMA.views) await this.connection.run(view);
  }

  /**
   * Puts the rows themselves in the place of the views of the tables: where all of them are there from the start,
   * to write them into tables first would take half of the time.
   */
  private async showAsDrawn(world: World): Promise<void> {
    for (const [name, select] of [
      ['predictions', predictionsOf(world)],
      ['corrections', correctionsOf(world)],
    ] as const) {
      const all = select.replaceAll('$from', '0').replaceAll('$to', String(FOREVER));
      await this.connection.run(`CREATE OR REPLACE VIEW ${name} AS ${all}`);
    }
  }

  /** Draws what happens in a stretch of a run; nothing is in the tables yet. */
  private async draw(world: World, salt: bigint, stretch: Stretch): Promise<void> {
    const fates = fatesOf(world, salt, stretch);
    if (stretch.from > 0) await this.connection.run(`INSERT INTO fates ${fates}`);
    else await this.connection.run(`CREATE OR REPLACE TEMP TABLE fates AS ${fates}`);
  }

  /** Puts into the tables what was recorded in [from, to), milliseconds. */
  private async file(world: World, from: number, to: number): Promise<void> {
    const bounds = { from: BigInt(from), to: BigInt(to) };
    await this.connection.run(`INSERT INTO predictions_sealed ${predictionsOf(world)}`, bounds);
    await this.connection.run(`INSERT INTO corrections_sealed ${correctionsOf(world)}`, bounds);
  }

  /**
   * Sends a run through `events` and the service's derivation, and compares with the tables filled directly.
   * @returns what differs, in words; empty when nothing does
   */
  async differencesThroughEvents(world: World, seed: number, name: string, run: number): Promise<string[]> {
    await this.live(world, seed, name, run);
    const directly = await this.buckets(world);
    const filed: Filed = {
      predictions: await rows(this.connection, 'SELECT * FROM predictions_sealed'),
      corrections: await rows(this.connection, 'SELECT * FROM corrections_sealed'),
    };
    for (const table of TABLES) {
      await this.connection.run(`CREATE OR REPLACE TEMP TABLE direct_${table} AS FROM ${table}_sealed`);
      await this.connection.run(`TRUNCATE ${table}_sealed`);
    }
    await this.connection.run('TRUNCATE events');
    await appendEvents(this.connection, toColumns(eventsOf(filed)), 0);
    const differences: string[] = [];
    for (const table of TABLES) {
      await this.connection.run(`INSERT INTO ${table}_sealed ${derivationOf(table, FOREVER)}`);
      differences.push(...(await this.differences(table)));
    }
    const derived = await this.buckets(world);
    if (JSON.stringify(derived) !== JSON.stringify(directly)) differences.push('the buckets differ');
    return differences;
  }

  private async differences(table: (typeof TABLES)[number]): Promise<string[]> {
    // Which event a row comes from and where that stands in the log is read by no question of the judge.
    const columns = `* EXCLUDE (event_id, position)`;
    const [direct, derived] = [`direct_${table}`, `${table}_sealed`];
    const count = async (one: string, other: string) => {
      const sql = `SELECT COUNT(*) AS n FROM (SELECT ${columns} FROM ${one} EXCEPT ALL SELECT ${columns} FROM ${other})`;
      return (await rows<{ n: number }>(this.connection, sql))[0]!.n;
    };
    const [missing, surplus] = [await count(direct, derived), await count(derived, direct)];
    return missing + surplus === 0
      ? []
      : [`${table}: ${missing} rows only without events, ${surplus} only with them`];
  }

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
  }
}

function derivationOf(name: string, upTo = 0): string {
  const table = SCHEMA.derived.find((derived) => derived.name === name)!;
  return table.select.replaceAll(AFTER, '0').replaceAll(UP_TO, String(upTo));
}

/** When verdicts of a scenario come, so that the next run is asked soon after most of them. */
class Pace {
  private readonly verdicts = new Map<string, number[]>();

  learn(name: string, bucket: number | null): void {
    const seen = this.verdicts.get(name) ?? [];
    seen.push(bucket ?? Infinity);
    this.verdicts.set(name, seen);
  }

  /** The bucket by which four of five have a verdict; null when that is too late to save time, or unknown. */
  lookOf(name: string, buckets: number): number | null {
    const seen = [...(this.verdicts.get(name) ?? [])].sort((a, b) => a - b);
    if (seen.length < 10) return null;
    const look = seen[Math.floor(seen.length * 0.8)]! + 1;
    return look <= buckets * 0.6 ? look : null;
  }
}

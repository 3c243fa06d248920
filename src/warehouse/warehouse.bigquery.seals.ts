/**
 * Derived rows and the views that show them: sealing, generations, and the views' definitions. Every step may be
 * repeated after a crash: a seal has job ids made of what it seals, and a row is seen once whether it is sealed
 * yet or not.
 */
import type { BigQuery } from '@google-cloud/bigquery';
import { compareDays, hourOf } from './digest.js';
import type { StorageDialect } from './warehouse.bigquery.dialect.js';
import { isMissing } from './warehouse.bigquery.failure.js';
import type { Jobs } from './warehouse.bigquery.jobs.js';
import type { BigQueryPlace } from './warehouse.bigquery.place.js';
import { type Progress, sealOf } from './warehouse.bigquery.progress.js';
import {
  createSealed,
  createView,
  type NamedView,
  type StorageStatement,
  viewsOf,
} from './warehouse.bigquery.schema.js';
import {
  daysDerived,
  daysSeen,
  dropSealed,
  expireSealed,
  sealRows,
  unseal,
} from './warehouse.bigquery.statements.js';
import type { Derivation, DerivedDay, DerivedDifference, Projection } from './warehouse.js';

const HOUR_MS = 3_600_000;

/** Tables that were derived anew, not in use yet. */
export interface Generation {
  number: number;
  /** Position up to which they hold rows. */
  upTo: number;
  /** The events behind that were recorded at this moment or later; the writer lowers it. */
  tailFrom: number;
}

export class Seals {
  constructor(
    private readonly client: BigQuery,
    private readonly place: BigQueryPlace,
    private readonly jobs: Jobs,
    private readonly sql: StorageDialect,
    private readonly projection: Projection,
  ) {}

  /** Writes the rows that the seal under way was to write. Safe to repeat, also in another process. */
  async writeRows(progress: Progress): Promise<void> {
    const { incarnation, generation, sealedTo, sealingTo } = progress;
    if (sealingTo === null) return;
    const id = (step: string, name: string) =>
      `assay_${step}_${name}_${incarnation}_${generation}_${sealedTo}_${sealingTo}`;
    await this.each(async (derivation) => {
      const { name } = derivation;
      await this.run('unseal', unseal(derivation, generation, sealedTo), id('unseal', name));
      await this.run(
        'seal',
        sealRows(derivation, { ...sealOf(progress), upTo: sealingTo }),
        id('seal', name),
      );
    });
  }

  /** Shows what the progress says. */
  async show(progress: Progress): Promise<void> {
    const names = new Set(this.projection.derivations.map(({ name }) => name));
    const views = viewsOf(this.projection, sealOf(progress)).filter(({ name }) => names.has(name));
    await Promise.all(views.map((view) => this.run('view', createView(view))));
  }

  /** The same, and every other view that is missing or says something else: of an older service, for one. */
  async mendViews(progress: Progress): Promise<void> {
    const views = viewsOf(this.projection, sealOf(progress));
    const there = await Promise.all(views.map(({ name }) => this.definition(name)));
    const wrong = views.filter((view, index) => there[index] !== view.select(this.sql).trim());
    // In their order: a view is checked against those it uses.
    for (const view of wrong) await this.run('view', createView(view));
  }

  /** Derives every table up to the acknowledged position, and compares it with what people see. */
  async derive(progress: Progress): Promise<{
    generation: Generation;
    rows: Record<string, number>;
    differences: DerivedDifference[];
  }> {
    const number = progress.generation + 1;
    const { position: upTo, tailFrom } = progress;
    const derived = await this.each(async (derivation) => {
      await this.run('drop', dropSealed(derivation, number));
      await this.run('derive', createSealed(derivation, number, upTo));
      const after = await this.days(derivation, daysDerived(derivation, number, upTo));
      const before = await this.days(derivation, daysSeen(derivation, sealOf(progress), upTo));
      const rows = after.reduce((sum, day) => sum + day.rows, 0);
      return { name: derivation.name, rows, differences: compareDays(before, after) };
    });
    return {
      generation: { number, upTo, tailFrom },
      rows: Object.fromEntries(derived.map(({ name, rows }) => [name, rows])),
      differences: derived.flatMap(({ differences }) => differences),
    };
  }

  /** Brings a derived generation up to the acknowledged position. */
  async complete({ number, upTo, tailFrom }: Generation, { position, ...rest }: Progress): Promise<void> {
    if (position === upTo) return;
    const from = { ...rest, position, generation: number, sealedTo: upTo, tailFrom };
    await this.each((derivation) =>
      this.run('seal', sealRows(derivation, { ...sealOf(from), upTo: position })),
    );
  }

  async discard({ number }: Generation): Promise<void> {
    await this.each((derivation) => this.run('drop', dropSealed(derivation, number)));
  }

  /** Keeps the tables of a generation for a week more. */
  async expire(generation: number): Promise<void> {
    await this.each((derivation) => this.run('expire', expireSealed(derivation, generation)));
  }

  private each<T>(work: (derivation: Derivation) => Promise<T>): Promise<T[]> {
    return Promise.all(this.projection.derivations.map(work));
  }

  private async days({ name }: Derivation, statement: StorageStatement): Promise<DerivedDay[]> {
    const days = await this.run<{ day: string; n: number; checksum: string }>('compare', statement);
    return days.map(({ day, n, checksum }) => ({ table: name, day, rows: n, checksum }));
  }

  private async definition(view: NamedView['name']): Promise<string | null> {
    try {
      const table = this.client.dataset(this.place.dataset).table(view);
      await table.getMetadata();
      return ((table.metadata as { view?: { query?: string } }).view?.query ?? '').trim();
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  private run<Row>(purpose: string, statement: StorageStatement, id?: string): Promise<Row[]> {
    const text = statement(this.sql).trim();
    return this.jobs.run({ purpose, text, kind: 'upkeep', ...(id === undefined ? {} : { id }) });
  }
}

/**
 * From when on the events behind the last one are looked for: an hour before it, since clocks of several
 * instances differ, and an event of an earlier moment moves the bound first.
 */
export function tailBehind(recordedAt: number | null): number {
  return recordedAt === null ? 0 : hourOf(recordedAt) - HOUR_MS;
}

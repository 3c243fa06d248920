/** From the BigQuery text of a statement that is known to its DuckDB text; what is not known is refused. */
import { bigqueryStorage } from '#assay/warehouse/warehouse.bigquery.dialect.js';
import type { StorageStatement } from '#assay/warehouse/warehouse.bigquery.schema.js';
import { SLOTS, templates } from './catalogue.js';
import { twin } from './twin.js';

export interface Translation {
  /** Name of the statement in the catalogue. */
  name: string;
  text: string;
}

interface Template {
  name: string;
  pattern: RegExp;
  duckdb: string;
}

export class Translations {
  private readonly byDataset = new Map<string, Template[]>();
  private readonly taught: StorageStatement[] = [];

  constructor(private readonly project: string) {}

  /** A statement that is not the service's, a test's own question; of the service's own ones nothing is learnt. */
  teach(statement: StorageStatement): void {
    if (this.of(statement(bigqueryStorage(`${this.project}.any`)).trim()) === null)
      this.taught.push(statement);
  }

  /** @returns null for a statement that nobody knows */
  of(text: string): Translation | null {
    const dataset = new RegExp(`\`${this.project}\\.([^.\`]+)\\.`).exec(text)?.[1];
    if (dataset === undefined) return null;
    const sql = bigqueryStorage(`${this.project}.${dataset}`);
    const taught = this.taught.find((statement) => statement(sql).trim() === text);
    if (taught !== undefined) return { name: 'taught', text: taught(twin(dataset)) };
    for (const { name, pattern, duckdb } of this.templates(dataset)) {
      const match = pattern.exec(text);
      if (match !== null) return { name, text: filled(duckdb, match.groups ?? {}) };
    }
    return null;
  }

  private templates(dataset: string): Template[] {
    const known = this.byDataset.get(dataset);
    if (known !== undefined) return known;
    const sql = bigqueryStorage(`${this.project}.${dataset}`);
    const made = templates().map(({ name, statement }) => ({
      name,
      pattern: patternOf(statement(sql).trim()),
      duckdb: statement(twin(dataset)),
    }));
    this.byDataset.set(dataset, made);
    return made;
  }
}

const groupOf = (word: string | undefined, number: string | undefined) => word ?? `n${number}`;

/** Matches the text with anything that can stand in its slots, the same at every place of a slot. */
function patternOf(text: string): RegExp {
  const seen = new Set<string>();
  const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = escaped.replace(SLOTS, (found: string, word?: string, number?: string) => {
    // A number and its thousandfold are slots of their own.
    const group = groupOf(word, number === undefined ? undefined : found);
    if (seen.has(group)) return `\\k<${group}>`;
    seen.add(group);
    return `(?<${group}>[0-9TZ:.-]+)`;
  });
  return new RegExp(`^${pattern}$`);
}

function filled(text: string, values: Record<string, string>): string {
  return text.replace(SLOTS, (found: string, word?: string, number?: string) => {
    const value = values[groupOf(word, number === undefined ? undefined : found)];
    if (value === undefined) throw new Error(`nothing stands for ${found}`);
    return value;
  });
}

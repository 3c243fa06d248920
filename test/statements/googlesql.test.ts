/**
 * Every GoogleSQL statement that the service can send: analysed by ZetaSQL, checked for what BigQuery refuses
 * beyond that, and run beside DuckDB over the same log.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROJECTION } from '#assay/projection/views.js';
import { EventBuckets } from '#assay/warehouse/digest.js';
import { inventory, latestProgress } from '#assay/warehouse/warehouse.bigquery.statements.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import { binaryFor, binaryHere } from '../googlesql/platform.mjs';
import type { Row } from '../googlesql/values.js';
import { type Catalogue, StatementRefused, ZetaSql } from '../googlesql/zetasql.js';
import { after } from './catalogue.js';
import { type Answer, askedQuestions, BothEngines } from './evaluation.js';
import { ledger } from './columns.js';
import { EXAMPLES, SLIPS } from './examples.js';
import { eventRows, fixtureLog, isAcknowledged } from './fixtures.js';
import { firstToNotice, parametersOf, renamed, retyped, tableColumns } from './sabotage.js';
import { differingRows } from './same-rows.js';
import { DATASET, questions, sentStatements } from './statements.js';
import { type Analysed, breaches, filteredTables, type FilteredTables, RULES } from './storage-rules.js';
import { unlistedStatements } from './unlisted.js';

const LIST = 'test/statements/statements.ts';

describe('the list of statements', () => {
  it('ensures that it reaches every statement of the source', () => {
    expect(unlistedStatements(LIST)).toEqual([]);
  });

  it('ensures that it sees a statement that is missing', () => {
    const withoutList = unlistedStatements('test/histories.ts');
    expect(withoutList).toContain('src/quality/questions.ts totalsStatement');
    expect(withoutList).toContain('src/projection/derivations.ts corrections');
    expect(withoutList).toContain('src/projection/views.ts coverage');
    expect(withoutList).toContain('src/warehouse/warehouse.bigquery.statements.ts keysBetween');
    expect(withoutList.length).toBeGreaterThan(20);
  });
});

describe('the machine', () => {
  it('ensures that only machines without a binary go without the proof', () => {
    expect(binaryFor('linux', 'x64', true).binary).toBe('remote_server.so');
    expect(binaryFor('darwin', 'arm64', false).binary).toBe('remote_server_arm');
    expect(binaryFor('linux', 'x64', false).reason).toMatch(/another libc/);
    expect(binaryFor('win32', 'x64', false).reason).toMatch(/win32/);
  });
});

const { reason } = binaryHere();
if (reason !== null)
  process.stderr.write(`\nSKIPPED, the SQL for BigQuery is not proven here: ${reason}\n\n`);
const provable = reason === null ? describe : describe.skip;

provable(`GoogleSQL${reason === null ? '' : ` (not proven here: ${reason})`}`, () => {
  let zetasql: ZetaSql;
  let catalogue: Catalogue = new Map();
  let filtered: FilteredTables;
  const analysed: Analysed[] = [];
  const refused: string[] = [];

  beforeAll(async () => {
    zetasql = await ZetaSql.start();
    for (const statement of sentStatements()) {
      try {
        const node = await zetasql.analyse(statement.sql, catalogue, statement.parameters);
        catalogue = after(catalogue, node);
        analysed.push({ ...statement, node });
      } catch (error) {
        refused.push(`${statement.name}: ${String(error)}`);
      }
    }
    filtered = filteredTables(analysed);
  }, 60_000);

  afterAll(async () => zetasql?.stop());

  const named = (name: string): Analysed => {
    const found = analysed.find((statement) => statement.name === name);
    if (found === undefined) throw new Error(`no statement is called ${name}`);
    return found;
  };

  describe('every statement', () => {
    it('ensures that the analyser takes it', () => {
      expect(refused).toEqual([]);
      expect(analysed.length).toBeGreaterThan(50);
    });

    it('ensures that it takes every rendering under test/snapshots, too', async () => {
      const known = new Set(analysed.map(({ sql }) => sql.trim()));
      const parameters = Object.assign({}, ...analysed.map((one) => one.parameters)) as Record<
        string,
        string
      >;
      const files = readdirSync('test/snapshots', { recursive: true, encoding: 'utf8' });
      const wrong: string[] = [];
      for (const file of files.filter((name) => /^bigquery.*\.sql$|\.bigquery\.sql$/.test(name))) {
        const sql = readFileSync(join('test/snapshots', file), 'utf8').trim();
        if (known.has(sql)) continue;
        await zetasql
          .analyse(sql, catalogue, parameters)
          .catch((error) => wrong.push(`${file}: ${String(error)}`));
      }
      expect(wrong).toEqual([]);
    }, 30_000);

    it('ensures that tables, views and answers have the columns of the ledger', () => {
      const ledgerFile = new URL('./columns.txt', import.meta.url);
      if (process.env.UPDATE_SNAPSHOTS === '1') writeFileSync(ledgerFile, ledger(analysed));
      expect(ledger(analysed)).toBe(readFileSync(ledgerFile, 'utf8'));
    });

    it('ensures that it keeps to the rules of BigQuery that the analyser does not know', () => {
      expect(analysed.flatMap((statement) => breaches(statement, filtered))).toEqual([]);
      expect([...filtered]).toEqual([[`${DATASET}.events`, 'recorded_at']]);
    });

    it.each(EXAMPLES.map((example) => [example.breaks.source, example] as const))(
      'ensures that a breach is found: %s',
      async (_, { sql, parameters = {}, breaks }) => {
        const node = await zetasql.analyse(sql, catalogue, parameters);
        const found = breaches({ name: 'example', sql, parameters, node }, filtered);
        expect(found).not.toEqual([]);
        expect(found.filter((one) => !breaks.test(one))).toEqual([]);
      },
    );

    it('ensures that there is such an example for every rule', () => {
      const without = RULES.filter(({ name }) => !EXAMPLES.some(({ breaks }) => breaks.test(name)));
      expect(without).toEqual([]);
    });
  });

  describe('a mistake', () => {
    it.each(SLIPS)('ensures that it is refused in %s: %s written %s', async (name, right, wrong, message) => {
      const { sql, parameters } = named(name);
      expect(sql).toContain(right);
      const slipped = sql.replaceAll(right, wrong);
      await expect(zetasql.analyse(slipped, catalogue, parameters)).rejects.toThrow(message);
    });

    it('ensures that a column of another name is noticed, whichever it is', async () => {
      const columns = tableColumns(analysed, catalogue);
      expect(columns.length).toBeGreaterThan(60);
      expect(await unnoticed(columns, renamed)).toEqual([]);
    }, 60_000);

    it('ensures that a column of another type is noticed, whichever it is', async () => {
      // These two are only ever written out as text, which many types can be; the ledger of columns holds them.
      expect(await unnoticed(tableColumns(analysed, catalogue), retyped)).toEqual([
        `${DATASET}.events.schema_version`,
        `${DATASET}.events.payload_digest`,
      ]);
    }, 60_000);

    async function unnoticed(
      columns: (readonly [string, string])[],
      change: typeof renamed,
    ): Promise<string[]> {
      const found = await Promise.all(
        columns.map(async (column) => {
          const first = await firstToNotice(zetasql, analysed, filtered, column, change);
          return first === null ? [column.join('.')] : [];
        }),
      );
      return found.flat();
    }

    it('ensures that a parameter of another type is refused', async () => {
      const taken: string[] = [];
      for (const statement of analysed) {
        for (const parameter of parametersOf(statement)) {
          const type = statement.parameters[parameter] === 'STRING' ? 'INT64' : 'STRING';
          const parameters = { ...statement.parameters, [parameter]: type };
          await zetasql
            .analyse(statement.sql, catalogue, parameters)
            .then(() => taken.push(`${statement.name}: ${parameter}`))
            .catch((error) => expect(error).toBeInstanceOf(StatementRefused));
        }
      }
      expect(taken).toEqual([]);
    }, 60_000);
  });

  describe('both engines', () => {
    const log = fixtureLog();
    const events = eventRows(log);
    const folder = mkdtempSync(join(tmpdir(), 'assay-googlesql-'));
    const contents = new Map<string, readonly Row[]>([[`${DATASET}.events`, events]]);
    let warehouse: DuckDbWarehouse;
    let both: BothEngines;

    beforeAll(async () => {
      warehouse = await DuckDbWarehouse.open(join(folder, 'w.duckdb'), PROJECTION);
      await warehouse.append(log, 'end');
      both = new BothEngines(zetasql, catalogue, warehouse);
    });

    afterAll(async () => {
      await warehouse?.close();
      rmSync(folder, { recursive: true });
    });

    const expectSame = (googlesql: Answer, duckdb: Answer) => {
      expect(duckdb.rows.length).toBeGreaterThan(0);
      expect(differingRows(googlesql.rows, duckdb.rows)).toEqual([]);
      expect(googlesql.columns).toEqual(duckdb.columns);
    };

    // Each test leaves its rows for those after it: the evaluator knows tables, and no views.
    describe.each(PROJECTION.derivations)('on $name', (derivation) => {
      it.each([0, 200, log.length])(
        'ensures the same rows, sealed up to %i and derived behind',
        async (seenUpTo) => {
          expect(isAcknowledged(seenUpTo)).toBe(true);
          const tailFrom = new Date(log[seenUpTo]?.recordedAt ?? Date.UTC(2100, 0, 1)).toISOString();
          const split = { seenUpTo, sealedUpTo: seenUpTo + 40, tailFrom };
          const derived = await both.derived(derivation, events, split);
          expectSame(derived, await both.inDuckDb((sql) => `SELECT * FROM ${sql.table(derivation.name)}`));
          contents.set(`${DATASET}.${derivation.name}`, derived.rows);
        },
        60_000,
      );
    });

    it.each(PROJECTION.views)('ensures the same rows of the view $name', async ({ name, select }) => {
      const seen = await both.inGoogleSql(select, contents);
      expectSame(seen, await both.inDuckDb((sql) => `SELECT * FROM ${sql.table(name)}`));
      contents.set(`${DATASET}.${name}`, seen.rows);
    });

    it.each(askedQuestions())('ensures the same answer: $name', async ({ statement, parameters }) => {
      const answer = await both.inGoogleSql(statement, contents, parameters);
      expectSame(answer, await both.inDuckDb(statement, parameters));
    });

    it('ensures that every question is among them', () => {
      const asked = askedQuestions().map(({ name }) => name);
      expect(questions().filter(({ name }) => !asked.some((one) => one.startsWith(name)))).toEqual([]);
    });

    it('ensures that the events count once, with the checksums of the store', async () => {
      const buckets = new EventBuckets();
      for (const event of log) buckets.add(event);
      const counted = await both.inGoogleSql(inventory, contents, { position: log.length });
      expect(counted.rows).toEqual(buckets.list());
    });

    it('ensures that of rows of progress with the same ordinal all instances choose the same', async () => {
      const row = {
        generation: 1,
        sealed_to: 0,
        sealed_at: 0,
        tail_from: 0,
        events: 0,
        incarnation: 'a',
        position: 5,
      };
      const progress = [
        { ...row, ordinal: 1, position: 9 },
        { ...row, ordinal: 2, incarnation: 'b' },
        { ...row, ordinal: 2, incarnation: 'a' },
        { ...row, ordinal: 2, position: 4 },
      ];
      const latest = await both.inGoogleSql(
        latestProgress,
        new Map([[`${DATASET}.assay_projection`, progress]]),
      );
      expect(latest.rows).toEqual([expect.objectContaining({ ordinal: 2, position: 5, incarnation: 'a' })]);
    });
  });
});

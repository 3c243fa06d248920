import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { foldPrediction, outcomeOf, correctionInForce } from '#assay/event/prediction.js';
import { predictionOfStream, type StoredEvent } from '#assay/event/envelope.js';
import { PROJECTION } from '#assay/projection/views.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import type { Derivation, Statement } from '#assay/warehouse/warehouse.js';
import { anyOrder, DAY, deliveries, forSeconds, happenings, logOf, redelivered } from '../histories.js';

let folder: string;
let warehouse: DuckDbWarehouse;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'assay-derivation-'));
  warehouse = await DuckDbWarehouse.open(join(folder, 'w.duckdb'), PROJECTION);
});

afterAll(async () => {
  await warehouse.close();
  rmSync(folder, { recursive: true });
});

async function load(pieces: readonly StoredEvent[][]): Promise<void> {
  await warehouse.clear();
  for (const piece of pieces) await warehouse.append(piece, piece.at(-1)?.position ?? '0');
}

/** Rows that are in one SELECT and not in the other, each as often as it is. */
async function difference(a: Statement, b: Statement): Promise<unknown[]> {
  return warehouse.query(
    (sql) => `
      (SELECT 'only first' AS side, x.* FROM (${a(sql)} EXCEPT ALL ${b(sql)}) AS x)
      UNION ALL
      (SELECT 'only second' AS side, y.* FROM (${b(sql)} EXCEPT ALL ${a(sql)}) AS y)`,
  );
}

const everything = ({ select }: Derivation) => select({ after: '0' });

describe('sealing', () => {
  test('in any steps, with redeliveries, gives what one derivation of everything gives', async () => {
    await fc.assert(
      fc.asyncProperty(
        happenings(8),
        deliveries,
        fc.integer({ min: 0, max: 40 }),
        forSeconds(6, async (happened, steps, split) => {
          const log = logOf(happened);
          await load(redelivered(log, steps));
          expect((await warehouse.head()).events).toBe(log.length);
          for (const derivation of PROJECTION.derivations) {
            const view: Statement = (sql) => `SELECT * FROM ${sql.table(derivation.name)}`;
            expect(await difference(view, everything(derivation))).toEqual([]);
            const at = String(split);
            const sealedAndTail: Statement = (sql) =>
              `(SELECT * FROM (${derivation.select({ after: '0', upTo: at })(sql)}) UNION ALL ${derivation.select({ after: at })(sql)})`;
            expect(await difference(sealedAndTail, everything(derivation))).toEqual([]);
          }
          const { differences } = await warehouse.deriveGeneration();
          expect(differences).toEqual([]);
          await warehouse.swapGeneration();
        }),
      ),
      { numRuns: 12 },
    );
  });
});

interface OutcomeRow {
  prediction_id: string;
  status: string;
  outcome: string | null;
  truth_rank: number | null;
  true_label: string | null;
  labelled_at: number | null;
  first_rank: number | null;
  first_at: number | null;
  corrections: number;
}

const outcomes = () =>
  warehouse.query<OutcomeRow>(
    (sql) => `
    SELECT prediction_id, status, outcome, truth_rank, true_label, labelled_at, first_rank, first_at, corrections
    FROM ${sql.table('prediction_outcomes')} ORDER BY prediction_id`,
  );

describe('the outcome', () => {
  test('in SQL is that of the fold', async () => {
    await fc.assert(
      fc.asyncProperty(
        happenings(12),
        forSeconds(6, async (happened) => {
          const log = logOf(happened);
          await load([log]);
          expect(await outcomes()).toEqual(foldedOutcomes(log));
        }),
      ),
      { numRuns: 20 },
    );
  });

  test('does not depend on the order of arrival', async () => {
    // Times that differ, and one answer a prediction: revision decides nothing then.
    const apart = happenings(8).map((happened) => {
      const answered = new Set<string>();
      return happened
        .filter(({ stream, data }) => {
          if (!('input' in data)) return true;
          return !answered.has(stream) && answered.add(stream);
        })
        .map((happening, index) => ({ ...happening, occurredAt: happening.occurredAt + index * 10 }));
    });
    await fc.assert(
      fc.asyncProperty(
        apart.chain((happened) => fc.tuple(fc.constant(happened), anyOrder(happened))),
        forSeconds(6, async ([one, other]) => {
          await load([logOf(one)]);
          const expected = await outcomes();
          await load([logOf(other)]);
          expect(await outcomes()).toEqual(expected);
        }),
      ),
      { numRuns: 12 },
    );
  });
});

/** The rows of `prediction_outcomes`, by the TypeScript fold. */
function foldedOutcomes(log: StoredEvent[]): OutcomeRow[] {
  const streams = new Map<string, StoredEvent[]>();
  for (const event of log) streams.set(event.stream, [...(streams.get(event.stream) ?? []), event]);
  return [...streams]
    .flatMap(([stream, events]): OutcomeRow[] => {
      const state = foldPrediction(events);
      if (state.answer === null) return [];
      const outcome = outcomeOf(state);
      const standing = state.corrections.filter(({ retracted }) => !retracted);
      const [first] = [...standing].sort((a, b) => a.occurredAt - b.occurredAt || a.revision - b.revision);
      const firstOnly = first === undefined ? null : outcomeOf({ ...state, corrections: [first] });
      return [
        {
          prediction_id: predictionOfStream(stream) ?? '',
          status: state.answer.status,
          outcome: outcome?.status ?? null,
          truth_rank: outcome?.rank ?? null,
          true_label: outcome?.label ?? null,
          labelled_at: correctionInForce(state.corrections)?.occurredAt ?? null,
          first_rank: firstOnly?.rank ?? null,
          first_at: first?.occurredAt ?? null,
          corrections: standing.length,
        },
      ];
    })
    .sort((a, b) => (a.prediction_id < b.prediction_id ? -1 : 1));
}

describe('text', () => {
  test('of any kind comes out as it went in, and labels match only themselves', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    const distinct = fc.uniqueArray(text, { minLength: 2, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        distinct,
        text,
        fc.nat(),
        forSeconds(6, async (labels, comment, pick) => {
          const rank = pick % labels.length;
          const [label] = labels.slice(rank);
          const candidates = labels.map((one) => ({ label: one, confidence: 0.1 }));
          const stream = 'prediction-t';
          const common = { stream, predictor: 'p', occurredAt: DAY };
          const answer = {
            predictionId: 't',
            predictor: 'p',
            version: comment,
            input: comment,
            subject: comment,
            candidates,
          };
          const correction = { predictionId: 't', correctionId: 'c', label, comment };
          await load([
            logOf([
              { ...common, type: 'assay.prediction.recorded', data: answer },
              { ...common, type: 'assay.prediction.corrected', data: correction },
            ]),
          ]);
          const rows = await warehouse.query(
            (sql) => `
          SELECT o.version, o.subject, o.candidates, o.truth_rank, o.true_label, c.comment
          FROM ${sql.table('prediction_outcomes')} AS o
          JOIN ${sql.table('corrections')} AS c ON c.prediction_id = o.prediction_id`,
          );
          expect(rows).toEqual([
            {
              version: comment,
              subject: comment,
              candidates: candidates.map((candidate, index) => ({ rank: index, ...candidate })),
              truth_rank: rank,
              true_label: label,
              comment,
            },
          ]);
        }),
      ),
      { numRuns: 20 },
    );
  });
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { StoredEvent } from '#assay/event/envelope.js';
import { PROJECTION } from '#assay/projection/views.js';
import { type Block, closedBlocks } from '#assay/verdict/blocks.js';
import { BucketMemory } from '#assay/verdict/bucket-memory.js';
import { type BucketRow, type BucketsRequest, type CellPolicy, readBuckets } from '#assay/verdict/cells.js';
import { announcingWarehouse } from '#assay/warehouse/warehouse.announcing.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import type { Warehouse } from '#assay/warehouse/warehouse.js';
import { DAY, forSeconds, type Happening, happenings, logOf, redelivered } from '../histories.js';

let folder: string;
let warehouse: DuckDbWarehouse;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'assay-memory-'));
  warehouse = await DuckDbWarehouse.open(join(folder, 'w.duckdb'), PROJECTION);
});

afterAll(async () => {
  await warehouse.close();
  rmSync(folder, { recursive: true });
});

const policies: fc.Arbitrary<CellPolicy> = fc.record({
  rightWithin: fc.constant(1),
  bucketSeconds: fc.constantFrom(300, 450),
  ageEdgesSeconds: fc.constantFrom([0, 300], [0, 1, 300, 6000], [0, 300, 900, 2400, 6000, 18_000, 86_400]),
});

/** Pieces in which a log arrives, and how far the clock goes on after each, seconds. */
const arrivals = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 12 }),
    back: fc.constantFrom(0, 0, 2),
    seconds: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(0, 1, 59, 300, 450, 900) },
      { weight: 1, arbitrary: fc.constantFrom(3000, 90_000) },
    ),
  }),
  { minLength: 1, maxLength: 12 },
);

describe('the buckets that are remembered', () => {
  test('give the same closed cells as all of them read afresh, whatever comes late', async () => {
    let reads = 0;
    let partialReads = 0;
    const counting: Warehouse = new Proxy(warehouse, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (name !== 'query') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        return (statement: never, parameters: Record<string, unknown>) => {
          reads++;
          if ('buckets' in parameters) partialReads++;
          return target.query(statement, parameters as never);
        };
      },
    });
    await fc.assert(
      fc.asyncProperty(
        happenings(16),
        policies,
        arrivals,
        fc.constantFrom(DAY - 1000, DAY + 1),
        fc.boolean(),
        forSeconds(6, async (happened, policy, steps, startedAt, isOnTime) => {
          await warehouse.clear();
          const request = { predictor: 'p', baseline: 'v1', canary: 'v2', startedAt, policy };
          const memory = new BucketMemory(counting, request);
          const told = announcingWarehouse(warehouse, {
            appended: (events) => events.forEach((event) => memory.appended(event)),
            replaced: () => memory.forget(),
          });
          let asOf = startedAt;
          const inOrder = [...happened].sort((a, b) => a.occurredAt - b.occurredAt);
          const pieces = redelivered(logOf(isOnTime ? inOrder : happened), steps);
          for (const [i, piece] of pieces.entries()) {
            await told.append(piece, String(i));
            const seconds = steps[i % steps.length]?.seconds ?? 0;
            asOf = isOnTime ? Math.max(asOf, (piece.at(-1)?.occurredAt ?? 0) + 1) : asOf + seconds * 1000;
            expect(closed(await memory.rows(asOf), request, asOf)).toEqual(
              closed(await readBuckets(warehouse, request), request, asOf),
            );
          }
        }),
      ),
      { numRuns: 60 },
    );
    // It would hold just as well if everything were read each time.
    expect(partialReads).toBeGreaterThan(reads / 10);
  });

  test('know that who came back was no newcomer, when the first visit comes to light late', async () => {
    await warehouse.clear();
    const policy = { rightWithin: 1, bucketSeconds: 300, ageEdgesSeconds: [0, 300] };
    const request = { predictor: 'p', baseline: 'v1', canary: 'v2', startedAt: DAY, policy };
    const memory = new BucketMemory(warehouse, request);
    const visit = (id: string, seconds: number): Happening => ({
      stream: `prediction-${id}`,
      type: 'assay.prediction.recorded',
      occurredAt: DAY + seconds * 1000,
      predictor: 'p',
      data: { predictionId: id, predictor: 'p', version: 'v1', input: 'x', subject: 's', candidates: [] },
    });
    const [second, first] = logOf([visit('second', 700), visit('first', 10)]) as [StoredEvent, StoredEvent];
    const newcomers = async () =>
      (await memory.rows(DAY + 900_000)).map((row) => [row.bucket - DAY, row.newcomers]);
    await warehouse.append([second], '1');
    expect(await newcomers()).toEqual([[600_000, 1]]);
    await warehouse.append([first], '2');
    memory.appended(first);
    expect(await newcomers()).toEqual([[0, 1], [600_000, 0]]); // prettier-ignore
  });
});

function closed(rows: BucketRow[], request: BucketsRequest, asOf: number): object[] {
  const { bucketSeconds, ageEdgesSeconds } = request.policy;
  const splits = [{ at: DAY - 10_000, split: { v1: 0.5, v2: 0.5 } }];
  return closedBlocks(rows, { ...request, splits, bucketSeconds, ageEdgesSeconds, asOf }).map(counted);
}

/** The row of a bucket's traffic holds its labels as well, of open cells too. */
function counted(block: Block): object {
  if (block.kind === 'labels') return block;
  const { baseline, canary } = block;
  const traffic = [baseline, canary].map(
    ({ predictions, subjects, errors, timedSubjects, slow, newcomers }) => {
      return { predictions, subjects, errors, timedSubjects, slow, newcomers };
    },
  );
  return { ...block, baseline: traffic[0], canary: traffic[1] };
}

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { PROJECTION } from '#assay/projection/views.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';
import { UnusableWarehouse, WarehouseUnavailable } from '#assay/warehouse/warehouse.js';
import { DAY, logOf } from '../histories.js';
import { warehouseContract } from './warehouse.js';

warehouseContract('DuckDB', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'assay-warehouse-'));
  return {
    open: () => DuckDbWarehouse.open(join(folder, 'data', 'warehouse.duckdb'), PROJECTION),
    remove: async () => rmSync(folder, { recursive: true }),
  };
});

describe('the DuckDB file', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'assay-warehouse-'));
    path = join(folder, 'warehouse.duckdb');
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const open = () => DuckDbWarehouse.open(path, PROJECTION);
  const fingerprint = () => createHash('sha256').update(readFileSync(path)).digest('hex');

  /** Runs statements on the file behind the service's back. */
  async function tamper(...statements: string[]): Promise<void> {
    const instance = await DuckDBInstance.create(path);
    const connection = await instance.connect();
    for (const statement of statements) await connection.run(statement);
    connection.closeSync();
    instance.closeSync();
  }

  async function refused(): Promise<Error> {
    const before = fingerprint();
    const error = await open().then(
      () => new Error('it was opened'),
      (refusal: Error) => refusal,
    );
    expect(fingerprint()).toBe(before);
    expect(error.message).toContain(path);
    expect(error.message).toMatch(/ASSAY_WAREHOUSE|upgrade/);
    return error;
  }

  test('of an older service gets what it does not have, with the rows of its events', async () => {
    const shadow = { predictionId: 'a', predictor: 'p', version: 'v2', candidates: [{ label: 'A' }] };
    const about = { stream: 'prediction-a', occurredAt: DAY, predictor: 'p' };
    const log = logOf([{ ...about, type: 'assay.prediction.shadowed', data: shadow }]);
    const old = await open();
    await old.append(log, '1');
    await old.close();
    await tamper(
      'DROP VIEW shadows',
      'DROP TABLE shadows_sealed',
      'UPDATE assay_projection SET file_version = 1',
    );
    const warehouse = await open();
    const rows = await warehouse.query((sql) => `SELECT version, label FROM ${sql.table('shadows')}`);
    expect(rows).toEqual([{ version: 'v2', label: 'A' }]);
    expect((await warehouse.deriveGeneration()).differences).toEqual([]);
    await warehouse.close();
  });

  test('that is damaged is refused and stays as it is', async () => {
    writeFileSync(path, 'this is no database at all, '.repeat(1000));
    expect(await refused()).toBeInstanceOf(UnusableWarehouse);
  });

  test('of another program is refused and stays as it is', async () => {
    await tamper('CREATE TABLE theirs AS SELECT 1 AS x');
    const error = await refused();
    expect(error).toBeInstanceOf(UnusableWarehouse);
    expect(error.message).toMatch(/not of this service/);
  });

  test('of a newer version is refused and stays as it is', async () => {
    await (await open()).close();
    await tamper('UPDATE assay_projection SET file_version = 99');
    const error = await refused();
    expect(error).toBeInstanceOf(UnusableWarehouse);
    expect(error.message).toMatch(/version 99.*upgrade/);
  });

  test('of an older version is derived anew, with the metadata that it did not have', async () => {
    let warehouse = await open();
    const [first, ...others] = predictions(20);
    const payload = first!.payload.replace(/}$/, ',"metadata":{"cost":0.25,"note":"ü"}}');
    await warehouse.append([{ ...first!, payload }, ...others], '20');
    const all = (): Promise<unknown[]> =>
      warehouse.query((sql) => `SELECT * FROM ${sql.table('predictions')} ORDER BY position`);
    const before = await all();
    expect(before[0]).toMatchObject({ metadata: '{"cost":0.25,"note":"ü"}' });
    expect(before[1]).toMatchObject({ metadata: null });
    await warehouse.close();
    await tamper(
      'DROP VIEW prediction_outcomes',
      'ALTER TABLE predictions_sealed DROP COLUMN metadata',
      'UPDATE assay_projection SET file_version = 1',
    );
    warehouse = await open();
    expect(await all()).toEqual(before);
    expect(await warehouse.head()).toMatchObject({ checkpoint: '20', events: 20 });
    await warehouse.close();
    warehouse = await open();
    expect((await warehouse.deriveGeneration()).differences).toEqual([]);
    await warehouse.close();
  });

  test('that is a folder is refused', async () => {
    mkdirSync(path);
    await expect(open()).rejects.toThrow(/is a folder/);
  });

  test('is opened once in a process', async () => {
    const warehouse = await open();
    await expect(open()).rejects.toThrow(WarehouseUnavailable);
    await warehouse.close();
    await (await open()).close();
  });

  test('shows what differs from the derivation, and a rebuild mends it', async () => {
    let warehouse = await open();
    await warehouse.append(predictions(20), '20');
    await warehouse.close();
    await tamper(
      `DELETE FROM predictions_sealed WHERE prediction_id = 'p3'`,
      `UPDATE predictions_sealed SET version = 'v9' WHERE prediction_id = 'p4'`,
    );
    warehouse = await open();
    const { differences } = await warehouse.deriveGeneration();
    expect(differences).toMatchObject([
      { table: 'predictions', day: '2026-03-01', sealed: { rows: 19 }, derived: { rows: 20 } },
    ]);
    await warehouse.swapGeneration();
    expect((await warehouse.deriveGeneration()).differences).toEqual([]);
    await warehouse.close();
  });

  test('goes on when a payload cannot be read, and says which', async () => {
    const [good, bad, ugly] = predictions(3);
    if (good === undefined || bad === undefined || ugly === undefined)
      throw new Error('three events expected');
    const warehouse = await open();
    const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
    await warehouse.append(
      [
        good,
        { ...bad, payload: '{"version":"v1","candidates":[{"label":"\\ud800"}]}' },
        { ...ugly, payload: `{"version":"v1","input":${deep},"candidates":[]}` },
      ],
      '3',
    );
    const unreadable = await warehouse.query(
      (sql) => `SELECT event_id FROM ${sql.table('unreadable_events')}`,
    );
    expect(unreadable).toEqual([{ event_id: bad.id }]);
    const statuses = await warehouse.query(
      (sql) => `SELECT status FROM ${sql.table('predictions')} ORDER BY position`,
    );
    expect(statuses).toEqual([{ status: 'ok' }, { status: 'unreadable' }, { status: 'ok' }]);
    expect((await warehouse.deriveGeneration()).differences).toEqual([]);
    await warehouse.close();
  });

  describe('of a process that is killed', () => {
    test('is refused to a second process while it lives, and loses nothing acknowledged when it dies', async () => {
      const script = fileURLToPath(new URL('./appending.process.mjs', import.meta.url));
      const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      let acknowledged = 0;
      child.stdout.on('data', (text: Buffer) => {
        acknowledged = Number(text.toString().trim().split('\n').at(-1));
      });
      while (acknowledged < 5) await once(child.stdout, 'data');
      await expect(open()).rejects.toThrow(new RegExp(`${path} is in use by process ${child.pid}: stop it`));
      child.kill('SIGKILL');
      await once(child, 'exit');

      const warehouse = await open();
      const { events, checkpoint } = await warehouse.head();
      expect(Number(checkpoint)).toBeGreaterThanOrEqual(acknowledged);
      expect(events).toBe(Number(checkpoint) * 10);
      const [row] = await warehouse.query((sql) => `SELECT COUNT(*) AS n FROM ${sql.table('predictions')}`);
      expect(row).toEqual({ n: events });
      expect((await warehouse.deriveGeneration()).differences).toEqual([]);
      await warehouse.close();
    });
  });
});

function predictions(count: number) {
  return logOf(
    Array.from({ length: count }, (_, index) => ({
      stream: `prediction-p${index}`,
      type: 'assay.prediction.recorded',
      occurredAt: DAY,
      predictor: 'p',
      data: {
        predictionId: `p${index}`,
        predictor: 'p',
        version: 'v1',
        input: '',
        candidates: [{ label: 'A' }],
      },
    })),
  );
}

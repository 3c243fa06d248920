/** Two processes over one Firestore and one BigQuery, while the one that projects is killed under load. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { twoInstancesRun } from '../crash/two-instances.js';
import { smallServer } from '../firestore/given.js';
import { type Folder, temporaryFolder } from '../given.js';

let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => folder.remove());

it('loses nothing and doubles nothing, and store and warehouse are equal in the end', async () => {
  const report = await twoInstancesRun({
    folder: folder.path,
    firestore: smallServer(),
    seed: 1,
    callers: 8,
    kills: 1,
    answers: 300,
  });
  expect(report.findings).toEqual([]);
  expect(report).toMatchObject({ kills: 1 });
  expect(report.acknowledged).toBeGreaterThanOrEqual(300);
  expect(report.events).toBeGreaterThan(report.predictions);
}, 180_000);

/** Whatever moment the process dies at: nothing that was acknowledged is lost, and nothing happens twice. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { crashRun } from '../crash/run.js';
import { type Folder, temporaryFolder } from '../given.js';

let folder: Folder;

beforeAll(() => {
  folder = temporaryFolder();
});

afterAll(() => {
  folder.remove();
});

describe('a service that is killed under load, again and again', () => {
  it('ensures that the log, the outcomes and the warehouse are what was acknowledged', async () => {
    const report = await crashRun({
      folder: folder.path,
      seed: 7,
      callers: 32,
      kills: 5,
      answersPerLife: 150,
    });
    expect(report.findings).toEqual([]);
    // The run itself was one: enough was under way when the process died.
    expect(report.acknowledged).toBeGreaterThan(500);
    expect(report.interrupted).toBeGreaterThan(32);
    expect(report.events).toBeGreaterThan(500);
  }, 150_000);
});

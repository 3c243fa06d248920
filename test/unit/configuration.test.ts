/** What the environment may say about the store. */
import { describe, expect, test } from '@jest/globals';
import { InvalidConfiguration, readConfiguration } from '#assay/configuration.js';

const SECRET = { ASSAY_SUBJECT_SECRET: 'a secret for tests only' };

describe('ASSAY_STORE', () => {
  test.each([
    ['firestore:my-project', 'my-project', '(default)'],
    ['firestore:my-project/(default)', 'my-project', '(default)'],
    ['firestore:example.com:my-project/assay-eu', 'example.com:my-project', 'assay-eu'],
  ])('takes %s', (text, project, database) => {
    const { store } = readConfiguration({ ASSAY_STORE: text, ...SECRET });
    expect(store).toEqual({ kind: 'firestore', project, database, emulator: null, horizonMs: 5_000 });
  });

  test.each(['firestore:', 'firestore:My Project', 'firestore:my-project/', 'firestore:my-project/x'])(
    'refuses %s',
    (text) => {
      const read = () => readConfiguration({ ASSAY_STORE: text, ...SECRET });
      expect(read).toThrow(InvalidConfiguration);
      expect(read).toThrow(/give firestore:PROJECT or firestore:PROJECT\/DATABASE/);
    },
  );

  test('with Firestore wants the secret that all instances share', () => {
    expect(() => readConfiguration({ ASSAY_STORE: 'firestore:my-project' })).toThrow(
      /ASSAY_SUBJECT_SECRET is missing/,
    );
    expect(() => readConfiguration({})).not.toThrow();
  });

  test('with Firestore takes its emulator and how long events settle', () => {
    const given = { ASSAY_STORE: 'firestore:my-project', ...SECRET };
    const more = { FIRESTORE_EMULATOR_HOST: 'localhost:8080', ASSAY_SETTLE_SECONDS: '0.5' };
    expect(readConfiguration({ ...given, ...more }).store).toMatchObject({
      emulator: 'localhost:8080',
      horizonMs: 500,
    });
    for (const wrong of ['0', '-1', 'soon', '301']) {
      expect(() => readConfiguration({ ...given, ASSAY_SETTLE_SECONDS: wrong })).toThrow(
        /ASSAY_SETTLE_SECONDS is/,
      );
    }
    expect(() => readConfiguration({ ...given, FIRESTORE_EMULATOR_HOST: 'localhost' })).toThrow(/host:port/);
  });
});

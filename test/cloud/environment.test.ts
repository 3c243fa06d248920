/** Secrets of Secret Manager and references to other variables, as a service meets them at its start. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { secretNamed, secretsIn, withSecrets } from '#assay/environment.js';
import { assay, call, type Folder, serviceEnvironment, startService, temporaryFolder } from '../given.js';
import { GoogleApis } from '../google-apis.js';

describe('the name of a secret', () => {
  it.each([
    ['sm://p/n', { project: 'p', secret: 'n', version: 'latest' }],
    ['sm://p/n/3', { project: 'p', secret: 'n', version: '3' }],
    ['projects/p/secrets/n', { project: 'p', secret: 'n', version: 'latest' }],
    ['projects/p/secrets/n/versions/3', { project: 'p', secret: 'n', version: '3' }],
    ['sm://p', null],
    ['a secret that is none of these', null],
  ])('ensures that "%s" is read as %j', (value, name) => {
    expect(secretNamed(value)).toEqual(name);
  });
});

describe('the secrets in a value', () => {
  const named = { project: 'p', secret: 'n', version: 'latest' };

  it.each([
    ['alone', ' sm://p/n\n', 'told'],
    ['as a text in compact JSON', '[{"name":"a","secret":"sm://p/n"}]', '[{"name":"a","secret":"told"}]'],
    ['as a text in JSON', '[{ "secret": "sm://p/n" }]', '[{ "secret": "told" }]'],
  ])('ensures that one is found and replaced %s', (_, value, replaced) => {
    expect(secretsIn(value)).toEqual([named]);
    expect(withSecrets(value, () => 'told')).toBe(replaced);
  });
});

const SECRET = 'a long enough secret of Secret Manager';

describe('the environment of a service on Google Cloud', () => {
  let google: GoogleApis;
  let folder: Folder;

  beforeEach(async () => {
    google = await new GoogleApis().start();
    folder = temporaryFolder();
  });

  afterEach(async () => {
    await google.stop();
    folder.remove();
  });

  const serve = (more: Record<string, string>): ReturnType<typeof assay> =>
    assay(['serve'], serviceEnvironment(folder.path, { ...google.environment, ...more }));

  it('ensures that a secret is read at start, with the token of the metadata server, and serves as the value', async () => {
    google.secrets.set('projects/p/secrets/assay-subject-secret/versions/3', `${SECRET}\n`);
    const subjectOf = async (given: string): Promise<unknown> => {
      const service = await startService(temporaryIn(folder, given), {
        ...google.environment,
        ASSAY_SUBJECT_SECRET: given,
      });
      try {
        await call(service.url, '/v1/predictors/p/deployments', {
          json: { version: 'v1', backend: { kind: 'constant', candidates: [{ label: 'a' }] } },
        });
        const predicted = await call(service.url, '/v1/predictors/p/predictions', {
          json: { input: 'x', subject: 'user-1' },
        });
        const { body } = await call(service.url, `/v1/predictions/${predicted.body.id}`);
        expect(service.output()).not.toContain(SECRET);
        return body.subject;
      } finally {
        await service.stop();
      }
    };
    const named = await subjectOf('sm://p/assay-subject-secret/3');
    expect(named).toEqual(expect.any(String));
    expect(named).toBe(await subjectOf(SECRET));
  }, 60_000);

  it('ensures that a version that is not named is the latest, and a variable may name the project', async () => {
    google.secrets.set('projects/p-1/secrets/s/versions/latest', SECRET);
    const service = await startService(folder.path, {
      ...google.environment,
      GOOGLE_CLOUD_PROJECT: 'p-1',
      ASSAY_SUBJECT_SECRET: 'sm://${GOOGLE_CLOUD_PROJECT}/s',
    });
    await service.stop();
    expect(google.asked).toEqual(['GET /v1/projects/p-1/secrets/s/versions/latest:access']);
  });

  it('ensures that a service without such values asks nobody', async () => {
    const service = await startService(folder.path, google.environment);
    await service.stop();
    expect(google.asked).toEqual([]);
  });

  it('ensures that hiccups are passed over', async () => {
    google.secrets.set('projects/p/secrets/s/versions/latest', SECRET);
    google.failures.set('GET /v1/projects/p', { status: 503, code: 'UNAVAILABLE', times: 2 });
    const service = await startService(folder.path, {
      ...google.environment,
      ASSAY_SUBJECT_SECRET: 'sm://p/s',
    });
    await service.stop();
    expect(google.asked).toHaveLength(3);
  });

  it.each([
    [
      'a missing role names the role',
      { status: 403, code: 'PERMISSION_DENIED' },
      'roles/secretmanager.secretAccessor',
    ],
    ['a missing secret says how to make it', null, 'gcloud secrets create s --project=p'],
    [
      'an API that is off says how to turn it on',
      { status: 403, code: 'PERMISSION_DENIED', reason: 'SERVICE_DISABLED' },
      'gcloud services enable secretmanager.googleapis.com --project=p',
    ],
    [
      'a disabled version says how to enable it',
      { status: 400, code: 'FAILED_PRECONDITION' },
      'gcloud secrets versions enable latest --secret=s --project=p',
    ],
  ])('ensures that %s', async (_, failure, told) => {
    if (failure !== null) google.failures.set('GET /v1/projects', failure);
    const { status, stderr } = await serve({ ASSAY_SUBJECT_SECRET: 'sm://p/s' });
    expect(stderr).toContain('ASSAY_SUBJECT_SECRET: ');
    expect(stderr).toContain(told);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(status).toBe(3);
  });

  it('ensures that a secret shorter than it must be is refused as any value is', async () => {
    google.secrets.set('projects/p/secrets/s/versions/latest', 'short');
    const { status, stderr } = await serve({ ASSAY_SUBJECT_SECRET: 'sm://p/s' });
    expect(stderr).toContain('ASSAY_SUBJECT_SECRET is shorter than 16 characters');
    expect(status).toBe(3);
  });

  it('ensures that every variable that cannot be completed is named at once', async () => {
    const { status, stderr } = await serve({
      ASSAY_SUBJECT_SECRET: 'sm://p/s',
      ASSAY_POLICY: '${NOT_THERE}/policy.json',
    });
    expect(stderr).toContain('ASSAY_POLICY names ${NOT_THERE}, but NOT_THERE is not set');
    expect(stderr).toContain('there is no secret s');
    expect(status).toBe(3);
  });

  it('ensures that without credentials it says where they come from', async () => {
    const { status, stderr } = await serve({
      METADATA_SERVER_DETECTION: 'none',
      HOME: folder.path,
      ASSAY_SUBJECT_SECRET: 'sm://p/s',
    });
    expect(stderr).toContain('gcloud auth application-default login');
    expect(status).toBe(3);
  });
});

/** A folder of its own for each value, so that no two services meet in their files. */
function temporaryIn(folder: Folder, name: string): string {
  return `${folder.path}/${Buffer.from(name).toString('hex').slice(0, 40)}-${name.length}`;
}

/** `assay deploy`: what it finds wrong before anything is changed, and what it would run. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { checkDeployment } from '#assay/cli/deploy/checks.js';
import { planDeployment, type Settings, shellLine, type Step } from '#assay/cli/deploy/plan.js';
import { runSteps } from '#assay/cli/deploy/run.js';
import { uploadedFiles } from '#assay/cli/deploy/upload.js';
import { InvalidConfiguration, readConfiguration } from '#assay/configuration.js';
import { assay, call, eventually, type Folder, serviceEnvironment, temporaryFolder } from '../given.js';

const ROUTES = new Set(['/internal/cron/project', '/internal/cron/rebuild']);
const FILES = [
  ...['app.yaml', 'cron.yaml', '.gcloudignore', 'Dockerfile', '.dockerignore', 'package.json'],
  ...[
    'package-lock.json',
    '.npmrc',
    'tsconfig.json',
    'tsconfig.build.json',
    'nest-cli.json',
    '.swcrc',
    'bundle.mjs',
  ],
];

/** A checkout of its own, to be spoilt; of the program only what is named. */
function checkout(program: string[]): Folder {
  const folder = temporaryFolder();
  const there = ['deploy/firestore'].filter(existsSync);
  for (const name of [...FILES, ...program, ...there]) {
    cpSync(name, join(folder.path, name), { recursive: true });
  }
  return folder;
}

function edit(folder: Folder, name: string, change: (text: string) => string): void {
  const path = join(folder.path, name);
  writeFileSync(path, change(readFileSync(path, 'utf8')));
}

/** Everything that is wrong, with what it is about. */
function errorsOf(folder: Folder): string[] {
  const { findings } = checkDeployment(folder.path, 'p-1', ROUTES);
  return findings.flatMap(([subject, found]) =>
    found.filter(({ level }) => level === 'error').map(({ detail }) => `${subject}: ${detail}`),
  );
}

/** What the service's own reader says against the environment of app.yaml. */
function readerErrors(): string[] {
  try {
    readConfiguration({
      HOST: '0.0.0.0',
      ASSAY_STORE: 'firestore:p-1/assay',
      ASSAY_WAREHOUSE: 'bigquery:p-1.assay',
      ASSAY_SUBJECT_SECRET: 'a secret that is long enough',
    });
    return [];
  } catch (error) {
    if (!(error instanceof InvalidConfiguration)) throw error;
    const lines = error.message.split('\n').filter((line) => line.startsWith('  - '));
    return lines.map((line) => `environment: ${line.slice(4)}`);
  }
}

describe('what is shipped', () => {
  let folder: Folder;

  beforeAll(() => {
    folder = checkout(['dist', 'src']);
  });

  afterAll(() => folder.remove());

  it('ensures that a dry run passes, as far as the service takes stores of the cloud', async () => {
    expect(errorsOf(folder)).toEqual(readerErrors());
    const environment = { PATH: process.env.PATH ?? '', CLOUDSDK_CONFIG: folder.path, HOME: folder.path };
    const { status, stdout } = await assay(
      ['deploy', '--dry-run', '--project', 'p-1'],
      environment,
      folder.path,
    );
    expect(status).toBe(readerErrors().length === 0 ? 0 : 1);
    expect(stdout).toContain(
      status === 0
        ? 'A dry run: nothing was changed.'
        : `${readerErrors().length} to put right. Nothing was changed.`,
    );
  });

  it('ensures that the uploaded files are all that the service needs beside its packages', async () => {
    const there = temporaryFolder();
    for (const { path } of uploadedFiles(folder.path, '.gcloudignore')) {
      mkdirSync(dirname(join(there.path, path)), { recursive: true });
      cpSync(join(folder.path, path), join(there.path, path));
    }
    symlinkSync(resolve('node_modules'), join(there.path, 'node_modules'));
    const [program = '', ...args] = entrypoint();
    const child = spawn(program, args, { cwd: there.path, env: serviceEnvironment(there.path) });
    const ended = new Promise((done) => child.once('close', done));
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const url = await eventually(
      async () => /listens on (\S+)/.exec(printed)?.[1] ?? printed,
      (found) => found.startsWith('http'),
      30_000,
    );
    expect((await call(url, '/healthz')).status).toBe(200);
    child.kill('SIGTERM');
    await ended;
    there.remove();
  }, 60_000);

  const hasGcloud = spawnSync('gcloud', ['--version'], {
    env: { ...process.env, CLOUDSDK_CONFIG: '/nonexistent' },
  });
  (hasGcloud.status === 0 ? it : it.skip)(
    'ensures that gcloud would upload the same files',
    () => {
      const listed = execFileSync('gcloud', ['meta', 'list-files-for-upload', folder.path], {
        env: { ...process.env, CLOUDSDK_CONFIG: join(folder.path, 'gcloud'), HOME: folder.path },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const paths = uploadedFiles(folder.path, '.gcloudignore').map(({ path }) => path);
      expect(listed.toString().trim().split('\n').sort()).toEqual(paths.sort());
    },
    60_000,
  );
});

function entrypoint(): string[] {
  return (/^entrypoint: (.*)$/m.exec(readFileSync('app.yaml', 'utf8'))?.[1] ?? '').split(' ');
}

describe('what is wrong', () => {
  let folder: Folder;

  beforeEach(() => {
    folder = checkout(['dist/bin/cli.js', 'src/main.ts']);
  });

  afterEach(() => folder.remove());

  const replaced = (from: RegExp | string, to: string) => (text: string) => {
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`${String(from)} is not in the file`);
    return changed;
  };

  it.each([
    [
      'app.yaml',
      replaced('instance_class: F2', 'instance_class: B2'),
      'app.yaml:5: /instance_class must be one of F1',
    ],
    [
      'app.yaml',
      replaced('utilization: 0.5', 'utilization: 0.99'),
      '/target_cpu_utilization must be <= 0.95',
    ],
    ['app.yaml', replaced('automatic_scaling:', 'automatic_scalling:'), '/automatic_scalling is not a field'],
    ['app.yaml', replaced('  - warmup', '  - warm-up'), '/inbound_services/0 must be one of warmup'],
    [
      'app.yaml',
      replaced('runtime: nodejs24', 'runtime: node24'),
      'must be a Node.js runtime such as nodejs24',
    ],
    ['app.yaml', replaced('runtime: nodejs24', 'runtime: nodejs18'), 'package.json wants Node.js >=20'],
    ['app.yaml', replaced('service: default', 'service: Default'), 'must be 1 to 63 lower case letters'],
    ['app.yaml', replaced('handlers:', 'handlers: ['), 'app.yaml:'],
    [
      'app.yaml',
      replaced('dist/bin/cli.js', 'dist/bin/main.js'),
      'dist/bin/main.js is not there: npm run build',
    ],
    ['app.yaml', replaced('ASSAY_STORE:', 'ASSAY_STOR:'), 'ASSAY_STOR is not a variable of this service'],
    ['app.yaml', replaced(/firestore:.*/, 'sqlite:/tmp/e.db'), 'ASSAY_STORE must be firestore:'],
    ['app.yaml', replaced(/bigquery:.*/, 'duckdb:/tmp/w.duckdb'), 'ASSAY_WAREHOUSE must be bigquery:'],
    ['app.yaml', replaced(/sm:.*/, 'not-so-secret-now'), 'ASSAY_SUBJECT_SECRET is a secret in a file'],
    ['app.yaml', replaced(/ASSAY_SUBJECT_SECRET:.*/, ''), 'ASSAY_SUBJECT_SECRET must be given'],
    ['app.yaml', replaced('HOST: 0.0.0.0', 'HOST: 127.0.0.1'), 'HOST must be 0.0.0.0'],
    [
      'app.yaml',
      replaced('HOST: 0.0.0.0', 'HOST: 0.0.0.0\n  ASSAY_WEBHOOKS: package.json'),
      'ASSAY_WEBHOOKS names a file, which is not uploaded',
    ],
    ['app.yaml', replaced('${GOOGLE_CLOUD_PROJECT}/assay', '${PROJEKT}/assay'), 'PROJEKT is not set'],
    [
      'cron.yaml',
      replaced('cron/project', 'cron/projekt'),
      'the service has no route /internal/cron/projekt',
    ],
    ['cron.yaml', replaced('every 1 minutes', 'each minute'), 'must be a schedule such as "every 1 minutes"'],
    ['cron.yaml', replaced('Etc/UTC', 'Mars/Base'), '"Mars/Base" is not a time zone'],
    ['cron.yaml', replaced('job_retry_limit: 3', 'retries: 3'), '/retry_parameters/retries is not a field'],
    ['.gcloudignore', replaced('!/dist/', ''), '.gcloudignore leaves out dist/bin/cli.js'],
    ['.gcloudignore', replaced('!/package-lock.json', ''), '.gcloudignore leaves out package-lock.json'],
    [
      '.npmrc',
      (text: string) => `${text}//registry.example/:_authToken=abcdefghijk\n`,
      'holds a token of a package registry',
    ],
    ['Dockerfile', replaced('USER node', ''), 'runs as root'],
    ['Dockerfile', replaced('HOST=0.0.0.0', ''), 'lacks ENV HOST=0.0.0.0'],
    ['Dockerfile', replaced(/HEALTHCHECK[^]*?\]\n/, ''), 'has no HEALTHCHECK'],
    [
      'Dockerfile',
      replaced('FROM node:24-slim\n', 'FROM node:18-slim\n'),
      'FROM node:18-slim: app.yaml runs Node.js 24',
    ],
    ['Dockerfile', replaced('COPY src', 'COPY source'), 'it copies source, which is not there'],
    ['Dockerfile', replaced('npm prune --omit=dev', 'true'), 'npm prune --omit=dev'],
    [
      'Dockerfile',
      replaced('"dist/bin/cli.js"', '"dist/bin/c.js"'),
      'dist/bin/c.js, which it starts, is not built',
    ],
    ['.dockerignore', replaced('!/src', ''), 'it copies src, which .dockerignore leaves out'],
  ] as Array<[string, (text: string) => string, string]>)(
    'ensures that a mistake in %s is told (%#)',
    (name, change, told) => {
      edit(folder, name, change);
      const errors = errorsOf(folder).filter((error) => !readerErrors().includes(error));
      expect(errors.join('\n')).toContain(told);
    },
  );

  it('ensures that all placeholders are told at once, each with its line', () => {
    edit(folder, 'app.yaml', (text) =>
      text
        .replaceAll('firestore:${GOOGLE_CLOUD_PROJECT}/assay', 'firestore:PROJECT_ID/<database>')
        .replace('bigquery:${GOOGLE_CLOUD_PROJECT}.assay', 'bigquery:YOUR_PROJECT.assay'),
    );
    const placeholders = errorsOf(folder).filter((error) => error.includes('still has the placeholder'));
    expect(placeholders).toEqual([
      expect.stringMatching(/^app\.yaml: app\.yaml:\d+: "firestore:PROJECT_ID\/<database>"/),
      expect.stringMatching(/^app\.yaml: app\.yaml:\d+: "bigquery:YOUR_PROJECT\.assay"/),
    ]);
  });

  it.each(['.env', 'dist/service-account.json', 'dist/server.key', 'dist/events.db'])(
    'ensures that %s is not uploaded without a word',
    (path) => {
      edit(folder, '.gcloudignore', (text) => `${text}!/.env\n`);
      writeFileSync(join(folder.path, path), 'x');
      expect(errorsOf(folder).join('\n')).toContain(`${path} would be uploaded and looks by its name`);
    },
  );

  it('ensures that a key inside a file is found', () => {
    const key = `-----BEGIN PRIVATE ${'KEY'}-----\\n${'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC'}`;
    writeFileSync(join(folder.path, 'dist/settings.js'), `export const key = "${key}";`);
    expect(errorsOf(folder).join('\n')).toContain(
      'dist/settings.js would be uploaded and holds a private key',
    );
  });

  it("ensures that App Engine's limits are held", () => {
    writeFileSync(join(folder.path, 'dist/large.bin'), '');
    truncateSync(join(folder.path, 'dist/large.bin'), 33 * 1024 * 1024);
    mkdirSync(join(folder.path, 'dist/many'));
    for (let index = 0; index < 10_000; index++) writeFileSync(join(folder.path, `dist/many/${index}`), '');
    const errors = errorsOf(folder).join('\n');
    expect(errors).toContain('dist/large.bin is larger than the 32 MB');
    expect(errors).toMatch(/10\d{3} files would be uploaded, App Engine takes 10000/);
  });

  it('ensures that without .gcloudignore nothing goes', () => {
    rmSync(join(folder.path, '.gcloudignore'));
    expect(errorsOf(folder).join('\n')).toContain('.gcloudignore is missing');
  });

  it.each([
    [
      'firestore.indexes.json',
      '{"indexes": [{"collectionGroup": "events"}]}',
      "must have required property 'fields'",
    ],
    ['firestore.indexes.json', '{', 'firestore.indexes.json: '],
    [
      'firestore.rules',
      'service cloud.firestore { match /{d=**} { allow read: if true; } }',
      'lets somebody in (allow read: if true)',
    ],
  ])('ensures that a mistake in %s is told (%#)', (name, text, told) => {
    mkdirSync(join(folder.path, 'deploy/firestore'), { recursive: true });
    writeFileSync(join(folder.path, 'deploy/firestore/firestore.indexes.json'), '{"indexes": []}');
    writeFileSync(join(folder.path, 'deploy/firestore', name), text);
    expect(errorsOf(folder).join('\n')).toContain(told);
  });
});

const SETTINGS: Settings = {
  project: 'p-1',
  region: 'europe-west1',
  location: 'EU',
  database: 'assay',
  dataset: { project: 'p-1', name: 'assay' },
  secrets: [{ project: 'p-1', secret: 'assay-subject-secret' }],
  service: 'default',
  account: 'assay@p-1.iam.gserviceaccount.com',
  version: 'v2',
  promote: false,
  splitsTraffic: false,
  store: 'firestore:p-1/assay',
  indexes: {
    indexes: [
      {
        collectionGroup: 'events',
        queryScope: 'COLLECTION',
        fields: [
          { fieldPath: 'sh', order: 'ASCENDING' },
          { fieldPath: 'at', order: 'DESCENDING' },
        ],
      },
    ],
    fieldOverrides: [{ collectionGroup: 'receipts', fieldPath: 'until', ttl: true, indexes: [] }],
  },
};

describe('the plan', () => {
  const lines = (settings: Partial<Settings> = {}): string[] =>
    planDeployment({ ...SETTINGS, ...settings }).map(shellLine);

  it('ensures that what is needed first is made first', () => {
    const parts = planDeployment(SETTINGS).map(({ part }) => part);
    expect([...new Set(parts)]).toEqual([
      ...['services', 'account', 'database', 'indexes', 'dataset', 'secrets', 'key', 'app', 'cron'],
    ]);
  });

  it('ensures that commands are printed as one would type them', () => {
    expect(lines()).toEqual(
      expect.arrayContaining([
        'gcloud app create --region=europe-west --project=p-1',
        'gcloud firestore indexes composite create --database=assay --project=p-1 --collection-group=events --query-scope=collection --field-config=field-path=sh,order=ascending --field-config=field-path=at,order=descending --async',
        'gcloud firestore fields ttls update until --collection-group=receipts --database=assay --project=p-1 --async --enable-ttl',
        `bq --project_id=p-1 --location=EU query --use_legacy_sql=false 'GRANT \`roles/bigquery.dataEditor\` ON SCHEMA \`p-1\`.assay TO "serviceAccount:assay@p-1.iam.gserviceaccount.com"'`,
        'openssl rand -base64 32 | gcloud secrets create assay-subject-secret --project=p-1 --replication-policy=automatic --data-file=-',
        'gcloud app deploy app.yaml --version=v2 --service-account=assay@p-1.iam.gserviceaccount.com --no-promote --project=p-1 --quiet',
      ]),
    );
  });

  it('ensures that the role to split traffic is granted only where that is wanted', () => {
    expect(lines().join('\n')).not.toContain('appengine.serviceAdmin');
    expect(lines({ splitsTraffic: true }).join('\n')).toContain('--role=roles/appengine.serviceAdmin');
  });
});

describe('running the plan', () => {
  let folder: Folder;
  let printed: string[];
  const path = process.env.PATH;

  beforeEach(() => {
    folder = temporaryFolder();
    printed = [];
    // In the place of Google's programs: writes down what it is asked, and fails where the test wants it to.
    const program = `#!/bin/sh\nprintf '%s\\n' "$*" >> "${folder.path}/asked"\n[ "$1" = fails ] && { echo "$2" >&2; exit 1; }\n[ "$1" = reads ] && cat > "${folder.path}/read"\nexit 0\n`;
    writeFileSync(join(folder.path, 'gcloud'), program);
    chmodSync(join(folder.path, 'gcloud'), 0o755);
    process.env.PATH = `${folder.path}:${path}`;
  });

  afterEach(() => {
    process.env.PATH = path;
    folder.remove();
  });

  const step = (args: string[], more: Partial<Step> = {}): Step => ({
    part: 'services',
    title: args.join(' '),
    command: ['gcloud', ...args],
    ...more,
  });
  const asked = (): string[] => readFileSync(join(folder.path, 'asked'), 'utf8').trim().split('\n');
  const run = (steps: Step[]): Promise<Step | null> => runSteps(steps, (line) => printed.push(line));

  it('ensures that steps run in order, and none after the one that failed', async () => {
    const steps = [step(['one']), step(['fails', 'PERMISSION_DENIED']), step(['three'])];
    expect(await run(steps)).toBe(steps[1]);
    expect(asked()).toEqual(['one', 'fails PERMISSION_DENIED']);
    expect(printed.join('\n')).toContain('[2/3] fails PERMISSION_DENIED');
  });

  it('ensures that what was done before is passed over', async () => {
    const steps = [
      step(['create'], { unless: { command: ['gcloud', 'describe'] } }),
      step(['make'], { unless: { command: ['gcloud', 'fails', 'NOT_FOUND'] } }),
      step(['fails', 'ALREADY_EXISTS: index already exists'], { doneBefore: /already exists/ }),
      step(['list'], { unless: { command: ['gcloud', 'list'], prints: true } }),
    ];
    expect(await run(steps)).toBeNull();
    expect(asked()).toEqual([
      ...[
        'describe',
        'fails NOT_FOUND',
        'make',
        'fails ALREADY_EXISTS: index already exists',
        'list',
        'list',
      ],
    ]);
  });

  it('ensures that a secret is made at random, and never printed', async () => {
    expect(await run([step(['reads'], { randomInput: true })])).toBeNull();
    const secret = readFileSync(join(folder.path, 'read'), 'utf8');
    expect(secret).toMatch(/^[\w-]{43}$/);
    expect(printed.join('\n')).not.toContain(secret);
  });

  it('ensures that a program that is missing is told', async () => {
    const missing = step([], { command: ['no-such-program'] });
    expect(await run([missing])).toBe(missing);
    expect(printed.join('\n')).toContain('no-such-program cannot be started');
  });
});

/** Everything about a deployment that can be looked at on this machine, before anything is changed elsewhere. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidConfiguration, readConfiguration } from '../../configuration.js';
import { expanded, isWebhooksFile, secretNamed, withSecrets } from '../../environment.js';
import { type AppYaml, readAppYaml } from './app-yaml.js';
import { readCronYaml } from './cron-yaml.js';
import { checkDockerfile } from './dockerfile.js';
import { error, type Finding, ok } from './finding.js';
import { type FirestoreIndexes, readFirestoreIndexes } from './firestore-files.js';
import { checkUpload } from './upload.js';

export interface Checked {
  /** What was looked at -> what was found. */
  findings: Array<[subject: string, found: Finding[]]>;
  app: AppYaml | null;
  /** The environment of the service there, secrets still by their names. */
  environment: Record<string, string | undefined>;
  indexes: FirestoreIndexes | null;
}

/** In the place of a secret, which is read only there: one that every use of secrets takes. */
const SECRET = `whsec_${Buffer.from('a secret that is read when the service starts').toString('base64')}`;

/**
 * @param project the one it goes to
 * @param cronRoutes what the service answers to with GET under /internal/cron
 */
export function checkDeployment(root: string, project: string, cronRoutes: ReadonlySet<string>): Checked {
  const app = readAppYaml(join(root, 'app.yaml'));
  const cron = readCronYaml(join(root, 'cron.yaml'), cronRoutes);
  const environment = environmentOf(app.content, project);
  const started = /\S+\.js\b/.exec(app.content?.entrypoint ?? '')?.[0];
  const engine = Number(/^nodejs(\d+)$/.exec(app.content?.runtime ?? '')?.[1] ?? 24);
  const firestore = readFirestoreIndexes(root);
  const findings: Checked['findings'] = [
    ['app.yaml', listed(app.errors, `${app.content?.runtime}, service ${app.content?.service ?? 'default'}`)],
    ['cron.yaml', listed(cron.errors, `${cron.content?.cron.length} jobs, the service has their routes`)],
    ['environment', app.content === null ? [] : checkEnvironment(app.content, environment)],
    ['entrypoint', [checkEntrypoint(root, started)]],
    ['Node.js', [checkEngine(root, engine)]],
    ['upload', checkUpload(root, ['package.json', 'package-lock.json', ...(started ? [started] : [])])],
    ['Firestore', firestore.found],
    ['Dockerfile', checkDockerfile(root, engine)],
  ];
  return { findings, app: app.content, environment, indexes: firestore.indexes };
}

function listed(errors: readonly string[], fine: string): Finding[] {
  return errors.length === 0 ? [ok(fine)] : errors.map(error);
}

/** As the service will see it: its own variables, and those that App Engine sets. */
function environmentOf(app: AppYaml | null, project: string): Record<string, string | undefined> {
  const given = Object.entries(app?.env_variables ?? {}).map(([name, value]) => [name, String(value)]);
  const set = { GOOGLE_CLOUD_PROJECT: project, GAE_ENV: 'standard', NODE_ENV: 'production', PORT: '8080' };
  return expanded({ ...set, ...(Object.fromEntries(given) as Record<string, string>) }, []);
}

/** Held to the service's own reader, and to what App Engine is: many instances without a disk. */
function checkEnvironment(app: AppYaml, environment: Record<string, string | undefined>): Finding[] {
  const found: Finding[] = [];
  const missing: string[] = [];
  expanded(environment, missing);
  found.push(...missing.map(error));
  const complete = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      // All of it is a secret: what it says is read only there.
      name === 'ASSAY_WEBHOOKS' && secretNamed(value ?? '') !== null
        ? ''
        : value && withSecrets(value, () => SECRET),
    ]),
  );
  try {
    readConfiguration(complete);
  } catch (failure) {
    if (!(failure instanceof InvalidConfiguration)) throw failure;
    const lines = failure.message.split('\n').filter((line) => line.startsWith('  - '));
    found.push(...lines.map((line) => error(line.slice(4))));
  }
  for (const [name, kind] of Object.entries({ ASSAY_STORE: 'firestore', ASSAY_WAREHOUSE: 'bigquery' })) {
    if (environment[name]?.startsWith(`${kind}:`) === true) continue;
    found.push(error(`${name} must be ${kind}:… on App Engine: an instance has no disk that outlives it`));
  }
  const secret = environment.ASSAY_SUBJECT_SECRET ?? '';
  if (secret === '') {
    found.push(error('ASSAY_SUBJECT_SECRET must be given: each instance would make one of its own'));
  } else if (secretNamed(secret) === null) {
    found.push(
      error('ASSAY_SUBJECT_SECRET is a secret in a file: name one of Secret Manager, sm://PROJECT/NAME'),
    );
  }
  if (isWebhooksFile(String(app.env_variables?.ASSAY_WEBHOOKS ?? '').trim())) {
    found.push(
      error('ASSAY_WEBHOOKS names a file, which is not uploaded: give the list itself or sm://PROJECT/NAME'),
    );
  }
  if (environment.HOST !== '0.0.0.0') {
    found.push(error('HOST must be 0.0.0.0: App Engine does not ask over loopback'));
  }
  return found.length === 0 ? [ok('the service accepts it; secrets are read at its start')] : found;
}

function checkEntrypoint(root: string, started: string | undefined): Finding {
  if (started === undefined) return error('app.yaml has no entrypoint that names a .js file');
  return existsSync(join(root, started)) ? ok(started) : error(`${started} is not there: npm run build`);
}

function checkEngine(root: string, engine: number): Finding {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    engines?: { node?: string };
  };
  const range = engines?.node ?? '*';
  return range.split('||').some((part) => admits(part.trim(), engine))
    ? ok(`nodejs${engine} fits engines.node ${range}`)
    : error(`app.yaml says nodejs${engine}, but package.json wants Node.js ${range}`);
}

/** Whether the newest of a line of Node.js, which is what App Engine installs, is within `>=20.19`, `^24` or `24.x`. */
function admits(range: string, engine: number): boolean {
  const [, least, exact] = /^>=\s*(\d+)[.\dx]*$|^[\^~]?(\d+)[.\dx]*$/.exec(range) ?? [];
  return range === '*' || (least === undefined ? engine === Number(exact) : engine >= Number(least));
}

/** The commands that put the service on Google Cloud, in order. Pure: what is run and what is printed is the same. */
import type { FirestoreIndexes } from './firestore-files.js';

export interface Settings {
  project: string;
  /** Region of App Engine and Firestore, `europe-west1`. */
  region: string;
  /** Location of the BigQuery dataset, `EU`. */
  location: string;
  database: string;
  dataset: { project: string; name: string };
  /** Secrets that the environment names; a secret that is not there is made at random. */
  secrets: Array<{ project: string; secret: string }>;
  service: string;
  account: string;
  /** Name of the new version. */
  version: string;
  promote: boolean;
  /** Whether App Engine is to carry out traffic splits. */
  splitsTraffic: boolean;
  /** Value of ASSAY_STORE, for the first key. */
  store: string;
  indexes: FirestoreIndexes | null;
}

export const PARTS = [
  'services',
  'account',
  'database',
  'indexes',
  'dataset',
  'secrets',
  'key',
  'app',
  'cron',
] as const;
export type Part = (typeof PARTS)[number];

/** As given on the command line. */
export interface DeployOptions {
  dryRun: boolean;
  project?: string;
  region: string;
  account?: string;
  name?: string;
  promote: boolean;
  only?: Part[];
}

export interface Step {
  part: Part;
  title: string;
  command: string[];
  /** Variables that the command is run with. */
  environment?: Record<string, string>;
  /** Random text for its standard input. */
  randomInput?: boolean;
  /** When this succeeds, and prints something if it must, the step was done before. */
  unless?: { command: string[]; prints?: boolean };
  /** What it prints when it was done before. */
  doneBefore?: RegExp;
}

const APIS = [
  'appengine',
  'artifactregistry',
  'bigquery',
  'bigquerystorage',
  'cloudbuild',
  'cloudscheduler',
  'cloudtrace',
  'firestore',
  'logging',
  'monitoring',
  'secretmanager',
  'telemetry',
];

/** Roles on the whole project; docs/deploy.md says what each is for. */
const ROLES = [
  'roles/datastore.user',
  'roles/bigquery.jobUser',
  'roles/logging.logWriter',
  'roles/monitoring.metricWriter',
  'roles/cloudtrace.agent',
  'roles/telemetry.writer',
  'roles/storage.objectViewer',
  'roles/artifactregistry.writer',
];

const EXISTS = /already exists|ALREADY_EXISTS/i;

export function planDeployment(settings: Settings): Step[] {
  return [
    ...services(settings),
    ...account(settings),
    ...database(settings),
    ...dataset(settings),
    ...settings.secrets.flatMap((secret) => secretSteps(settings, secret)),
    firstKey(settings),
    app(settings),
    {
      part: 'cron',
      title: 'wake the projector each minute, rebuild each night',
      command: ['gcloud', 'app', 'deploy', 'cron.yaml', `--project=${settings.project}`, '--quiet'],
    },
  ];
}

function services({ project, region }: Settings): Step[] {
  const apis = APIS.map((name) => `${name}.googleapis.com`);
  return [
    {
      part: 'services',
      title: 'turn on the APIs',
      command: ['gcloud', 'services', 'enable', ...apis, `--project=${project}`],
    },
    {
      part: 'services',
      title: 'make the App Engine application (its region cannot be changed later)',
      command: ['gcloud', 'app', 'create', `--region=${appEngineRegion(region)}`, `--project=${project}`],
      unless: { command: ['gcloud', 'app', 'describe', `--project=${project}`] },
    },
  ];
}

/** App Engine names its two oldest regions differently. */
function appEngineRegion(region: string): string {
  return { 'europe-west1': 'europe-west', 'us-central1': 'us-central' }[region] ?? region;
}

function account({ project, account, splitsTraffic }: Settings): Step[] {
  const name = account.split('@')[0] as string;
  const roles = splitsTraffic ? [...ROLES, 'roles/appengine.serviceAdmin'] : ROLES;
  return [
    {
      part: 'account',
      title: 'make the account under which the service runs',
      command: [
        'gcloud',
        'iam',
        'service-accounts',
        'create',
        name,
        '--display-name=Assay',
        `--project=${project}`,
      ],
      unless: { command: ['gcloud', 'iam', 'service-accounts', 'describe', account, `--project=${project}`] },
    },
    ...roles.map((role): Step => ({
      part: 'account',
      title: `grant it ${role}`,
      command: [
        ...['gcloud', 'projects', 'add-iam-policy-binding', project, `--member=serviceAccount:${account}`],
        ...[`--role=${role}`, '--condition=None', '--format=none'],
      ],
    })),
  ];
}

function database({ project, region, database, indexes }: Settings): Step[] {
  const flags = [`--database=${database}`, `--project=${project}`];
  const composite = (indexes?.indexes ?? []).map((index): Step => ({
    part: 'indexes',
    title: `index ${index.collectionGroup} by ${index.fields.map(({ fieldPath }) => fieldPath).join(', ')}`,
    command: [
      ...['gcloud', 'firestore', 'indexes', 'composite', 'create', ...flags],
      `--collection-group=${index.collectionGroup}`,
      `--query-scope=${index.queryScope.toLowerCase().replace('_', '-')}`,
      ...index.fields.map(
        ({ fieldPath, order }) => `--field-config=field-path=${fieldPath},order=${order.toLowerCase()}`,
      ),
      '--async',
    ],
    doneBefore: EXISTS,
  }));
  const overrides = (indexes?.fieldOverrides ?? []).flatMap(({ collectionGroup, fieldPath, ttl }): Step[] => {
    const of = [fieldPath, `--collection-group=${collectionGroup}`, ...flags, '--async'];
    const exempt: Step = {
      part: 'indexes',
      title: `index ${collectionGroup}.${fieldPath} in no other way`,
      command: ['gcloud', 'firestore', 'indexes', 'fields', 'update', ...of, '--disable-indexes'],
    };
    const expire: Step = {
      part: 'indexes',
      title: `delete ${collectionGroup} after ${fieldPath}`,
      command: ['gcloud', 'firestore', 'fields', 'ttls', 'update', ...of, '--enable-ttl'],
    };
    return ttl === true ? [exempt, expire] : [exempt];
  });
  return [
    {
      part: 'database',
      title: 'make the database of events',
      command: [
        ...['gcloud', 'firestore', 'databases', 'create', ...flags, `--location=${region}`],
        ...['--type=firestore-native', '--delete-protection'],
      ],
      unless: { command: ['gcloud', 'firestore', 'databases', 'describe', ...flags] },
    },
    ...composite,
    ...overrides,
  ];
}

function dataset({ project, location, dataset, account }: Settings): Step[] {
  const global = ['bq', `--project_id=${project}`, `--location=${location}`];
  const grant = `GRANT \`roles/bigquery.dataEditor\` ON SCHEMA \`${dataset.project}\`.${dataset.name} TO "serviceAccount:${account}"`;
  return [
    {
      part: 'dataset',
      title: 'make the dataset of the warehouse',
      command: [...global, 'mk', '--force', '--dataset', `${dataset.project}:${dataset.name}`],
    },
    {
      part: 'dataset',
      title: 'let the service write there, and nowhere else',
      command: [...global, 'query', '--use_legacy_sql=false', grant],
    },
  ];
}

function secretSteps(
  { account }: Settings,
  { project, secret }: { project: string; secret: string },
): Step[] {
  const where = [secret, `--project=${project}`];
  return [
    {
      part: 'secrets',
      title: `make the secret ${secret}, at random`,
      command: ['gcloud', 'secrets', 'create', ...where, '--replication-policy=automatic', '--data-file=-'],
      randomInput: true,
      unless: { command: ['gcloud', 'secrets', 'describe', ...where] },
    },
    {
      part: 'secrets',
      title: 'let the service read it',
      command: [
        ...['gcloud', 'secrets', 'add-iam-policy-binding', ...where, `--member=serviceAccount:${account}`],
        ...['--role=roles/secretmanager.secretAccessor', '--format=none'],
      ],
    },
  ];
}

function firstKey({ store, project }: Settings): Step {
  const assay = ['node', 'dist/bin/cli.js', 'keys'];
  const environment = { ASSAY_STORE: store, GOOGLE_CLOUD_PROJECT: project };
  return {
    part: 'key',
    title: 'make the first API key, printed this once (takes gcloud auth application-default login)',
    command: [...assay, 'create', '--name', 'admin', '--scopes', 'admin'],
    environment,
    unless: { command: [...assay, 'list', '--json'], prints: true },
  };
}

function app({ project, version, promote, account }: Settings): Step {
  return {
    part: 'app',
    title: promote
      ? `deploy version ${version}, with all traffic`
      : `deploy version ${version}, without traffic`,
    command: [
      ...['gcloud', 'app', 'deploy', 'app.yaml', `--version=${version}`, `--service-account=${account}`],
      ...[promote ? '--promote' : '--no-promote', `--project=${project}`, '--quiet'],
    ],
  };
}

/** What moves traffic to a version that was deployed without. */
export function promotion({ project, service, version }: Settings): string {
  return `gcloud app services set-traffic ${service} --splits=${version}=1 --project=${project}`;
}

/** As one would type it. */
export function shellLine({ command, environment, randomInput }: Step): string {
  const variables = Object.entries(environment ?? {}).map(([name, value]) => `${name}=${quoted(value)}`);
  const line = [...variables, ...command.map(quoted)].join(' ');
  return randomInput === true ? `openssl rand -base64 32 | ${line}` : line;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * The environment as it was meant: `${NAME}` in a value stands for another variable, and a value that names a
 * secret of Secret Manager stands for the secret. App Engine does neither by itself.
 */
import { InvalidConfiguration } from './configuration.js';
import { addressOf, GoogleApi, GoogleApiError } from './google-api.js';

type Environment = Record<string, string | undefined>;

/** Variables of others are left alone. */
const OURS = /^(ASSAY_|HOST$|PORT$|LOG_LEVEL$)/;
const SHORT = /^sm:\/\/([^/]+)\/([^/]+)(?:\/([^/]+))?$/;
const LONG = /^projects\/([^/]+)\/secrets\/([^/]+)(?:\/versions\/([^/]+))?$/;

export interface SecretName {
  project: string;
  secret: string;
  /** A number, an alias or `latest`. */
  version: string;
}

/** `sm://PROJECT/NAME`, `sm://PROJECT/NAME/VERSION` or `projects/P/secrets/N/versions/V`; null for any other value. */
export function secretNamed(value: string): SecretName | null {
  const [, project, secret, version] = SHORT.exec(value) ?? LONG.exec(value) ?? [];
  return project === undefined || secret === undefined
    ? null
    : { project, secret, version: version ?? 'latest' };
}

/** Replaces `${NAME}`; names that are not set are added to `missing` and stay as they are. */
export function expanded(environment: Environment, missing: string[]): Environment {
  const entries = Object.entries(environment).map(([name, value]) => {
    if (!OURS.test(name) || value === undefined) return [name, value];
    const text = value.replace(/\$\{(\w+)\}/g, (whole, other: string) => {
      const found = environment[other];
      if (found === undefined) missing.push(`${name} is "${value}", but ${other} is not set`);
      return found ?? whole;
    });
    return [name, text];
  });
  return Object.fromEntries(entries) as Environment;
}

/**
 * Nothing is asked of Google, and none of its code is loaded, unless a value names a secret.
 * @throws InvalidConfiguration that lists every variable that could not be completed, and what to do
 */
export async function completeEnvironment(environment: NodeJS.ProcessEnv): Promise<Environment> {
  const errors: string[] = [];
  const complete = expanded(environment, errors);
  const named = Object.entries(complete).flatMap(([name, value]) => {
    const secret = OURS.test(name) && value !== undefined ? secretNamed(value.trim()) : null;
    return secret === null ? [] : [{ name, secret }];
  });
  const api = new GoogleApi(addressOf('secretmanager', environment));
  await Promise.all(
    named.map(async ({ name, secret }) => {
      try {
        complete[name] = await read(api, secret);
      } catch (error) {
        errors.push(`${name}: ${explained(error, secret)}`);
      }
    }),
  );
  if (errors.length === 0) return complete;
  throw new InvalidConfiguration(
    `The environment cannot be completed:\n${errors
      .sort()
      .map((error) => `  - ${error}`)
      .join('\n')}`,
  );
}

async function read(api: GoogleApi, { project, secret, version }: SecretName): Promise<string> {
  const name = [project, secret, version].map(encodeURIComponent);
  const { payload } = await api.ask<{ payload: { data: string } }>(
    'GET',
    `/v1/projects/${name[0]}/secrets/${name[1]}/versions/${name[2]}:access`,
  );
  return Buffer.from(payload.data, 'base64').toString('utf8').trim();
}

function explained(error: unknown, { project, secret, version }: SecretName): string {
  if (!(error instanceof GoogleApiError)) throw error;
  const { status, reason, message } = error;
  const name = `secret ${secret} (version ${version}) of project ${project}`;
  if (reason === 'SERVICE_DISABLED') {
    return `Secret Manager is off in project ${project}; turn it on: gcloud services enable secretmanager.googleapis.com --project=${project}`;
  }
  if (status === 403 || status === 401) {
    return `this service's account may not read ${name}; grant it roles/secretmanager.secretAccessor: gcloud secrets add-iam-policy-binding ${secret} --project=${project} --role=roles/secretmanager.secretAccessor --member=serviceAccount:ACCOUNT`;
  }
  if (status === 404) {
    return `there is no ${name}; make it: openssl rand -base64 32 | gcloud secrets create ${secret} --project=${project} --replication-policy=automatic --data-file=-`;
  }
  if (status === 400 && reason === 'FAILED_PRECONDITION') {
    return `${name} is disabled or destroyed; add a version, or enable it: gcloud secrets versions enable ${version} --secret=${secret} --project=${project}`;
  }
  return `${name} could not be read: ${message}`;
}

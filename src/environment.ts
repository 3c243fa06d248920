/**
 * The environment as it was meant: `${NAME}` in a value stands for another variable, and a value that names a
 * secret of Secret Manager stands for the secret, as does a text in JSON. App Engine does neither by itself.
 */
import { readFileSync } from 'node:fs';
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

/** The value itself, or the texts in its JSON. */
const WHOLE_OR_QUOTED = /^\s*([^\s"]+)\s*$|"([^"\\]+)"/g;

/** Every secret that a value names: itself, or as texts in its JSON. */
export function secretsIn(value: string): SecretName[] {
  return [...value.matchAll(WHOLE_OR_QUOTED)].flatMap(
    ([, whole, quoted]) => secretNamed(whole ?? quoted ?? '') ?? [],
  );
}

/** The value with what `secretOf` says in the place of each secret that it names. */
export function withSecrets(value: string, secretOf: (name: SecretName) => string): string {
  return value.replace(WHOLE_OR_QUOTED, (text, whole?: string, quoted?: string) => {
    const named = secretNamed(whole ?? quoted ?? '');
    if (named === null) return text;
    return whole === undefined ? JSON.stringify(secretOf(named)) : secretOf(named);
  });
}

/**
 * Replaces `${NAME}`, and the name of a file of webhooks by what it holds. What is not there is added to `missing`;
 * a reference to it stays as it is. No message holds a value, which may be a secret.
 */
export function expanded(environment: Environment, missing: string[]): Environment {
  const entries = Object.entries(environment).map(([name, given]) => {
    if (!OURS.test(name) || given === undefined) return [name, given];
    const value = name === 'ASSAY_WEBHOOKS' ? textIn(given.trim(), missing) : given;
    const text = value.replace(/\$\{(\w+)\}/g, (whole, other: string) => {
      const found = environment[other];
      if (found === undefined) missing.push(`${name} names ${whole}, but ${other} is not set`);
      return found ?? whole;
    });
    return [name, text];
  });
  return Object.fromEntries(entries) as Environment;
}

/** Whether it is the name of a file that holds the webhooks. */
export function isWebhooksFile(webhooks: string): boolean {
  return webhooks !== '' && !/^[[{]/.test(webhooks) && secretNamed(webhooks) === null;
}

/** The webhooks themselves, or what the file holds. What was given may be a secret: no message holds any of it. */
function textIn(webhooks: string, missing: string[]): string {
  if (!isWebhooksFile(webhooks)) return webhooks;
  try {
    return readFileSync(webhooks, 'utf8');
  } catch (error) {
    const { code = 'unreadable' } = error as NodeJS.ErrnoException;
    missing.push(
      `ASSAY_WEBHOOKS is no JSON, and no file that can be read (${code}): give a JSON list or a file that holds one`,
    );
    return '';
  }
}

/**
 * Nothing is asked of Google, and none of its code is loaded, unless a value names a secret.
 * @throws InvalidConfiguration that lists every variable that could not be completed, and what to do
 */
export async function completeEnvironment(environment: NodeJS.ProcessEnv): Promise<Environment> {
  const errors: string[] = [];
  const complete = expanded(environment, errors);
  const named = Object.entries(complete).flatMap(([name, value]) =>
    OURS.test(name) ? secretsIn(value ?? '').map((secret) => ({ name, secret })) : [],
  );
  const api = new GoogleApi(addressOf('secretmanager', environment));
  const secrets = new Map<string, string>();
  await Promise.all(
    named.map(async ({ name, secret }) => {
      try {
        secrets.set(JSON.stringify(secret), await read(api, secret));
      } catch (error) {
        errors.push(`${name}: ${explained(error, secret)}`);
      }
    }),
  );
  for (const name of new Set(named.map((one) => one.name))) {
    complete[name] = withSecrets(complete[name] ?? '', (secret) => secrets.get(JSON.stringify(secret)) ?? '');
  }
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

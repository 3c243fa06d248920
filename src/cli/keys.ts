/**
 * `assay keys create | list | revoke`: at a running service, or in the event store itself where none runs or
 * where the store can be opened beside one. The second way is how the first key of a service in the cloud comes
 * about, which does not start without.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { CreatedKey, KeyDocument } from '../access/access-keys.js';
import { type Scope, SCOPES } from '../event/access.js';
import { seconds } from './duration.js';
import { table } from './health-text.js';
import { configurationFrom } from './serve.js';
import { addServerOptions, isServiceThere, ServiceClient, type ServerOptions } from './service-client.js';

interface CreateOptions extends ServerOptions {
  name: string;
  scopes: Scope[];
  predictors?: string[];
  expires?: number;
  json: boolean;
}

interface JsonOptions extends ServerOptions {
  json: boolean;
}

interface NewKey {
  name: string;
  scopes: Scope[];
  predictors?: string[];
  expiresAt?: string;
}

/** Where keys are made: over HTTP or in the store, in the same words. */
interface Keys {
  create(key: NewKey): Promise<CreatedKey>;
  list(): Promise<KeyDocument[]>;
  revoke(id: string): Promise<void>;
}

const WHERE =
  '\nAsks the service named by --server or ASSAY_SERVER, or the one on port PORT of this machine (it wants an admin\nkey in ASSAY_KEY, from the second key on). Where none runs, it opens the store that ASSAY_STORE names.\n';

export function keysCommand(): Command {
  const command = new Command('keys').description('Create, list or revoke API keys');
  command.addCommand(createCommand()).addCommand(listCommand()).addCommand(revokeCommand());
  return command;
}

function createCommand(): Command {
  const command = new Command('create')
    .description('Create an API key, and print it this one time')
    .requiredOption('--name <text>', 'whose key it is, or what uses it')
    .addOption(
      new Option('--scopes <list>', `what it may do, some of ${SCOPES.join(',')}; admin is all`)
        .argParser(scopes)
        .makeOptionMandatory(),
    )
    .option('--predictors <list>', 'the only predictors it is good for', list)
    .option('--expires <duration>', 'how long it is good, such as 12h or 90d', seconds)
    .option('--json', 'print the answer as JSON', false);
  return addServerOptions(command)
    .addHelpText(
      'after',
      `${WHERE}\nExamples:\n  $ assay keys create --name admin --scopes admin\n  $ assay keys create --name shop --scopes predict,correct --predictors industry --expires 90d\n`,
    )
    .action(async ({ name, scopes, predictors, expires, json, ...options }: CreateOptions) => {
      const request: NewKey = {
        name,
        scopes,
        ...(predictors === undefined ? {} : { predictors }),
        ...(expires === undefined ? {} : { expiresAt: new Date(Date.now() + expires * 1000).toISOString() }),
      };
      await withKeys(options, async (keys) => {
        const created = await keys.create(request);
        if (json) return console.log(JSON.stringify(created));
        console.log(created.key);
        console.error(
          `Key ${created.id} (${created.name}) may ${created.scopes.join(', ')}. It is shown this once: keep it now.`,
        );
      });
    });
}

function listCommand(): Command {
  const command = new Command('list')
    .description('Show all API keys there ever were, without what makes them keys')
    .option('--json', 'print the answer as JSON', false);
  return addServerOptions(command)
    .addHelpText('after', `${WHERE}\nExample:\n  $ assay keys list\n`)
    .action(({ json, ...options }: JsonOptions) =>
      withKeys(options, async (keys) => {
        const all = await keys.list();
        console.log(json ? JSON.stringify(all) : listText(all));
      }),
    );
}

function revokeCommand(): Command {
  const command = new Command('revoke')
    .description('Revoke an API key: from then on it is refused, on other instances within seconds')
    .argument('<id>', 'the key’s id, as `assay keys list` shows it');
  return addServerOptions(command)
    .addHelpText('after', `${WHERE}\nExample:\n  $ assay keys revoke 3f9c2a7be014\n`)
    .action((id: string, options: ServerOptions) =>
      withKeys(options, async (keys) => {
        await keys.revoke(id);
        console.log(`Key ${id} is revoked.`);
      }),
    );
}

function listText(keys: readonly KeyDocument[]): string {
  if (keys.length === 0) return 'There are no API keys.';
  const now = Date.now();
  const rows = keys.map(({ id, name, scopes, predictors, createdAt, expiresAt, revokedAt }) => [
    id,
    name,
    scopes.join(','),
    predictors?.join(',') ?? 'all',
    createdAt.slice(0, 10),
    expiresAt?.slice(0, 10) ?? 'never',
    revokedAt !== null ? 'revoked' : expiresAt !== null && Date.parse(expiresAt) <= now ? 'expired' : 'good',
  ]);
  return table([['id', 'name', 'scopes', 'predictors', 'created', 'expires', 'state'], ...rows]).join('\n');
}

function list(text: string): string[] {
  const words = text.split(',').map((word) => word.trim());
  if (words.includes('')) throw new InvalidArgumentError('Give names with commas between them.');
  return words;
}

function scopes(text: string): Scope[] {
  const known: readonly string[] = SCOPES;
  const wrong = list(text).filter((scope) => !known.includes(scope));
  if (wrong.length > 0)
    throw new InvalidArgumentError(
      `There is no scope ${wrong.join(', ')}. Give some of ${SCOPES.join(',')}.`,
    );
  return list(text) as Scope[];
}

/** Stores that others may open while a service has them open. */
const OPEN_BESIDE = new Set<string>(['firestore']);

const NO_SECRET = 'no subject is hashed here';

async function withKeys(options: ServerOptions, work: (keys: Keys) => Promise<void>): Promise<void> {
  const client = ServiceClient.with(options);
  if (options.server !== undefined) return work(remoteKeys(client));
  // Keys have nothing to do with subjects: whoever makes the first one need not know their secret.
  const configuration = await configurationFrom({ ASSAY_SUBJECT_SECRET: NO_SECRET, ...process.env });
  const isBeside = OPEN_BESIDE.has(configuration.store.kind);
  if (!isBeside && (await isServiceThere(client))) return work(remoteKeys(client));
  const { openStore } = await import('../app.adapters.js');
  const { AccessKeys } = await import('../access/access-keys.js');
  const store = await openStore(configuration);
  try {
    await work(new AccessKeys(store));
  } finally {
    await store.close();
  }
}

function remoteKeys(client: ServiceClient): Keys {
  return {
    create: (key) => client.post<CreatedKey>('/v1/keys', key),
    list: async () => (await client.get<{ keys: KeyDocument[] }>('/v1/keys')).keys,
    revoke: (id) => client.delete(`/v1/keys/${encodeURIComponent(id)}`),
  };
}

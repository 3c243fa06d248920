/** `assay serve`: the service until it is told to stop. */
import { Command } from 'commander';
import {
  type Configuration,
  InvalidConfiguration,
  logFormatOf,
  readConfiguration,
} from '../configuration.js';
import { VARIABLES } from '../configuration.variables.js';
import { completeEnvironment } from '../environment.js';
import { completePolicy, type PartialPolicy } from '../event/policy.js';
import type { Service } from '../server.js';

/** Exit status for what the operator has to put right. */
const MISTAKE = 3;

export function serveCommand(): Command {
  const width = Math.max(...VARIABLES.map(({ name }) => name.length));
  const variables = VARIABLES.map(
    ({ name, fallback, meaning }) =>
      `  ${name.padEnd(width)}  ${meaning}${fallback === '' ? '' : ` (${fallback})`}`,
  );
  return new Command('serve')
    .description('Run the service')
    .addHelpText('after', `\nEnvironment:\n${variables.join('\n')}\n\nExample:\n  $ PORT=8080 assay serve\n`)
    .action(() => serve(process.env));
}

export async function serve(environment: NodeJS.ProcessEnv): Promise<void> {
  let service: Service;
  try {
    service = await startFrom(environment);
  } catch (error) {
    await tellFailure(error, environment);
    process.exit(MISTAKE);
  }
  const announcement = `Assay listens on ${service.url} - API at ${service.url}/docs`;
  if (logFormatOf(environment) === 'json') {
    service.logger.log(announcement, 'Assay');
    // Node goes on to print it and to end the process.
    process.on('uncaughtExceptionMonitor', (error) => void service.logger.fatal?.(error));
  } else {
    console.log(announcement);
  }
  const stop = (): void => void stopInTime(service, environment);
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

/** Where logs are read by a machine, why the service does not start is an entry like any other. */
async function tellFailure(error: unknown, environment: NodeJS.ProcessEnv): Promise<void> {
  const told: unknown = isForPeople(error) ? error.message : error;
  if (logFormatOf(environment) !== 'json') {
    console.error(told);
    return;
  }
  const { loggerFor } = await import('../observability/logger.js');
  const { deploymentOf } = await import('../observability/observability.js');
  const options = { deployment: deploymentOf(environment) };
  loggerFor({ logFormat: 'json', logLevel: 'error' }, options).fatal(told);
}

/**
 * Ends in order, or as far as the platform's patience goes: what was acknowledged is kept either way, a rebuild that
 * was under way leaves the present generation as it is, and the next start goes on from the checkpoint.
 */
async function stopInTime(service: Service, environment: NodeJS.ProcessEnv): Promise<never> {
  const limitMs = patienceMs(environment);
  const closed = service.close().then(() => 0);
  const status = await (limitMs === null
    ? closed
    : Promise.race([closed, new Promise<number>((end) => setTimeout(end, limitMs, 0))]));
  process.exit(status);
}

/** Between SIGTERM and SIGKILL, less what it takes to end: App Engine gives 3 seconds, Cloud Run 10. */
function patienceMs({ GAE_ENV, K_SERVICE }: NodeJS.ProcessEnv): number | null {
  if (GAE_ENV !== undefined) return 2_500;
  return K_SERVICE === undefined ? null : 9_000;
}

/**
 * The service as the environment describes it. Its code is loaded only here: commands that ask a running
 * service, and --help, answer at once.
 * @param ownKey told the key that this one service asks for besides those in the store
 * @throws InvalidConfiguration, KeysMissing, UnusableStore, UnusableWarehouse
 */
export async function startFrom(
  environment: NodeJS.ProcessEnv,
  ownKey?: (key: string) => void,
): Promise<Service> {
  const configuration = await configurationFrom(environment);
  const { startService } = await import('../server.js');
  return startService(configuration, ownKey);
}

/** @throws InvalidConfiguration */
export async function configurationFrom(given: NodeJS.ProcessEnv): Promise<Configuration> {
  const environment = await completeEnvironment(given);
  return readConfiguration(environment, environment.ASSAY_POLICY ? await policyReader() : undefined);
}

/** Loaded only where there is a policy to be read: commands on files answer sooner without. */
async function policyReader(): Promise<(policy: unknown) => string[]> {
  const { validatorOf } = await import('../http/validation.js');
  const { PolicyRequest } = await import('../intake/canaries.dto.js');
  const { policyError } = await import('../intake/predictor-rules.js');
  const reader = validatorOf(PolicyRequest);
  return (policy) => {
    const errors = reader.errorsOf(policy);
    const rule = errors.length > 0 ? null : policyError(completePolicy(policy as PartialPolicy), '');
    return [...errors, ...(rule === null ? [] : [rule])].map(
      ({ pointer, detail }) => `${pointer || '/'} ${detail}`,
    );
  };
}

const FOR_PEOPLE = new Set([
  'InvalidConfiguration',
  'KeysMissing',
  'Problem',
  'UnusableStore',
  'UnusableWarehouse',
  'StoreUnavailable',
  'WarehouseUnavailable',
]);

/** Errors whose message says what to do; anything else shows where it came from. */
export function isForPeople(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if (error instanceof InvalidConfiguration || FOR_PEOPLE.has(error.name)) return true;
  return (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
}

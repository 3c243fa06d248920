/** `assay status | rebuild | verify`: looking after the projection. */
import { Command } from 'commander';
import { addServerOptions, type ServerOptions, type ServiceClient, withService } from './service-client.js';

interface StatusAnswer {
  events: number;
  position: string | null;
  lag: { events: number; seconds: number };
  projectionError: string | null;
  lastRebuild: { at: string; tookMs: number } | null;
  store: string;
  warehouse: string;
  version: string;
}

interface RebuildAnswer {
  id: string;
  status: 'running' | 'done' | 'failed';
  progress: { stage: string; events: number } | null;
  result: { tookMs: number; counts: Record<string, number>; differences: unknown[] } | null;
  error: string | null;
}

interface VerifyAnswer {
  equal: boolean;
  storeEvents: number;
  warehouseEvents: number;
  pending: number;
  differences: unknown[];
}

const POLL_MS = 200;

export function statusCommand(): Command {
  const command = new Command('status')
    .description('Events, lag of the projection, the last rebuild')
    .option('--json', 'print the answer as JSON', false);
  return addServerOptions(command)
    .addHelpText('after', '\nExample:\n  $ assay status\n')
    .action(({ json, ...options }: { json: boolean } & ServerOptions) =>
      withService(options, async (client) => {
        const status = await client.get<StatusAnswer>('/v1/status');
        console.log(json ? JSON.stringify(status) : statusText(status));
      }),
    );
}

function statusText({
  events,
  lag,
  projectionError,
  lastRebuild,
  store,
  warehouse,
  version,
}: StatusAnswer): string {
  return [
    `Assay ${version}`,
    `events        ${events.toLocaleString('en')}`,
    `store         ${store}`,
    `warehouse     ${warehouse}`,
    `lag           ${lag.events} events, ${lag.seconds.toFixed(1)} s`,
    ...(projectionError === null ? [] : [`projection    stopped: ${projectionError}`]),
    `last rebuild  ${lastRebuild === null ? 'none so far' : `${lastRebuild.at}, ${lastRebuild.tookMs} ms`}`,
  ].join('\n');
}

export function rebuildCommand(): Command {
  const command = new Command('rebuild')
    .description('Derive the warehouse anew while the service goes on')
    .option('--from-store', 'read every event from the store again', false);
  return addServerOptions(command)
    .addHelpText('after', '\nExample:\n  $ assay rebuild --from-store\n')
    .action(({ fromStore, ...options }: { fromStore: boolean } & ServerOptions) =>
      withService(options, async (client) => {
        process.exitCode = await rebuildAndWait(client, fromStore);
      }),
    );
}

async function rebuildAndWait(client: ServiceClient, fromStore: boolean): Promise<number> {
  let state = await client.post<RebuildAnswer>(`/v1/rebuilds?fromStore=${fromStore}`);
  let told = '';
  while (state.status === 'running') {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    state = await client.get<RebuildAnswer>(`/v1/rebuilds/${state.id}`);
    const line = state.progress === null ? 'starting' : progressText(state.progress);
    if (line !== told) process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
    told = line;
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  if (state.result === null) {
    console.error(`The rebuild failed: ${state.error}. The warehouse is as it was.`);
    return 1;
  }
  const counts = Object.entries(state.result.counts).map(
    ([table, rows]) => `${rows.toLocaleString('en')} ${table}`,
  );
  console.log(`Rebuilt in ${state.result.tookMs} ms: ${counts.join(', ')}.`);
  for (const difference of state.result.differences)
    console.log(`  put right: ${JSON.stringify(difference)}`);
  return 0;
}

function progressText({ stage, events }: NonNullable<RebuildAnswer['progress']>): string {
  return events > 0 ? `${stage}: ${events.toLocaleString('en')} events` : stage;
}

export function verifyCommand(): Command {
  const command = new Command('verify')
    .description('Compare store and warehouse; exit status 1 and a listing when they differ')
    .option('--json', 'print the answer as JSON', false);
  return addServerOptions(command)
    .addHelpText('after', '\nExample:\n  $ assay verify || assay rebuild --from-store\n')
    .action(({ json, ...options }: { json: boolean } & ServerOptions) =>
      withService(options, async (client) => {
        const answer = await client.post<VerifyAnswer>('/v1/verifications');
        console.log(json ? JSON.stringify(answer) : verifyText(answer));
        process.exitCode = answer.equal ? 0 : 1;
      }),
    );
}

function verifyText({ equal, storeEvents, warehouseEvents, pending, differences }: VerifyAnswer): string {
  const counts = `${storeEvents.toLocaleString('en')} events in the store, ${warehouseEvents.toLocaleString('en')} in the warehouse${pending > 0 ? `, ${pending} more on their way` : ''}`;
  if (equal) return `Equal: ${counts}.`;
  const listing = differences.map((difference) => `  ${JSON.stringify(difference)}`);
  return [`Different: ${counts}.`, ...listing, 'Put it right with `assay rebuild --from-store`.'].join('\n');
}

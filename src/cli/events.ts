/** `assay events export | import`: the whole stream as NDJSON, one CloudEvent a line. */
import { Command } from 'commander';
import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { Readable, type Writable } from 'node:stream';
import { addServerOptions, type ServerOptions, type ServiceClient, withService } from './service-client.js';

const PAGE = 1000;

interface Page {
  events: object[];
  next: string | null;
}

interface ImportAnswer {
  accepted: number;
  duplicates: number;
  rejected: Array<{ index: number; id: string | null; detail: string }>;
  rejectedTotal?: number;
}

export function eventsCommand(): Command {
  const command = new Command('events').description('Export or import the event stream as NDJSON');
  addServerOptions(
    command
      .command('export')
      .description('Write all events, one CloudEvent a line')
      .option('--file <path>', 'where to; standard output if left out')
      .option('--predictor <name>', 'only the events of one predictor'),
  )
    .addHelpText('after', '\nExample:\n  $ assay events export --file events.ndjson\n')
    .action((options: { file?: string; predictor?: string } & ServerOptions) =>
      withService(options, (client) => exportEvents(client, options)),
    );
  addServerOptions(
    command
      .command('import')
      .description('Read events, one CloudEvent a line; what is there already is passed over')
      .option('--file <path>', 'where from; standard input if left out'),
  )
    .addHelpText('after', '\nExample:\n  $ assay events import --file events.ndjson\n')
    .action((options: { file?: string } & ServerOptions) =>
      withService(options, async (client) => {
        process.exitCode = await importEvents(client, options.file);
      }),
    );
  return command;
}

async function exportEvents(
  client: ServiceClient,
  { file, predictor }: { file?: string; predictor?: string },
): Promise<void> {
  const out: Writable = file === undefined ? process.stdout : createWriteStream(file);
  let after: string | null = null;
  let written = 0;
  do {
    const query: URLSearchParams = new URLSearchParams({ limit: String(PAGE) });
    if (after !== null) query.set('after', after);
    if (predictor !== undefined) query.set('predictor', predictor);
    const page: Page = await client.get<Page>(`/v1/events?${query.toString()}`);
    for (const event of page.events) {
      if (!out.write(`${JSON.stringify(event)}\n`)) await once(out, 'drain');
    }
    written += page.events.length;
    if (process.stderr.isTTY) process.stderr.write(`\r${written.toLocaleString('en')} events`);
    after = page.next;
  } while (after !== null);
  if (file !== undefined) await new Promise((resolve) => out.end(resolve));
  process.stderr.write(
    `${process.stderr.isTTY ? '\r' : ''}Exported ${written.toLocaleString('en')} events.\n`,
  );
}

async function importEvents(client: ServiceClient, file: string | undefined): Promise<number> {
  const input = file === undefined ? process.stdin : createReadStream(file);
  const body = Readable.toWeb(input);
  const answer = await client.post<ImportAnswer>('/v1/events', body, 'application/x-ndjson');
  const rejected = answer.rejectedTotal ?? answer.rejected.length;
  for (const { index, id, detail } of answer.rejected.slice(0, 20)) {
    console.error(`line ${index + 1}${id === null ? '' : ` (${id})`}: ${detail}`);
  }
  console.log(
    `Imported ${answer.accepted} events; ${answer.duplicates} were there already, ${rejected} were rejected.`,
  );
  return rejected > 0 ? 1 : 0;
}

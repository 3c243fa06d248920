/** The thread in which the DuckDB file lives: takes calls as messages, answers each under its number. */
import { parentPort } from 'node:worker_threads';
import type { Parameters } from './warehouse.js';
import type { EventColumns } from './warehouse.duckdb.columns.js';
import { DuckDbFile, type OpenOptions } from './warehouse.duckdb.file.js';

export type Call =
  | { call: 'open'; options: OpenOptions }
  | { call: 'append'; events: EventColumns; checkpoint: string | null }
  | { call: 'query'; statement: string; parameters: Parameters }
  | { call: 'forgetEvents'; hour: number; upTo: number }
  | {
      call:
        | 'head'
        | 'deriveGeneration'
        | 'swapGeneration'
        | 'discardGeneration'
        | 'eventInventory'
        | 'clear'
        | 'close';
    };

let file: DuckDbFile | null = null;

async function answer(request: Call): Promise<unknown> {
  if (request.call === 'open') {
    file = await DuckDbFile.open(request.options);
    return undefined;
  }
  if (file === null) throw new Error('the warehouse is not open');
  switch (request.call) {
    case 'append':
      return file.append(request.events, request.checkpoint);
    case 'query':
      return file.query(request.statement, request.parameters);
    case 'forgetEvents':
      return file.forgetEvents(request.hour, request.upTo);
    default:
      return file[request.call]();
  }
}

const port = parentPort;
port?.on('message', ({ id, request }: { id: number; request: Call }) => {
  answer(request).then(
    (result) => port.postMessage({ id, result }),
    (error: unknown) =>
      port.postMessage({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});

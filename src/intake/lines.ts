/** NDJSON from a stream, a batch of lines at a time, in flat memory. */
import type { Readable } from 'node:stream';
import { Problem } from '../problem.js';

/** Longest line, bytes. */
const LINE_LIMIT = 1024 * 1024;

/**
 * The JSON value of each line; a line that is not JSON comes as the undefined it holds for the reader, which
 * rejects it by its place. Empty lines are passed over.
 * @throws Problem too-large when a line is longer than 1 MiB
 */
export async function* linesOf(stream: Readable, batchSize: number): AsyncGenerator<unknown[]> {
  let batch: unknown[] = [];
  for await (const line of textLines(stream)) {
    if (line.trim() === '') continue;
    batch.push(parsed(line));
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function* textLines(stream: Readable): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let start = 0;
    let end = chunk.indexOf(10);
    while (end !== -1) {
      const piece = chunk.subarray(start, end);
      yield (rest.length === 0 ? piece : Buffer.concat([rest, piece])).toString('utf8');
      rest = Buffer.alloc(0);
      start = end + 1;
      end = chunk.indexOf(10, start);
    }
    rest = Buffer.concat([rest, chunk.subarray(start)]);
    if (rest.length > LINE_LIMIT) {
      throw new Problem(
        'too-large',
        `A line is longer than ${LINE_LIMIT} bytes. What came before it is recorded.`,
      );
    }
  }
  if (rest.length > 0) yield rest.toString('utf8');
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

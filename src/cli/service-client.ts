/**
 * How commands reach the service: the one that runs, or, where none does, one that is started for the command
 * on the same files and stopped after it.
 */
import { Option } from 'commander';
import type { ReadableStream } from 'node:stream/web';
import { isForPeople, startFrom } from './serve.js';

/** An answer that is not 2xx, with what the service said about it. */
export class Refused extends Error {
  override readonly name = 'Refused';

  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

/** No service under the address. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

export class ServiceClient {
  constructor(readonly url: string) {}

  async get<Answer>(path: string): Promise<Answer> {
    return this.read<Answer>(await this.fetch(path));
  }

  async post<Answer>(path: string, body?: unknown, contentType = 'application/json'): Promise<Answer> {
    const init: RequestInit & { duplex?: 'half' } = { method: 'POST', duplex: 'half' };
    if (body !== undefined) {
      init.headers = { 'content-type': contentType };
      init.body = contentType === 'application/json' ? JSON.stringify(body) : (body as ReadableStream);
    }
    return this.read<Answer>(await this.fetch(path, init));
  }

  /** The raw response, for those who read its status. */
  async fetch(path: string, init?: RequestInit): Promise<Response> {
    try {
      return await fetch(new URL(path, this.url), init);
    } catch (error) {
      const cause = (error as { cause?: Error & { code?: string } }).cause;
      throw new Unreachable(
        `No service answers at ${this.url} (${cause?.code ?? cause?.message ?? String(error)}). Start one with \`assay serve\`, or name its address with --server.`,
      );
    }
  }

  private async read<Answer>(response: Response): Promise<Answer> {
    const text = await response.text();
    const answer = (text === '' ? null : parse(text)) as Answer & { detail?: string };
    if (response.ok) return answer;
    throw new Refused(response.status, answer?.detail ?? `${response.url} answered ${response.status}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 200) };
  }
}

/** Where a service is looked for when none is named. */
export function defaultServer(): string {
  return `http://127.0.0.1:${process.env.PORT ?? '8080'}`;
}

export function serverOption(): Option {
  return runningServerOption(', or the files themselves when nothing runs there');
}

/** For commands that ask a running service only. */
export function runningServerOption(otherwise = ''): Option {
  const description = `address of the service; without it ${defaultServer()}${otherwise}`;
  return new Option('--server <url>', description).env('ASSAY_SERVER');
}

/**
 * Lets `work` talk to the service that is named. Where none is named, to the one of this machine, or to one
 * that lives as long as the work: whoever names a service does not mean the files that happen to be here.
 */
export async function withService<T>(
  named: string | undefined,
  work: (client: ServiceClient) => Promise<T>,
): Promise<T> {
  const client = new ServiceClient(named ?? defaultServer());
  if (named !== undefined || (await isThere(client))) return work(client);
  const environment = { LOG_LEVEL: 'error', ...process.env, PORT: '0' };
  const service = await startFrom(environment);
  try {
    return await work(new ServiceClient(service.url));
  } finally {
    await service.close();
  }
}

async function isThere(client: ServiceClient): Promise<boolean> {
  try {
    await client.get('/healthz');
    return true;
  } catch (error) {
    if (error instanceof Unreachable) return false;
    throw error;
  }
}

/** What to print: the message alone where it says what to do. */
export function explainError(error: unknown): string {
  if (error instanceof Refused || error instanceof Unreachable || isForPeople(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

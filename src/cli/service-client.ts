/**
 * How commands reach the service: the one that runs, or, where none does, one that is started for the command
 * on the same files and stopped after it.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { readFileSync } from 'node:fs';
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

  /** With what a person does about it at a terminal. */
  static by({ status }: Response, detail: string): Refused {
    return new Refused(status, status === 401 ? `${detail} Give it in ASSAY_KEY or by --key-file.` : detail);
  }
}

/** No service under the address. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** Which service, and the key it is asked with. */
export interface ServerOptions {
  server?: string;
  /** The key itself, out of the file. */
  keyFile?: string;
}

export class ServiceClient {
  constructor(
    readonly url: string,
    private readonly key?: string,
  ) {}

  /** The service that is named, or the one of this machine; the key out of a file or ASSAY_KEY. */
  static with({ server, keyFile }: ServerOptions): ServiceClient {
    const fromEnvironment = process.env.ASSAY_KEY?.trim();
    return new ServiceClient(server ?? defaultServer(), keyFile ?? (fromEnvironment || undefined));
  }

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

  async delete(path: string): Promise<void> {
    await this.read(await this.fetch(path, { method: 'DELETE' }));
  }

  /** The raw response, for those who read its status. */
  async fetch(path: string, init?: RequestInit): Promise<Response> {
    const headers = new Headers(init?.headers);
    if (this.key !== undefined) headers.set('authorization', `Bearer ${this.key}`);
    try {
      return await fetch(new URL(path, this.url), { ...init, headers });
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
    throw Refused.by(response, answer?.detail ?? `${response.url} answered ${response.status}`);
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

/** For commands that open the files themselves when nothing runs there. */
export function addServerOptions(command: Command): Command {
  return addRunningServerOptions(command, ', or the files themselves when nothing runs there');
}

/** For commands that ask a running service only. */
export function addRunningServerOptions(command: Command, otherwise = ''): Command {
  const description = `address of the service; without it ${defaultServer()}${otherwise}`;
  return command
    .addOption(new Option('--server <url>', description).env('ASSAY_SERVER'))
    .option('--key-file <path>', 'file that holds the API key; without it ASSAY_KEY', keyIn);
}

/** On the command line itself a key would stand in the list of processes and in the shell's history. */
function keyIn(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read (${(error as Error).message}).`);
  }
}

/**
 * Lets `work` talk to the service that is named. Where none is named, to the one of this machine, or to one
 * that lives as long as the work: whoever names a service does not mean the files that happen to be here.
 */
export async function withService<T>(
  options: ServerOptions,
  work: (client: ServiceClient) => Promise<T>,
): Promise<T> {
  const client = ServiceClient.with(options);
  if (options.server !== undefined || (await isServiceThere(client))) return work(client);
  const environment = { LOG_LEVEL: 'error', ...process.env, HOST: '127.0.0.1', PORT: '0' };
  // Whoever may open the files needs no key; others on this machine must not come in meanwhile.
  let key: string | undefined;
  const service = await startFrom(environment, (own) => (key = own));
  try {
    return await work(new ServiceClient(service.url, key));
  } finally {
    await service.close();
  }
}

export async function isServiceThere(client: ServiceClient): Promise<boolean> {
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

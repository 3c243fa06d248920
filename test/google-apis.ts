/**
 * Google's side of the conversation, on this machine: the metadata server that hands out tokens, Secret Manager, and
 * the App Engine Admin API with its long-running operations, as their references document them. The clients are
 * Google's own.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const TOKEN = 'a token of the metadata server';

export interface Failure {
  status: number;
  /** `PERMISSION_DENIED` */
  code?: string;
  message?: string;
  /** Of an ErrorInfo: `SERVICE_DISABLED` */
  reason?: string;
  /** How many answers; without it all. */
  times?: number;
}

interface Split {
  shardBy?: string;
  allocations: Record<string, number>;
}

export interface AppEngineService {
  /** Those that were deployed. */
  versions: string[];
  split: Split;
}

interface PendingOperation {
  /** Polls until it is done. */
  left: number;
  apply: () => void;
  error?: { code: number; message: string };
}

export class GoogleApis {
  /** `projects/p/secrets/n/versions/v` -> its value. */
  readonly secrets = new Map<string, string>();
  /** `apps/p/services/s` */
  readonly services = new Map<string, AppEngineService>();
  /** What was asked, `GET /v1/apps/p/services/s`, without tokens. */
  readonly asked: string[] = [];
  /** Bodies of the PATCH requests. */
  readonly patches: unknown[] = [];
  /** Polls that an operation takes. */
  pollsUntilDone = 2;
  /** How the next operations end instead of well. */
  operationError: { code: number; message: string } | null = null;
  /** Answers in the place of the real ones; path prefix with its method -> failure. */
  readonly failures = new Map<string, Failure>();
  private readonly operations = new Map<string, PendingOperation>();
  private readonly server = createServer((request, response) => void this.answer(request, response));
  private port = 0;

  async start(): Promise<this> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What tells Google's libraries and ours where everything is. */
  get environment(): Record<string, string> {
    return {
      GCE_METADATA_HOST: `127.0.0.1:${this.port}`,
      METADATA_SERVER_DETECTION: 'assume-present',
      CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER: this.url,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_APPENGINE: this.url,
    };
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    if (url.pathname.startsWith('/computeMetadata/')) return metadata(request, response, url.pathname);
    const call = `${request.method} ${url.pathname}${url.search}`;
    this.asked.push(call);
    let text = '';
    for await (const chunk of request) text += String(chunk);
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      return fail(response, { status: 401, code: 'UNAUTHENTICATED' });
    }
    const failure = this.failureFor(call);
    if (failure !== null) return fail(response, failure);
    const secret = /^\/v1\/(projects\/.+\/versions\/.+):access$/.exec(url.pathname)?.[1];
    if (secret !== undefined) return this.secret(response, secret);
    const path = url.pathname.replace(/^\/v1\//, '');
    if (path.includes('/operations/')) return this.operation(response, path);
    if (request.method === 'PATCH') return this.patch(response, path, url.searchParams, text);
    return this.service(response, path);
  }

  private failureFor(call: string): Failure | null {
    for (const [prefix, failure] of this.failures) {
      if (!call.startsWith(prefix)) continue;
      if (failure.times === undefined) return failure;
      if (failure.times-- > 0) return failure;
    }
    return null;
  }

  private secret(response: ServerResponse, name: string): void {
    const value = this.secrets.get(name);
    if (value === undefined)
      return fail(response, {
        status: 404,
        code: 'NOT_FOUND',
        message: `Secret Version [${name}] not found.`,
      });
    send(response, 200, { name, payload: { data: Buffer.from(value).toString('base64') } });
  }

  private service(response: ServerResponse, name: string): void {
    const service = this.services.get(name);
    if (service === undefined) return fail(response, { status: 404, code: 'NOT_FOUND' });
    send(response, 200, { name, id: name.split('/').at(-1), split: service.split });
  }

  private patch(response: ServerResponse, name: string, query: URLSearchParams, text: string): void {
    const service = this.services.get(name);
    if (service === undefined) return fail(response, { status: 404, code: 'NOT_FOUND' });
    const body = JSON.parse(text) as { split: Split };
    const wrong = query.get('updateMask') === 'split' ? wrongSplit(service, body.split) : 'bad updateMask';
    if (wrong !== null) return fail(response, { status: 400, code: 'INVALID_ARGUMENT', message: wrong });
    this.patches.push(body);
    const operation = `apps/${name.split('/')[1]}/operations/${this.operations.size + 1}`;
    const pending: PendingOperation = {
      left: this.pollsUntilDone,
      apply: () => (service.split = body.split),
    };
    if (this.operationError !== null) pending.error = this.operationError;
    this.operations.set(operation, pending);
    this.operation(response, operation);
  }

  private operation(response: ServerResponse, name: string): void {
    const operation = this.operations.get(name);
    if (operation === undefined) return fail(response, { status: 404, code: 'NOT_FOUND' });
    if (operation.left-- > 0) return send(response, 200, { name, metadata: {} });
    if (operation.error !== undefined)
      return send(response, 200, { name, done: true, error: operation.error });
    operation.apply();
    send(response, 200, { name, done: true, response: {} });
  }
}

/** What App Engine says against a split. */
function wrongSplit(service: AppEngineService, { shardBy, allocations }: Split): string | null {
  const unknown = Object.keys(allocations).find((version) => !service.versions.includes(version));
  if (unknown !== undefined) return `Version ${unknown} does not exist`;
  const shares = Object.values(allocations);
  const places = shardBy === 'IP' ? 2 : 3;
  const isFine = (share: number): boolean =>
    share > 0 && share <= 1 && Number(share.toFixed(places)) === share;
  if (!shares.every(isFine)) return `Shares need up to ${places} places and be in (0, 1]`;
  const sum = shares.reduce((total, share) => total + share, 0);
  return Math.abs(sum - 1) < 1e-9 ? null : `Shares sum to ${sum}`;
}

function metadata(request: IncomingMessage, response: ServerResponse, path: string): void {
  response.setHeader('Metadata-Flavor', 'Google');
  if (request.headers['metadata-flavor'] !== 'Google') return send(response, 403, {});
  if (path.endsWith('/token')) {
    return send(response, 200, { access_token: TOKEN, expires_in: 3600, token_type: 'Bearer' });
  }
  if (path.endsWith('/universe/universe-domain')) return void response.end('googleapis.com');
  if (path.endsWith('/project/project-id')) return void response.end('test-project');
  return send(response, path.endsWith('/instance') ? 200 : 404, {});
}

function fail(response: ServerResponse, { status, code, message, reason }: Failure): void {
  const details =
    reason === undefined ? [] : [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason }];
  send(response, status, {
    error: { code: status, message: message ?? `${code ?? status}`, status: code, details },
  });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** The calls of BigQuery's REST API v2 that the client makes, over the engine. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DuckDBValue, JS } from '@duckdb/node-api';
import type { Cell, Engine, Field, Result } from './engine.js';
import type { FaultPlace, Faults } from './faults.js';
import { isAcceptedJson } from './json.js';
import type { Translations } from './translation.js';

class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** What is remembered of a job. */
export interface JobRecord {
  id: string;
  /** Name of its statement in the catalogue, `load`, or null where it was not known. */
  statement: string | null;
  labels: Record<string, string>;
  bytesBilled: string | null;
  timeoutMs: string | null;
  location: string | null;
  settled: Promise<void>;
  result: Result | null;
  error: ApiError | null;
}

interface QueryParameter {
  name: string;
  parameterType: { type: string };
  parameterValue: { value: string };
}

interface JobBody {
  jobReference: { jobId: string; location?: string };
  configuration: {
    labels?: Record<string, string>;
    jobTimeoutMs?: string;
    query?: { query: string; queryParameters?: QueryParameter[]; maximumBytesBilled?: string };
    load?: { destinationTable: { datasetId: string; tableId: string } };
  };
}

export interface Request {
  method: string;
  path: string;
  body: string;
}

export class RestApi {
  readonly jobs = new Map<string, JobRecord>();
  private readonly datasets = new Set<string>();
  private readonly views = new Map<string, string>();
  /** What accounts may not do: answered with 403. */
  denied = new Set<'datasets.insert' | 'jobs.insert'>();

  constructor(
    readonly project: string,
    private readonly engine: Engine,
    private readonly faults: Faults,
    private readonly translations: Translations,
  ) {}

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const path = new URL(request.url ?? '', 'http://local').pathname;
    const place = placeOf(request.method ?? '', path);
    const fault = place === null ? null : this.faults.take(place);
    if (fault?.kind === 'reset') return void request.socket.destroy();
    if (fault?.kind === 'silent') return;
    let status = 200;
    let answer: unknown;
    try {
      if (fault?.kind === 'refuse') {
        throw new ApiError(fault.status, fault.reason ?? 'backendError', fault.message ?? 'injected');
      }
      answer = await this.answer({ method: request.method ?? '', path, body });
    } catch (error) {
      const known = error instanceof ApiError ? error : new ApiError(500, 'internalError', String(error));
      status = known.status;
      answer = { error: { code: status, message: known.message, errors: [errorOf(known)], status: 'ERROR' } };
    }
    if (fault?.kind === 'lost') return void request.socket.destroy();
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  forgetView(view: string): void {
    this.views.delete(view);
  }

  forgetDataset(dataset: string): void {
    this.datasets.delete(dataset);
    for (const view of this.views.keys()) if (view.startsWith(`${dataset}.`)) this.views.delete(view);
  }

  private async answer({ method, path, body }: Request): Promise<unknown> {
    const [, project, rest = ''] = /^(?:\/upload)?\/bigquery\/v2\/projects\/([^/]+)\/(.+)$/.exec(path) ?? [];
    if (project !== this.project) throw new ApiError(404, 'notFound', `Not found: Project ${project}`);
    if (path.startsWith('/upload/')) return this.upload(body);
    const [kind, first, second, third] = rest.split('/');
    if (method === 'POST' && kind === 'jobs') return this.insertJob(JSON.parse(body) as JobBody);
    if (method === 'GET' && kind === 'jobs') return this.getJob(first ?? '');
    if (method === 'GET' && kind === 'queries') return this.getResults(first ?? '');
    if (method === 'POST' && kind === 'datasets' && first === undefined) return this.insertDataset(body);
    if (method === 'GET' && kind === 'datasets' && second === 'tables') {
      return third === undefined ? this.listTables(first ?? '') : this.getTable(first ?? '', third);
    }
    throw new ApiError(501, 'notImplemented', `${method} ${path} is not known here`);
  }

  private async insertDataset(body: string): Promise<unknown> {
    const { datasetReference } = JSON.parse(body) as { datasetReference: { datasetId: string } };
    const { datasetId } = datasetReference;
    if (this.denied.has('datasets.insert')) {
      throw new ApiError(
        403,
        'accessDenied',
        `Access Denied: Project ${this.project}: User does not have bigquery.datasets.create permission`,
      );
    }
    if (this.datasets.has(datasetId)) {
      throw new ApiError(409, 'duplicate', `Already Exists: Dataset ${this.project}:${datasetId}`);
    }
    await this.engine.run(`CREATE SCHEMA IF NOT EXISTS "${datasetId}"`);
    this.datasets.add(datasetId);
    return { datasetReference };
  }

  private async listTables(dataset: string): Promise<unknown> {
    const tables = await this.engine.tables(dataset);
    return {
      tables: tables.map((tableId) => ({ tableReference: { tableId }, id: `${dataset}.${tableId}` })),
    };
  }

  private async getTable(dataset: string, table: string): Promise<unknown> {
    if (!(await this.engine.tables(dataset)).includes(table)) {
      throw new ApiError(404, 'notFound', `Not found: Table ${this.project}:${dataset}.${table}`);
    }
    const query = this.views.get(`${dataset}.${table}`);
    return { tableReference: { tableId: table }, ...(query === undefined ? {} : { view: { query } }) };
  }

  private insertJob(body: JobBody): unknown {
    if (this.denied.has('jobs.insert')) {
      throw new ApiError(
        403,
        'accessDenied',
        `Access Denied: Project ${this.project}: User does not have bigquery.jobs.create permission`,
      );
    }
    return this.begin(body, () => this.query(body));
  }

  /** A job's id is taken for ever, whatever became of it. */
  private begin(body: JobBody, work: () => Promise<{ statement: string; result: Result }>): unknown {
    const { jobId, location } = body.jobReference;
    if (this.jobs.has(jobId)) {
      throw new ApiError(409, 'duplicate', `Already Exists: Job ${this.project}:${jobId}`);
    }
    const { labels = {}, jobTimeoutMs = null, query } = body.configuration;
    const job: JobRecord = {
      id: jobId,
      statement: null,
      labels,
      bytesBilled: query?.maximumBytesBilled ?? null,
      timeoutMs: jobTimeoutMs,
      location: location ?? null,
      settled: Promise.resolve(),
      result: null,
      error: null,
    };
    this.jobs.set(jobId, job);
    job.settled = work().then(
      ({ statement, result }) => {
        job.statement = statement;
        job.result = result;
      },
      (error: unknown) => {
        job.error = error instanceof ApiError ? error : new ApiError(500, 'internalError', String(error));
      },
    );
    return { ...this.describe(job), status: { state: 'RUNNING' } };
  }

  private async query({ configuration }: JobBody): Promise<{ statement: string; result: Result }> {
    const { query: text = '', queryParameters = [] } = configuration.query ?? {};
    const translation = this.translations.of(text);
    if (translation === null) {
      throw new ApiError(400, 'invalidQuery', `the catalogue has no such statement:\n${text}`);
    }
    try {
      const result = await this.engine.run(translation.text, bound(queryParameters));
      this.remember(text);
      return { statement: translation.name, result };
    } catch (error) {
      throw this.refusal((error as Error).message, translation.name);
    }
  }

  /** BigQuery keeps a view as the text of its SELECT. */
  private remember(text: string): void {
    const [, view, select] = /^CREATE OR REPLACE VIEW `[^.]+\.([^`]+)` AS\n([\s\S]+)$/.exec(text) ?? [];
    if (view !== undefined && select !== undefined) this.views.set(view, select);
  }

  private refusal(message: string, statement: string): ApiError {
    const missing = /Table with name "?([\w.]+)"? does not exist/.exec(message);
    if (missing === null) return new ApiError(400, 'invalidQuery', `${message} (${statement})`);
    const what = message.includes('because schema') ? 'Dataset' : 'Table';
    return new ApiError(404, 'notFound', `Not found: ${what} ${this.project}:${missing[1]}`);
  }

  private async getJob(id: string): Promise<unknown> {
    const job = this.job(id);
    await job.settled;
    return this.describe(job);
  }

  private async getResults(id: string): Promise<unknown> {
    const job = this.job(id);
    await job.settled;
    if (job.error !== null) throw job.error;
    const { fields, rows } = job.result ?? { fields: [], rows: [] };
    return {
      jobComplete: true,
      jobReference: { projectId: this.project, jobId: id },
      schema: { fields },
      rows: rows.map((row) => ({
        f: row.map((value, index) => ({ v: wire(value, fields[index] as Field) })),
      })),
      totalRows: String(rows.length),
    };
  }

  private job(id: string): JobRecord {
    const job = this.jobs.get(id);
    if (job === undefined) throw new ApiError(404, 'notFound', `Not found: Job ${this.project}:${id}`);
    return job;
  }

  private describe({ id, error }: JobRecord): object {
    const failure = error === null ? {} : { errorResult: errorOf(error), errors: [errorOf(error)] };
    return {
      id,
      jobReference: { projectId: this.project, jobId: id },
      status: { state: 'DONE', ...failure },
    };
  }

  /** multipart/related: the job, then the lines. */
  private upload(body: string): unknown {
    const [, job = '', lines = ''] = body
      .split(/\r?\n?--[0-9a-f-]{36}(?:--)?\r?\n?/i)
      .map((part) => part.slice(part.search(/\r?\n\r?\n/)).trim());
    const parsed = JSON.parse(job) as JobBody;
    return this.begin(parsed, async () => {
      const { datasetId, tableId } = parsed.configuration.load?.destinationTable ?? {};
      const rows = lines.split('\n').map(rowOf);
      await this.engine.append(String(datasetId), String(tableId), rows);
      return { statement: 'load', result: { fields: [], rows: [] } };
    });
  }
}

function placeOf(method: string, path: string): FaultPlace | null {
  if (path.startsWith('/upload/')) return 'upload';
  if (/\/jobs$/.test(path)) return 'jobs.insert';
  if (/\/jobs\//.test(path)) return 'jobs.get';
  if (/\/queries\//.test(path)) return 'queries.get';
  if (/\/tables/.test(path)) return 'tables.get';
  return method === 'POST' && /\/datasets$/.test(path) ? 'datasets.insert' : null;
}

const errorOf = ({ reason, message }: ApiError) => ({ reason, message });

function bound(parameters: readonly QueryParameter[]): Record<string, DuckDBValue> {
  return Object.fromEntries(
    parameters.map(({ name, parameterType, parameterValue: { value } }) => {
      switch (parameterType.type) {
        case 'INT64':
          return [name, BigInt(value)];
        case 'FLOAT64':
          return [name, Number(value)];
        case 'BOOL':
          return [name, String(value) === 'true'];
        default:
          return [name, value];
      }
    }),
  );
}

/** A value as the API writes it: everything is text but NULL, records and lists. */
function wire(value: JS | undefined, field: Field): unknown {
  if (field.mode === 'REPEATED') {
    const single: Field = { ...field, mode: 'NULLABLE' };
    return ((value ?? []) as JS[]).map((one) => ({ v: wire(one, single) }));
  }
  if (value === null || value === undefined) return null;
  if (field.type === 'RECORD') {
    const record = value as Record<string, JS>;
    return { f: (field.fields ?? []).map((one) => ({ v: wire(record[one.name], one) })) };
  }
  if (value instanceof Date) return String(BigInt(value.getTime()) * 1000n);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A line of a load job: times are RFC 3339, the payload is a part of the line. */
function rowOf(line: string): Record<string, Cell> {
  let row: Record<string, string | number | object | null>;
  try {
    row = JSON.parse(line) as typeof row;
  } catch {
    throw new ApiError(400, 'invalid', 'Error while reading data: a line is not JSON');
  }
  return Object.fromEntries(
    Object.entries(row).map(([name, value]): [string, Cell] => {
      if (name === 'payload') return [name, accepted(JSON.stringify(value))];
      if (name.endsWith('_at')) return [name, BigInt(new Date(value as string).getTime()) * 1000n];
      return [name, typeof value === 'number' ? BigInt(value) : (value as string | null)];
    }),
  );
}

function accepted(payload: string): string {
  if (isAcceptedJson(payload)) return payload;
  throw new ApiError(400, 'invalid', 'Error while reading data: Invalid JSON in the field payload');
}

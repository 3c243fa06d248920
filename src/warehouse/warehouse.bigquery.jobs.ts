/**
 * Statements as BigQuery jobs. Every job has an id of ours, so that after a lost answer the same job is found
 * again instead of being run twice; a bound on what it may read, a time limit, and labels.
 */
import { randomUUID } from 'node:crypto';
import { type BigQuery, BigQueryTimestamp, type Job } from '@google-cloud/bigquery';
import { isThereAlready, mayPass } from './warehouse.bigquery.failure.js';
import type { BigQueryPlace } from './warehouse.bigquery.place.js';
import { type RetryPolicy, retrying, within } from './warehouse.bigquery.retry.js';
import type { Parameters } from './warehouse.js';

export interface JobLimits {
  /** For what people ask: tries, time in milliseconds, bytes. */
  readonly question: JobLimit;
  /** For sealing, rebuilding and forgetting. */
  readonly upkeep: JobLimit;
}

export interface JobLimit {
  readonly retry: RetryPolicy;
  readonly timeMs: number;
  readonly bytesBilled: number;
}

export interface JobRequest {
  /** What it is for, as a label and in the job's id: lower-case letters, digits and hyphens. */
  readonly purpose: string;
  readonly text: string;
  readonly parameters?: Parameters;
  readonly kind: keyof JobLimits;
  /** The same work has the same id, in this process and the next; without one it may be done again. */
  readonly id?: string;
}

/** A request to the API itself answers within this time, milliseconds: longer than the longest poll. */
const ANSWER_MS = 30_000;

export class Jobs {
  constructor(
    private readonly client: BigQuery,
    private readonly place: BigQueryPlace,
    private readonly limits: JobLimits,
  ) {}

  /** Runs a statement to its end. Numbers come back as numbers, times as milliseconds. */
  run<Row>(request: JobRequest): Promise<Row[]> {
    const id = request.id ?? `assay_${request.purpose}_${randomUUID()}`;
    return this.toItsEnd(
      this.limits[request.kind],
      id,
      (jobId) => this.insert(request, jobId),
      async (job) => {
        const [rows] = await job.getQueryResults();
        return rows.map((row) => plainValue(row) as Row);
      },
    );
  }

  /** Loads lines of JSON into a table. Under one id they are loaded once. */
  load(table: string, lines: string, id: string): Promise<void> {
    return this.toItsEnd(
      this.limits.upkeep,
      id,
      (jobId) => this.upload(table, lines, jobId),
      async (job) => {
        await job.promise();
      },
    );
  }

  /** @param id of the job; one that has failed keeps it for ever, the next try takes another */
  private toItsEnd<T>(
    { retry, timeMs }: JobLimit,
    id: string,
    begin: (jobId: string) => Promise<Job>,
    finish: (job: Job) => Promise<T>,
  ): Promise<T> {
    let failures = 0;
    return retrying(retry, mayPass, async () => {
      for (;;) {
        const jobId = failures === 0 ? id : `${id}_${failures}`;
        const { job, isOurs } = await this.beginOrFind(jobId, begin);
        try {
          // The job is ended by its own limit; ours is for an answer that never comes.
          return await within(timeMs + ANSWER_MS, 'BigQuery', finish(job));
        } catch (error) {
          const hasFailed = await this.hasFailed(job);
          if (hasFailed) failures++;
          // One of an earlier life: what stopped it may be gone.
          if (!hasFailed || isOurs) throw error;
        }
      }
    });
  }

  private async beginOrFind(jobId: string, begin: (jobId: string) => Promise<Job>) {
    try {
      return { job: await within(ANSWER_MS, 'BigQuery', begin(jobId)), isOurs: true };
    } catch (error) {
      if (!isThereAlready(error)) throw error;
      return { job: this.client.job(jobId, { location: this.place.location }), isOurs: false };
    }
  }

  private async insert({ purpose, text, parameters, kind }: JobRequest, jobId: string): Promise<Job> {
    const { timeMs, bytesBilled } = this.limits[kind];
    const [job] = await this.client.createQueryJob({
      query: text,
      jobId,
      location: this.place.location,
      labels: { service: 'assay', purpose },
      jobTimeoutMs: timeMs,
      maximumBytesBilled: String(bytesBilled),
      ...(parameters === undefined ? {} : { params: parameters, types: typesOf(parameters) }),
    });
    return job;
  }

  private upload(table: string, lines: string, jobId: string): Promise<Job> {
    const target = this.client.dataset(this.place.dataset).table(table);
    target.location = this.place.location;
    const stream = target.createWriteStream({
      sourceFormat: 'NEWLINE_DELIMITED_JSON',
      writeDisposition: 'WRITE_APPEND',
      createDisposition: 'CREATE_NEVER',
      jobId,
    });
    return new Promise((resolve, reject) => {
      stream.on('job', resolve);
      stream.on('error', reject);
      stream.end(lines);
    });
  }

  private async hasFailed(job: Job): Promise<boolean> {
    try {
      await within(ANSWER_MS, 'BigQuery', job.getMetadata());
      const { status } = job.metadata as { status?: { errorResult?: unknown } };
      return status?.errorResult !== undefined;
    } catch {
      return false;
    }
  }
}

/** Whole numbers are INT64, which the client would not choose for all of them. */
function typesOf(parameters: Parameters): Record<string, string> {
  const typeOf = (value: string | number | boolean): string => {
    if (typeof value === 'string') return 'STRING';
    if (typeof value === 'boolean') return 'BOOL';
    return Number.isInteger(value) ? 'INT64' : 'FLOAT64';
  };
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, typeOf(value)]));
}

/** Times as milliseconds, all the way down. */
function plainValue(value: unknown): unknown {
  if (value instanceof BigQueryTimestamp) return new Date(value.value).getTime();
  if (Array.isArray(value)) return value.map(plainValue);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plainValue(field)]));
  }
  return value;
}

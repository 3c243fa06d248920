/**
 * BigQuery on this machine, as far as the service needs it: its REST API and its Storage Write API, answered from
 * a DuckDB in memory. It knows the statements of the catalogue and those it was taught, and refuses every other.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { grpc } from 'google-gax';
import type { StorageStatement } from '#assay/warehouse/warehouse.bigquery.schema.js';
import { Engine } from './engine.js';
import { type Fault, type FaultPlace, Faults } from './faults.js';
import { type JobRecord, RestApi } from './rest.js';
import { storageWriteServer } from './storage-write.js';
import { Translations } from './translation.js';

export class BigQueryServer {
  private readonly faults = new Faults();
  private readonly translations: Translations;
  private readonly rest: RestApi;
  private http: Server | null = null;
  private write: grpc.Server | null = null;
  private ports = { rest: 0, write: 0 };

  private constructor(
    readonly project: string,
    private readonly engine: Engine,
  ) {
    this.translations = new Translations(project);
    this.rest = new RestApi(project, engine, this.faults, this.translations);
  }

  /** Opens it, and listens on free ports. */
  static async start(project = 'test-project'): Promise<BigQueryServer> {
    const server = new BigQueryServer(project, await Engine.open());
    await server.listen();
    return server;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.ports.rest}`;
  }

  get storageEndpoint(): string {
    return `http://127.0.0.1:${this.ports.write}`;
  }

  /** Environment of a service that uses it. */
  environment(dataset = 'assay'): Record<string, string> {
    return {
      ASSAY_WAREHOUSE: `bigquery:${this.project}.${dataset}`,
      ASSAY_BIGQUERY_ENDPOINT: this.endpoint,
      ASSAY_BIGQUERY_STORAGE_ENDPOINT: this.storageEndpoint,
      METADATA_SERVER_DETECTION: 'none',
    };
  }

  /** Answers again, on the same ports, with everything that was there. */
  async listen(): Promise<void> {
    const http = createServer((request, response) => void this.rest.handle(request, response));
    await new Promise<void>((done) => http.listen(this.ports.rest, '127.0.0.1', done));
    this.http = http;
    const write = storageWriteServer(this.engine, this.faults);
    const port = await new Promise<number>((done, failed) =>
      write.bindAsync(
        `127.0.0.1:${this.ports.write}`,
        grpc.ServerCredentials.createInsecure(),
        (error, bound) => (error === null ? done(bound) : failed(error)),
      ),
    );
    this.write = write;
    this.ports = { rest: (http.address() as AddressInfo).port, write: port };
  }

  /** Goes away, as BigQuery may: every connection is cut. What is under way is still done. */
  async vanish(): Promise<void> {
    const http = this.http;
    this.http = null;
    this.write?.forceShutdown();
    this.write = null;
    if (http === null) return;
    http.closeAllConnections();
    await new Promise((done) => http.close(done));
  }

  /** Ends for good, after the streams of clients that have said goodbye. */
  async close(): Promise<void> {
    const { write } = this;
    if (write !== null) {
      const ended = new Promise<void>((done) => write.tryShutdown(() => done()));
      await Promise.race([ended, new Promise((done) => setTimeout(done, 1000).unref())]);
    }
    await this.vanish();
    await Promise.all([...this.rest.jobs.values()].map(({ settled }) => settled));
    this.engine.close();
  }

  /** @param after how many calls go well before it */
  fail(place: FaultPlace, fault: Fault, times = 1, after = 0): void {
    this.faults.add(place, fault, times, after);
  }

  /** Faults that nobody met; forgets them. */
  unmet(): number {
    const left = this.faults.left();
    this.faults.clear();
    return left;
  }

  deny(...what: Parameters<typeof this.rest.denied.add>): void {
    for (const one of what) this.rest.denied.add(one);
  }

  allow(): void {
    this.rest.denied.clear();
  }

  /** Says of a view that it has no text. */
  forgetView(view: string): void {
    this.rest.forgetView(view);
  }

  /** Somebody deletes a dataset. */
  async forgetDataset(dataset: string): Promise<void> {
    await this.engine.run(`DROP SCHEMA "${dataset}" CASCADE`);
    this.rest.forgetDataset(dataset);
  }

  teach(statement: StorageStatement): void {
    this.translations.teach(statement);
  }

  jobs(): JobRecord[] {
    return [...this.rest.jobs.values()];
  }

  /** Runs DuckDB's SQL on the tables, behind the service's back. */
  async sql(text: string): Promise<unknown[][]> {
    return (await this.engine.run(text)).rows;
  }
}

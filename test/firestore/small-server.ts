/**
 * A Firestore in memory for the tests, where Google's emulator is missing or will not do: it speaks the real
 * protocol from the client's own .proto files, and does what the event store asks of it: atomic commits with
 * preconditions, the server's time, transactions that lock what they read, queries with cursors, counts. It is
 * stricter than the emulator in one point: a query without an index in the given file is refused, as Google does.
 */
import { Server, ServerCredentials, loadPackageDefinition, status, type GrpcObject } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { FirestoreServer } from './emulator.js';
import { missingIndex, type IndexFile } from './index-file.js';
import { matching, type StoredDocument, type StructuredQuery, type Timestamp } from './small-server.query.js';
import { written, type Write } from './small-server.write.js';

export interface SmallServer extends FirestoreServer {
  /** From now on calls of a method fail; null: they do not any more. */
  fail(failure: Failure | null): void;
  /** Names of the methods that were called since the last time. */
  calls(): string[];
}

export interface Failure {
  code: number;
  details: string;
  methods?: string[];
}

interface Request {
  database: string;
  parent: string;
  documents: string[];
  transaction?: Buffer;
  newTransaction?: object | null;
  writes: Write[];
  structuredQuery: StructuredQuery;
  structuredAggregationQuery: { structuredQuery: StructuredQuery; aggregations: { alias: string }[] };
}

interface Call {
  request: Request;
  write(answer: object): void;
  end(): void;
  emit(event: 'error', error: object): void;
}

type Done = (error: object | null, answer?: object) => void;

const require = createRequire(import.meta.url);
const PROTOS = join(dirname(require.resolve('@google-cloud/firestore/package.json')), 'build/protos');

function firestoreService(): Parameters<Server['addService']>[0] {
  const definition = loadSync('google/firestore/v1/firestore.proto', {
    includeDirs: [PROTOS],
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  let found: unknown = loadPackageDefinition(definition);
  for (const name of ['google', 'firestore', 'v1', 'Firestore']) found = (found as GrpcObject)[name];
  return (found as { service: Parameters<Server['addService']>[0] }).service;
}

/** Everything the server knows; outlives the server, so that one can be started again over it. */
export class Memory {
  readonly documents = new Map<string, StoredDocument>();
  /** Transactions that hold a document, by its name. */
  readonly locks = new Map<string, Set<string>>();
  waiting: (() => void)[] = [];
  #transactions = 0;
  #last = 0;

  /** Microseconds, never twice the same. */
  now(): number {
    this.#last = Math.max(this.#last + 1, Date.now() * 1_000);
    return this.#last;
  }

  begin(): string {
    return `transaction-${++this.#transactions}`;
  }

  lock(name: string, transaction: string): void {
    this.locks.set(name, (this.locks.get(name) ?? new Set()).add(transaction));
  }

  release(transaction: string): void {
    for (const holders of this.locks.values()) holders.delete(transaction);
    for (const look of this.waiting.splice(0)) look();
  }

  /** Resolves when no other transaction holds one of the documents. */
  async unlocked(names: string[], transaction: string): Promise<void> {
    const isHeld = (name: string): boolean =>
      [...(this.locks.get(name) ?? [])].some((holder) => holder !== transaction);
    while (names.some(isHeld)) await new Promise<void>((look) => this.waiting.push(look));
  }
}

export async function startSmallServer(
  indexes: IndexFile,
  { memory = new Memory(), port = 0 }: { memory?: Memory; port?: number } = {},
): Promise<SmallServer> {
  const calls: string[] = [];
  let failure: Failure | null = null;
  const failing = (method: string): Failure | null => {
    calls.push(method);
    return failure === null || failure.methods?.includes(method) === false ? null : failure;
  };
  const service = new Service(memory, indexes);
  const streaming =
    (method: string, answer: (call: Call) => void) =>
    (call: Call): void => {
      const refused = failing(method);
      if (refused !== null) return void call.emit('error', refused);
      answer(call);
    };
  const unary =
    (method: string, answer: (request: Request) => Promise<object>) =>
    (call: Call, done: Done): void => {
      const refused = failing(method);
      if (refused !== null) return done(refused);
      answer(call.request).then(
        (result) => done(null, result),
        (error: object) => done(error),
      );
    };
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  server.addService(firestoreService(), {
    Commit: unary('Commit', (request) => service.commit(request)),
    BeginTransaction: unary('BeginTransaction', async () => ({ transaction: Buffer.from(memory.begin()) })),
    Rollback: unary('Rollback', async ({ transaction }) => {
      memory.release(transaction?.toString() ?? '');
      return {};
    }),
    BatchGetDocuments: streaming('BatchGetDocuments', (call) => service.get(call)),
    RunQuery: streaming('RunQuery', (call) => service.query(call)),
    RunAggregationQuery: streaming('RunAggregationQuery', (call) => service.count(call)),
  } as unknown as Parameters<Server['addService']>[1]);
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    ),
  );
  return {
    host: `127.0.0.1:${bound}`,
    calls: () => calls.splice(0),
    fail: (given) => (failure = given),
    stop: async () => server.forceShutdown(),
  };
}

class Service {
  constructor(
    private readonly memory: Memory,
    private readonly indexes: IndexFile,
  ) {}

  async commit({ writes, transaction }: Request): Promise<object> {
    const { memory } = this;
    // The time of the request, not of the commit: with a lock in the way it is older.
    const requestedAt = Math.floor(memory.now() / 1_000) * 1_000;
    const id = transaction?.toString() ?? '';
    await memory.unlocked(
      writes.map(({ update }) => update.name),
      id,
    );
    const changed = new Map<string, StoredDocument>();
    const writeResults: object[] = [];
    for (const write of writes) {
      const before = changed.get(write.update.name) ?? memory.documents.get(write.update.name);
      const { document, transformResults } = written(write, before, requestedAt);
      changed.set(write.update.name, document);
      writeResults.push({ transformResults });
    }
    const commitTime = timestamp(memory.now());
    for (const [name, document] of changed)
      memory.documents.set(name, { ...document, updateTime: commitTime });
    if (id !== '') memory.release(id);
    return {
      writeResults: writeResults.map((result) => ({ ...result, updateTime: commitTime })),
      commitTime,
    };
  }

  get(call: Call): void {
    const { documents, transaction, newTransaction } = call.request;
    const begun = newTransaction ? this.memory.begin() : '';
    const id = begun || (transaction?.toString() ?? '');
    if (begun !== '') call.write({ transaction: Buffer.from(begun) });
    for (const name of documents) {
      if (id !== '') this.memory.lock(name, id);
      const found = this.memory.documents.get(name);
      const readTime = timestamp(this.memory.now());
      call.write(found === undefined ? { missing: name, readTime } : { found, readTime });
    }
    call.end();
  }

  query(call: Call): void {
    const { parent, structuredQuery } = call.request;
    const found = this.#matching(call, parent, structuredQuery);
    if (found === null) return;
    const readTime = timestamp(this.memory.now());
    for (const document of found) call.write({ document, readTime });
    if (found.length === 0) call.write({ readTime });
    call.end();
  }

  count(call: Call): void {
    const { parent, structuredAggregationQuery } = call.request;
    const { structuredQuery, aggregations } = structuredAggregationQuery;
    const found = this.#matching(call, parent, structuredQuery);
    if (found === null) return;
    const counted = aggregations.map(({ alias }) => [alias, { integerValue: String(found.length) }]);
    call.write({
      result: { aggregateFields: Object.fromEntries(counted) },
      readTime: timestamp(this.memory.now()),
    });
    call.end();
  }

  #matching(call: Call, parent: string, query: StructuredQuery): StoredDocument[] | null {
    const missing = missingIndex(query, this.indexes);
    if (missing === null) return matching(this.memory.documents.values(), parent, query);
    const details = `The query requires an index. It is not in the file: ${missing}`;
    call.emit('error', { code: status.FAILED_PRECONDITION, details });
    return null;
  }
}

function timestamp(microseconds: number): Timestamp {
  return { seconds: String(Math.floor(microseconds / 1e6)), nanos: (microseconds % 1e6) * 1_000 };
}

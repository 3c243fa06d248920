/** ZetaSQL in a process of its own: analyses and evaluates GoogleSQL over a catalogue of tables. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { binaryHere } from './platform.mjs';
import { type Node, nodeOf } from './resolved.js';
import {
  type Column,
  fromWire,
  type Row,
  scalar,
  type SqlType,
  toWire,
  type Value,
  type WireValue,
} from './values.js';

/** Tables by name, each with its columns. */
export type Catalogue = ReadonlyMap<string, readonly Column[]>;

/** Rows of tables by name; a table that is not named is empty. */
export type Contents = ReadonlyMap<string, readonly Row[]>;

/** Types of the named parameters. */
export type ParameterTypes = Readonly<Record<string, string>>;

export type Parameters = Readonly<Record<string, Value>>;

export interface Changes {
  table: string;
  rows: { operation: string; cells: Row }[];
}

const FOLDER = new URL('./node_modules/@fivetrandevelopers/zetasql/lib/zetasql/', import.meta.url);
const START_LIMIT_MS = 20_000;
const CALL_LIMIT_MS = 60_000;

/** What BigQuery knows of DDL and DML and the service may use. */
const STATEMENT_KINDS = [
  'RESOLVED_QUERY_STMT',
  'RESOLVED_CREATE_TABLE_STMT',
  'RESOLVED_CREATE_TABLE_AS_SELECT_STMT',
  'RESOLVED_CREATE_VIEW_STMT',
  'RESOLVED_ALTER_TABLE_SET_OPTIONS_STMT',
  'RESOLVED_ALTER_TABLE_STMT',
  'RESOLVED_DROP_STMT',
  'RESOLVED_INSERT_STMT',
  'RESOLVED_UPDATE_STMT',
  'RESOLVED_DELETE_STMT',
  'RESOLVED_MERGE_STMT',
];

/** What ZetaSQL can and BigQuery cannot, or could not for long. */
const NOT_IN_BIGQUERY = new Set([
  'FEATURE_TIMESTAMP_NANOS',
  'FEATURE_V_1_1_ARRAY_EQUALITY',
  'FEATURE_V_1_2_GROUP_BY_ARRAY',
  'FEATURE_V_1_2_GROUP_BY_STRUCT',
  'FEATURE_V_1_3_ARRAY_ORDERING',
  'FEATURE_V_1_3_DML_RETURNING',
  'FEATURE_V_1_3_INLINE_LAMBDA_ARGUMENT',
  'FEATURE_V_1_3_UNNEST_AND_FLATTEN_ARRAYS',
  'FEATURE_V_1_3_WITH_GROUP_ROWS',
  'FEATURE_V_1_4_BARE_ARRAY_ACCESS',
  'FEATURE_V_1_4_CORRESPONDING',
  'FEATURE_V_1_4_SINGLE_TABLE_NAME_ARRAY_PATH',
  'FEATURE_V_1_4_STRUCT_POSITIONAL_ACCESSOR',
  'FEATURE_V_1_4_WITH_EXPRESSION',
]);

/** Options of tables, with the types that BigQuery wants; any other is refused. */
const TABLE_OPTIONS = {
  require_partition_filter: 'BOOL',
  partition_expiration_days: 'FLOAT64',
  expiration_timestamp: 'TIMESTAMP',
  description: 'STRING',
  friendly_name: 'STRING',
};

type Method = 'getLanguageOptions' | 'analyze' | 'evaluateQuery' | 'evaluateModify';

type Client = Record<
  Method,
  (
    request: object,
    options: { deadline: number },
    done: (error: ServiceError | null, answer: object) => void,
  ) => void
> & {
  waitForReady(deadline: number, done: (error?: Error) => void): void;
  close(): void;
};

interface Prepared {
  columns?: Column[];
}

/** ZetaSQL refuses a statement, or fails while it evaluates it; the message is its own. */
export class StatementRefused extends Error {
  override readonly name = 'StatementRefused';
}

export class ZetaSql {
  private language: object = {};

  private constructor(
    private readonly server: ChildProcess,
    private readonly client: Client,
  ) {}

  /** @throws Error when it is not installed, or does not answer within 20 s */
  static async start(): Promise<ZetaSql> {
    const { binary, reason } = binaryHere();
    if (binary === null) throw new Error(reason);
    const path = fileURLToPath(new URL(binary, FOLDER));
    if (!existsSync(path)) {
      throw new Error('ZetaSQL is not installed: run `npm test`, or `npm ci --prefix test/googlesql` once');
    }
    const port = await freePort();
    const server = spawn(path, ['localhost', String(port)], { stdio: 'ignore' });
    process.once('exit', () => server.kill('SIGKILL'));
    const failed = once(server, 'error').then(([error]) => Promise.reject(error as Error));
    const zetasql = new ZetaSql(server, clientOf(port));
    await Promise.race([zetasql.begin(), failed]);
    return zetasql;
  }

  private async begin(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.client.waitForReady(Date.now() + START_LIMIT_MS, (error) => (error ? reject(error) : resolve()));
    });
    const known = (await this.call('getLanguageOptions', { maximumFeatures: true })) as {
      enabledLanguageFeatures: string[];
    };
    this.language = {
      ...known,
      enabledLanguageFeatures: [
        ...known.enabledLanguageFeatures.filter((feature) => !NOT_IN_BIGQUERY.has(feature)),
        'FEATURE_DISALLOW_GROUP_BY_FLOAT',
      ],
      productMode: 'PRODUCT_EXTERNAL',
      supportedStatementKinds: STATEMENT_KINDS,
    };
  }

  async stop(): Promise<void> {
    this.client.close();
    const ended = once(this.server, 'exit');
    this.server.kill('SIGKILL');
    await ended;
  }

  /**
   * Names, types and signatures of a statement.
   * @throws StatementRefused
   */
  async analyse(sql: string, catalogue: Catalogue, parameters: ParameterTypes = {}): Promise<Node> {
    const request = { ...this.request(catalogue, parameters), sqlStatement: sql };
    const answer = (await this.call('analyze', request)) as { resolvedStatement: object };
    return nodeOf(answer.resolvedStatement);
  }

  /**
   * Runs a query over the rows given.
   * @throws StatementRefused
   */
  async evaluate(
    sql: string,
    catalogue: Catalogue,
    contents: Contents,
    types: ParameterTypes = {},
    parameters: Parameters = {},
  ): Promise<{ columns: Column[]; rows: Row[] }> {
    const answer = (await this.call(
      'evaluateQuery',
      this.evaluation(sql, catalogue, contents, types, parameters),
    )) as {
      content: { tableData?: { row?: { cell?: WireValue[] }[] } };
      prepared: Prepared;
    };
    const columns = columnsOf(answer.prepared.columns);
    const rows = (answer.content.tableData?.row ?? []).map(({ cell }) => rowOf(cell, columns));
    return { columns, rows };
  }

  /**
   * The rows that an INSERT, UPDATE or DELETE would touch.
   * @throws StatementRefused
   */
  async changes(
    sql: string,
    catalogue: Catalogue,
    contents: Contents,
    types: ParameterTypes = {},
    parameters: Parameters = {},
  ): Promise<Changes> {
    const answer = (await this.call(
      'evaluateModify',
      this.evaluation(sql, catalogue, contents, types, parameters),
    )) as { tableName: string; content?: { operation: string; cell?: WireValue[] }[] };
    const columns = catalogue.get(answer.tableName) ?? [];
    const rows = (answer.content ?? []).map(({ operation, cell }) => ({
      operation,
      cells: rowOf(cell, columns),
    }));
    return { table: answer.tableName, rows };
  }

  private request(catalogue: Catalogue, parameters: ParameterTypes) {
    return {
      options: {
        languageOptions: this.language,
        defaultTimezone: 'UTC',
        createNewColumnForEachProjectedOutput: true,
        queryParameters: Object.entries(parameters).map(([name, type]) => ({ name, type: scalar(type) })),
        allowedHintsAndOptions: {
          disallowUnknownOptions: true,
          option: Object.entries(TABLE_OPTIONS).map(([name, type]) => ({ name, type: scalar(type) })),
        },
      },
      descriptorPoolList: { definitions: [{ builtin: {} }] },
      simpleCatalog: {
        name: 'warehouse',
        builtinFunctionOptions: { languageOptions: this.language },
        table: [...catalogue].map(([name, columns]) => ({ name, column: columns })),
      },
    };
  }

  private evaluation(
    sql: string,
    catalogue: Catalogue,
    contents: Contents,
    types: ParameterTypes,
    parameters: Parameters,
  ) {
    const tableContent = [...catalogue].map(([name, columns]) => {
      const rows = (contents.get(name) ?? []).map((row) => ({
        cell: columns.map((column) => toWire(row[column.name], column.type)),
      }));
      return [name, { tableData: { row: rows } }];
    });
    const params = Object.entries(parameters).map(([name, value]) => ({
      name,
      value: toWire(value, scalar(types[name] ?? '')),
    }));
    return {
      ...this.request(catalogue, types),
      sql,
      tableContent: Object.fromEntries(tableContent) as object,
      params,
    };
  }

  private call(method: Method, request: object): Promise<object> {
    return new Promise((resolve, reject) => {
      this.client[method](request, { deadline: Date.now() + CALL_LIMIT_MS }, (error, answer) => {
        if (error === null) resolve(answer);
        else reject(new StatementRefused(error.details));
      });
    });
  }
}

/** The columns of a result without what else is said about them. */
export function columnsOf(columns: readonly { name: string; type: SqlType }[] = []): Column[] {
  return columns.map(({ name, type }) => ({ name, type }));
}

function rowOf(cells: WireValue[] = [], columns: readonly Column[]): Row {
  return Object.fromEntries(columns.map(({ name, type }, at) => [name, fromWire(cells[at] ?? {}, type)]));
}

function clientOf(port: number): Client {
  const protos = fileURLToPath(new URL('protos', FOLDER));
  const definition = loadSync(`${protos}/local_service.proto`, {
    includeDirs: [protos],
    longs: String,
    enums: String,
    oneofs: true,
  });
  const { zetasql } = loadPackageDefinition(definition) as unknown as {
    zetasql: {
      local_service: {
        ZetaSqlLocalService: new (address: string, with_: object, options: object) => Client;
      };
    };
  };
  const Service = zetasql.local_service.ZetaSqlLocalService;
  const unlimited = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
  return new Service(`localhost:${port}`, credentials.createInsecure(), unlimited);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, 'localhost');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

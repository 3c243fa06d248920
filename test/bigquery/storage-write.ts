/** The Storage Write API: rows of the default stream, decoded by the descriptor that comes with them. */
import { protos } from '@google-cloud/bigquery-storage';
import { grpc } from 'google-gax';
import type { Cell, Engine } from './engine.js';
import type { Faults } from './faults.js';
import { isAcceptedJson } from './json.js';

const { AppendRowsRequest, AppendRowsResponse } = protos.google.cloud.bigquery.storage.v1;
type Request = protos.google.cloud.bigquery.storage.v1.AppendRowsRequest;
type Response = protos.google.cloud.bigquery.storage.v1.IAppendRowsResponse;
type FieldDescriptor = protos.google.protobuf.IFieldDescriptorProto;
type Call = grpc.ServerDuplexStream<Request, Response>;

const SERVICE: grpc.ServiceDefinition = {
  AppendRows: {
    path: '/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows',
    requestStream: true,
    responseStream: true,
    requestSerialize: (value: Request) => Buffer.from(AppendRowsRequest.encode(value).finish()),
    requestDeserialize: (bytes: Buffer) => AppendRowsRequest.decode(bytes),
    responseSerialize: (value: Response) => Buffer.from(AppendRowsResponse.encode(value).finish()),
    responseDeserialize: (bytes: Buffer) => AppendRowsResponse.decode(bytes),
  },
};

const NOT_FOUND = 5;
const INVALID_ARGUMENT = 3;

/** @returns the server, which has yet to be bound */
export function storageWriteServer(engine: Engine, faults: Faults): grpc.Server {
  const server = new grpc.Server({ 'grpc.max_receive_message_length': 10_000_000 });
  server.addService(SERVICE, {
    AppendRows: (call: Call) => {
      let last: Promise<void> = Promise.resolve();
      call.on('data', (request: Request) => {
        last = last.then(() => answer(call, request, engine, faults));
      });
      call.on('end', () => void last.then(() => call.end()));
      call.on('error', () => undefined);
    },
  });
  return server;
}

async function answer(call: Call, request: Request, engine: Engine, faults: Faults): Promise<void> {
  const [, dataset = '', table = ''] =
    /\/datasets\/([^/]+)\/tables\/([^/]+)\/streams\/_default$/.exec(request.writeStream) ?? [];
  const fault = faults.take(`append ${table}`);
  if (fault?.kind === 'silent') return;
  if (fault?.kind === 'reset') return fail(call, grpc.status.UNAVAILABLE, 'connection reset');
  if (fault?.kind === 'refuse') {
    return fail(call, fault.status, fault.message ?? 'injected');
  }
  const response = await append(request, dataset, table, engine);
  if (fault?.kind === 'lost') return fail(call, grpc.status.UNAVAILABLE, 'the answer is lost');
  if (!call.cancelled) call.write(response);
}

function fail(call: Call, code: grpc.status, details: string): void {
  call.emit('error', { code, details });
}

async function append(request: Request, dataset: string, table: string, engine: Engine): Promise<Response> {
  if (!(await engine.tables(dataset)).includes(table)) {
    return { error: { code: NOT_FOUND, message: `Not found: Table ${dataset}.${table}` } };
  }
  const fields = request.protoRows?.writerSchema?.protoDescriptor?.field ?? [];
  const rows = (request.protoRows?.rows?.serializedRows ?? []).map((bytes) => decoded(bytes, fields));
  const rowErrors = rows.flatMap((row, index) => {
    const wrong = whatIsWrong(row, fields);
    return wrong === null ? [] : [{ index, code: 1, message: wrong }];
  });
  if (rowErrors.length > 0) {
    return { rowErrors, error: { code: INVALID_ARGUMENT, message: 'Errors found while processing rows' } };
  }
  await engine.append(dataset, table, rows);
  return { appendResult: {}, writeStream: request.writeStream };
}

const REQUIRED = protos.google.protobuf.FieldDescriptorProto.Label.LABEL_REQUIRED;

function whatIsWrong(row: Record<string, Cell>, fields: readonly FieldDescriptor[]): string | null {
  const missing = fields.find(({ name, label }) => isRequired(label) && row[name ?? ''] === undefined);
  if (missing !== undefined) return `Field ${missing.name} is required`;
  const { payload } = row;
  if (typeof payload === 'string' && !isAcceptedJson(payload)) return 'Invalid JSON in the field payload';
  return null;
}

const isRequired = (label: unknown): boolean => label === REQUIRED || label === 'LABEL_REQUIRED';

/** A protobuf message whose fields are whole numbers and texts. */
function decoded(bytes: Uint8Array, fields: readonly FieldDescriptor[]): Record<string, Cell> {
  const names = new Map(fields.map(({ number, name }) => [number, name ?? '']));
  const row: Record<string, Cell> = {};
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const name = names.get(tag >> 3);
    if (name === undefined)
      throw new Error(`a row has the field ${tag >> 3}, which its descriptor does not know`);
    const wireType = tag & 7;
    if (wireType === 0) row[name] = varint();
    else if (wireType === 2) {
      const length = Number(varint());
      row[name] = Buffer.from(bytes.subarray(at, at + length)).toString('utf8');
      at += length;
    } else throw new Error(`a row has a field of the wire type ${wireType}`);
  }
  return row;
}

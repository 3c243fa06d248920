/** What a write does to a document, with its precondition and its transforms. */
import { status } from '@grpc/grpc-js';
import { compareValues, type FieldValue, type StoredDocument, type Timestamp } from './small-server.query.js';

export interface Write {
  update: { name: string; fields: Record<string, FieldValue> };
  updateMask: { fieldPaths: string[] } | null;
  updateTransforms: {
    fieldPath: string;
    setToServerValue?: string;
    appendMissingElements?: { values: FieldValue[] };
  }[];
  currentDocument: { exists?: boolean; updateTime?: Timestamp | null } | null;
}

const DOCUMENT_BYTES = 1 << 20;

/** @throws Refusal when the write is refused */
export function written(
  write: Write,
  before: StoredDocument | undefined,
  at: number,
): { document: StoredDocument; transformResults: object[] } {
  const { name, fields } = write.update;
  const exists = write.currentDocument?.exists;
  if (exists === false && before !== undefined) {
    throw new Refusal(status.ALREADY_EXISTS, `Document already exists: ${name}`);
  }
  if (exists === true && before === undefined)
    throw new Refusal(status.NOT_FOUND, `No document to update: ${name}`);
  const asOf = write.currentDocument?.updateTime ?? null;
  if (asOf !== null && !isSame(asOf, before?.updateTime)) {
    throw new Refusal(status.FAILED_PRECONDITION, `the stored version of ${name} is not the required one`);
  }
  const kept = write.updateMask === null ? {} : (before?.fields ?? {});
  const document = { name, fields: { ...kept, ...fields } };
  const transformResults = write.updateTransforms.map((transform) => {
    const value = transformed(transform, document.fields[transform.fieldPath], at);
    document.fields[transform.fieldPath] = value;
    return transform.setToServerValue === undefined ? { nullValue: 'NULL_VALUE' } : value;
  });
  const bytes = Buffer.byteLength(JSON.stringify(Object.values(document.fields).map((v) => v.stringValue)));
  if (bytes > DOCUMENT_BYTES * 1.1)
    throw new Refusal(status.INVALID_ARGUMENT, `${name} is larger than 1 MiB`);
  return { document, transformResults };
}

function isSame(a: Timestamp, b: Timestamp | undefined): boolean {
  return b !== undefined && Number(a.seconds) === Number(b.seconds) && a.nanos === b.nanos;
}

function transformed(
  { setToServerValue, appendMissingElements }: Write['updateTransforms'][number],
  present: FieldValue | undefined,
  at: number,
): FieldValue {
  if (setToServerValue === 'REQUEST_TIME') {
    return { timestampValue: { seconds: String(Math.floor(at / 1e6)), nanos: (at % 1e6) * 1_000 } };
  }
  const values = [...(present?.arrayValue?.values ?? [])];
  for (const value of appendMissingElements?.values ?? []) {
    if (!values.some((known) => compareValues(known, value) === 0)) values.push(value);
  }
  return { arrayValue: { values } };
}

/** What the caller is told; grpc reads code and details. */
class Refusal extends Error {
  constructor(
    readonly code: number,
    readonly details: string,
  ) {
    super(details);
  }
}

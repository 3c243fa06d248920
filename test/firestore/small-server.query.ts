/** Queries over documents in memory, by Firestore's rules, as far as the event store uses them. */

export interface FieldValue {
  stringValue?: string;
  integerValue?: string;
  nullValue?: string;
  referenceValue?: string;
  timestampValue?: { seconds: string; nanos: number };
  arrayValue?: { values: FieldValue[] };
}

export interface StoredDocument {
  name: string;
  fields: Record<string, FieldValue>;
  updateTime?: Timestamp;
}

export interface Timestamp {
  seconds: string;
  nanos: number;
}

interface Filter {
  fieldFilter: { field: { fieldPath: string }; op: string; value: FieldValue } | null;
  unaryFilter: { field: { fieldPath: string }; op: string } | null;
  compositeFilter: { op: string; filters: Filter[] } | null;
}

interface Order {
  field: { fieldPath: string };
  direction: 'ASCENDING' | 'DESCENDING';
}

interface Cursor {
  values: FieldValue[];
  before: boolean;
}

export interface StructuredQuery {
  from: { collectionId: string }[];
  where: Filter | null;
  orderBy: Order[];
  startAt: Cursor | null;
  endAt: Cursor | null;
  limit: { value: number } | null;
}

export function matching(
  documents: Iterable<StoredDocument>,
  parent: string,
  query: StructuredQuery,
): StoredDocument[] {
  const collection = `${parent}/${query.from[0]?.collectionId}/`;
  const prefix = commonPrefix(namesIn(query.where));
  const compare = comparison(query.orderBy);
  const found = [...documents]
    .filter(({ name }) => name.startsWith(prefix))
    .filter(({ name }) => name.startsWith(collection) && !name.slice(collection.length).includes('/'))
    .filter((document) => query.where === null || holds(query.where, document))
    .filter((document) =>
      query.orderBy.every(({ field }) => valueOf(document, field.fieldPath) !== undefined),
    )
    .filter((document) => isBetween(document, query))
    .sort(compare);
  return query.limit === null ? found : found.slice(0, query.limit.value);
}

/** The two ends of a range of names, where a query has one: most documents are told apart by a glance at them. */
function namesIn(where: Filter | null): string[] {
  const filters = where?.compositeFilter?.filters ?? (where === null ? [] : [where]);
  const names = filters.flatMap(({ fieldFilter }) =>
    fieldFilter?.field.fieldPath === '__name__' ? [fieldFilter.value.referenceValue ?? ''] : [],
  );
  return names.length === 2 ? names : [];
}

function commonPrefix([a = '', b = '']: string[]): string {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return a.slice(0, length);
}

function valueOf(document: StoredDocument, fieldPath: string): FieldValue | undefined {
  return fieldPath === '__name__' ? { referenceValue: document.name } : document.fields[fieldPath];
}

function holds({ fieldFilter, unaryFilter, compositeFilter }: Filter, document: StoredDocument): boolean {
  if (compositeFilter) return compositeFilter.filters.every((filter) => holds(filter, document));
  if (unaryFilter) {
    if (unaryFilter.op !== 'IS_NULL') throw new Error(`unknown operator ${unaryFilter.op}`);
    return valueOf(document, unaryFilter.field.fieldPath)?.nullValue !== undefined;
  }
  if (!fieldFilter) throw new Error('a filter of no kind');
  const value = valueOf(document, fieldFilter.field.fieldPath);
  if (value === undefined) return false;
  const { op, value: given } = fieldFilter;
  if (op === 'IN') return (given.arrayValue?.values ?? []).some((one) => compareValues(value, one) === 0);
  if (typeOf(value) !== typeOf(given)) return false;
  const order = compareValues(value, given);
  const results: Record<string, boolean> = {
    EQUAL: order === 0,
    LESS_THAN: order < 0,
    LESS_THAN_OR_EQUAL: order <= 0,
    GREATER_THAN: order > 0,
    GREATER_THAN_OR_EQUAL: order >= 0,
  };
  const result = results[op];
  if (result === undefined) throw new Error(`unknown operator ${op}`);
  return result;
}

function comparison(orderBy: Order[]): (a: StoredDocument, b: StoredDocument) => number {
  return (a, b) => {
    for (const { field, direction } of orderBy) {
      const order = compareValues(valueOf(a, field.fieldPath) ?? {}, valueOf(b, field.fieldPath) ?? {});
      if (order !== 0) return direction === 'DESCENDING' ? -order : order;
    }
    return 0;
  };
}

function isBetween(document: StoredDocument, { startAt, endAt, orderBy }: StructuredQuery): boolean {
  const against = ({ values }: Cursor): number => {
    for (const [index, value] of values.entries()) {
      const order = orderBy[index];
      if (order === undefined) throw new Error('a cursor of more values than the order has fields');
      const by = compareValues(valueOf(document, order.field.fieldPath) ?? {}, value);
      if (by !== 0) return order.direction === 'DESCENDING' ? -by : by;
    }
    return 0;
  };
  if (startAt) {
    const by = against(startAt);
    if (startAt.before ? by < 0 : by <= 0) return false;
  }
  if (endAt) {
    const by = against(endAt);
    if (endAt.before ? by >= 0 : by > 0) return false;
  }
  return true;
}

const TYPES = [
  'nullValue',
  'integerValue',
  'timestampValue',
  'stringValue',
  'referenceValue',
  'arrayValue',
] as const;

function typeOf(value: FieldValue): number {
  return TYPES.findIndex((type) => value[type] !== undefined && value[type] !== null);
}

/** Firestore's order of values: by type first, texts and names by their bytes. */
export function compareValues(a: FieldValue, b: FieldValue): number {
  const byType = typeOf(a) - typeOf(b);
  if (byType !== 0) return byType;
  switch (TYPES[typeOf(a)]) {
    case 'integerValue':
      return Number(a.integerValue) - Number(b.integerValue);
    case 'timestampValue': {
      const [x, y] = [a.timestampValue, b.timestampValue];
      return Number(x?.seconds) - Number(y?.seconds) || (x?.nanos ?? 0) - (y?.nanos ?? 0);
    }
    case 'stringValue':
      return Buffer.compare(Buffer.from(a.stringValue ?? ''), Buffer.from(b.stringValue ?? ''));
    case 'referenceValue':
      return Buffer.compare(Buffer.from(a.referenceValue ?? ''), Buffer.from(b.referenceValue ?? ''));
    default:
      return 0;
  }
}

/** firestore.indexes.json, and whether it has what a query needs, by Firestore's rules for composite indexes. */
import { readFileSync } from 'node:fs';

interface IndexedField {
  fieldPath: string;
  order: string;
}

export interface IndexFile {
  indexes: { collectionGroup: string; queryScope: string; fields: IndexedField[] }[];
  fieldOverrides: { collectionGroup: string; fieldPath: string; ttl?: boolean; indexes: object[] }[];
}

export const INDEX_FILE = 'deploy/firestore/firestore.indexes.json';

export function readIndexFile(): IndexFile {
  return JSON.parse(readFileSync(INDEX_FILE, 'utf8')) as IndexFile;
}

interface AnyFilter {
  fieldFilter?: { field: { fieldPath: string }; op: string } | null;
  unaryFilter?: { field: { fieldPath: string }; op: string } | null;
  compositeFilter?: { filters: AnyFilter[] } | null;
}

interface AnyQuery {
  from: { collectionId: string }[];
  where?: AnyFilter | null;
  orderBy: { field: { fieldPath: string }; direction: string }[];
}

/** The index that a query needs and the file has not, for people; null when all is well. */
export function missingIndex(query: AnyQuery, { indexes, fieldOverrides }: IndexFile): string | null {
  const collection = query.from[0]?.collectionId ?? '';
  const filters = flat(query.where ?? null).filter(({ path }) => path !== '__name__');
  const equal = [...new Set(filters.filter(({ isRange }) => !isRange).map(({ path }) => path))];
  const ordered = query.orderBy.filter(({ field }) => field.fieldPath !== '__name__');
  const unordered = filters.filter(
    ({ path, isRange }) => isRange && ordered.every(({ field }) => field.fieldPath !== path),
  );
  const wanted = [
    ...equal.map((path) => `${path} any`),
    ...ordered.map(({ field, direction }) => `${field.fieldPath} ${direction}`),
    ...unordered.map(({ path }) => `${path} ASCENDING`),
  ];
  if (wanted.length === 0) return null;
  if (wanted.length === 1) {
    const [path] = wanted[0]?.split(' ') ?? [];
    const isOff = fieldOverrides.some(
      (override) => override.collectionGroup === collection && [path, '*'].includes(override.fieldPath),
    );
    return isOff ? `${collection}: ${wanted.join()}` : null;
  }
  const has = indexes.some(
    ({ collectionGroup, queryScope, fields }) =>
      collectionGroup === collection &&
      queryScope === 'COLLECTION' &&
      fields.length === wanted.length &&
      sameFields(fields.slice(0, equal.length), equal) &&
      fields
        .slice(equal.length)
        .every(({ fieldPath, order }, index) => `${fieldPath} ${order}` === wanted[equal.length + index]),
  );
  return has ? null : `${collection}: ${wanted.join()}`;
}

/** Fields held equal may come in any order and direction. */
function sameFields(fields: IndexedField[], paths: string[]): boolean {
  return paths.every((path) => fields.some(({ fieldPath }) => fieldPath === path));
}

function flat(filter: AnyFilter | null): { path: string; isRange: boolean }[] {
  if (filter === null) return [];
  if (filter.compositeFilter) return filter.compositeFilter.filters.flatMap(flat);
  const one = filter.fieldFilter ?? filter.unaryFilter;
  if (!one) return [];
  return [{ path: one.field.fieldPath, isRange: /THAN|NOT/.test(one.op) }];
}

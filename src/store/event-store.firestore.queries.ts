/**
 * Every query that the Firestore store makes, and the index that each of them needs. Pure.
 *
 * The log is read by time over all shards in one query: Firestore merges them, and gives back one order.
 */
import {
  EVENTS,
  eventId,
  type Place,
  SHARDS,
  type StreamKey,
  text,
  time,
  type Value,
  whole,
} from './event-store.firestore.documents.js';
import { NO_STREAM } from './event-store.js';

type Direction = 'ASCENDING' | 'DESCENDING';

interface FieldFilter {
  fieldFilter: {
    field: { fieldPath: string };
    op: 'EQUAL' | 'IN' | 'LESS_THAN' | 'LESS_THAN_OR_EQUAL' | 'GREATER_THAN' | 'GREATER_THAN_OR_EQUAL';
    value: Value;
  };
}

interface NullFilter {
  unaryFilter: { field: { fieldPath: string }; op: 'IS_NULL' };
}

export type Filter = FieldFilter | NullFilter;

interface Cursor {
  values: Value[];
  before: boolean;
}

/** A query as it travels; the part of Firestore's StructuredQuery that we use. */
export interface Query {
  from: { collectionId: string }[];
  where: { compositeFilter: { op: 'AND'; filters: Filter[] } };
  orderBy: { field: { fieldPath: string }; direction: Direction }[];
  startAt?: Cursor;
  endAt?: Cursor;
  limit?: { value: number };
}

export interface IndexField {
  fieldPath: string;
  order: Direction;
}

/** A stretch of the log: behind a place, up to a place or a time, both inclusive. */
export interface Stretch {
  after?: Place | null;
  upTo?: Place;
  /** Microseconds, exclusive. */
  since?: number;
  /** Microseconds, inclusive. */
  until?: number;
}

const filter = (fieldPath: string, op: FieldFilter['fieldFilter']['op'], value: Value): Filter => ({
  fieldFilter: { field: { fieldPath }, op, value },
});

const ALL_SHARDS = filter('sh', 'IN', {
  arrayValue: { values: Array.from({ length: SHARDS }, (_, shard) => whole(shard)) },
});

/** @param documents the name of the database's root, in front of every document's */
export class Queries {
  constructor(private readonly documents: string) {}

  /** A stream in order of revision. Needs no index: the range is over names. */
  stream(key: StreamKey, after = NO_STREAM): Query {
    const { prefix } = key;
    const first = after === NO_STREAM ? prefix : eventId(key, after + 1);
    return {
      from: [{ collectionId: EVENTS }],
      where: and(
        filter('__name__', 'GREATER_THAN_OR_EQUAL', this.reference(first)),
        filter('__name__', 'LESS_THAN', this.reference(`${prefix}~`)),
      ),
      orderBy: [{ field: { fieldPath: '__name__' }, direction: 'ASCENDING' }],
    };
  }

  /** The log, oldest first. */
  log(stretch: Stretch, limit: number): Query {
    return { ...this.stretch(stretch, []), limit: { value: limit } };
  }

  /** What is known to belong to a predictor; null: what belongs to none as far as its event knows. */
  logOf(predictor: string | null, stretch: Stretch, limit: number): Query {
    const only: Filter =
      predictor === null
        ? { unaryFilter: { field: { fieldPath: 'p' }, op: 'IS_NULL' } }
        : filter('p', 'EQUAL', text(predictor));
    return { ...this.stretch(stretch, [only]), limit: { value: limit } };
  }

  /** For a count of the events in a stretch. */
  counted(stretch: Stretch): Query {
    return this.stretch(stretch, []);
  }

  /** The youngest event. */
  last(): Query {
    return {
      from: [{ collectionId: EVENTS }],
      where: and(ALL_SHARDS),
      orderBy: byTime('DESCENDING'),
      limit: { value: 1 },
    };
  }

  private stretch({ after, upTo, since, until }: Stretch, filters: Filter[]): Query {
    return {
      from: [{ collectionId: EVENTS }],
      where: and(
        ALL_SHARDS,
        ...filters,
        ...(since === undefined ? [] : [filter('at', 'GREATER_THAN', time(since))]),
        ...(until === undefined ? [] : [filter('at', 'LESS_THAN_OR_EQUAL', time(until))]),
      ),
      orderBy: byTime('ASCENDING'),
      ...(after ? { startAt: this.cursor(after) } : {}),
      ...(upTo ? { endAt: this.cursor(upTo) } : {}),
    };
  }

  /** Just behind a place; a stretch ends there too when the place is to be in it. */
  private cursor({ at, id }: Place): Cursor {
    return { values: [time(at), this.reference(id)], before: false };
  }

  private reference(id: string): Value {
    return { referenceValue: `${this.documents}/${EVENTS}/${id}` };
  }
}

const and = (...filters: Filter[]): Query['where'] => ({ compositeFilter: { op: 'AND', filters } });

const byTime = (direction: Direction): Query['orderBy'] => [
  { field: { fieldPath: 'at' }, direction },
  { field: { fieldPath: '__name__' }, direction },
];

/** The composite index that a query needs: fields held equal, then those of the order; none for names alone. */
export function indexFor(query: Query): IndexField[] {
  const equal = query.where.compositeFilter.filters
    .filter((one) => 'unaryFilter' in one || ['EQUAL', 'IN'].includes(one.fieldFilter.op))
    .map((one) => ('unaryFilter' in one ? one.unaryFilter : one.fieldFilter).field.fieldPath);
  const ordered = query.orderBy.filter(({ field }) => field.fieldPath !== '__name__');
  return [
    ...equal.map((fieldPath): IndexField => ({ fieldPath, order: 'ASCENDING' })),
    ...ordered.map(({ field, direction }) => ({ fieldPath: field.fieldPath, order: direction })),
  ];
}

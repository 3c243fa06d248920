/** Reading in Firestore: streams, the log up to the horizon, and counts that grow with what is new. */
import type { StoredEvent } from '../event/envelope.js';
import type { FirestoreConnection } from './event-store.firestore.client.js';
import {
  comparePlaces,
  type Document,
  EVENTS,
  eventOf,
  parsePosition,
  type Place,
  placeOf,
  positionOf,
  type StreamKey,
  streamKey,
} from './event-store.firestore.documents.js';
import type { Queries, Stretch } from './event-store.firestore.queries.js';
import { PAGE_PAYLOAD, requirePageLimit } from './event-store.limits.js';
import { type EventPage, InvalidPosition, type LogHead } from './event-store.js';

/** Documents of one query. */
const STEP = 1_000;
/** A filtered page looks at so many at least: most of them may belong to others. */
const FILTERED_STEP = 50;
/** Positions that are known to be given out, so that they need not be looked up. */
const KNOWN_POSITIONS = 1_000;
/** What is older than this does not change any more: a commit ends within 330 seconds or not at all. */
const CLOSED_US = 600e6;

export class FirestoreLog {
  readonly #known = new Set<string>();
  /** Events up to a time that is closed, microseconds. */
  #closed = { upTo: 0, events: 0 };

  /** @param horizon how far behind the server's clock the log is read, microseconds */
  constructor(
    private readonly connection: FirestoreConnection,
    private readonly queries: Queries,
    private readonly horizon: number,
  ) {}

  async stream(key: StreamKey, after?: number): Promise<StoredEvent[]> {
    return (await this.connection.find(this.queries.stream(key, after))).map(eventOf);
  }

  async page(after: string | null, limit: number, predictor?: string): Promise<EventPage> {
    requirePageLimit(limit);
    const place = await this.#placeOf(after);
    const until = this.connection.serverTime - this.horizon;
    const { events, atEnd } =
      predictor === undefined
        ? await this.#all(place, until, limit)
        : await this.#ofPredictor(predictor, place, until, limit);
    const next = events.at(-1)?.position ?? after;
    if (next !== null) this.#remember(next);
    return { events, next, atEnd };
  }

  async #all(after: Place | null, until: number, limit: number): Promise<Stretched> {
    const events: StoredEvent[] = [];
    let payload = 0;
    for (;;) {
      const wanted = Math.min(limit - events.length, STEP);
      const found = await this.connection.scan(this.queries.log({ after, until }, wanted), (document) => {
        payload += lengthOf(document);
        return payload < PAGE_PAYLOAD;
      });
      for (const document of found.documents) events.push(eventOf(document));
      if (!found.complete) return { events, atEnd: false };
      if (found.documents.length < wanted) return { events, atEnd: true };
      if (events.length === limit) return { events, atEnd: false };
      after = placeOf(found.documents.at(-1) as Document);
    }
  }

  /**
   * What is marked as the predictor's, merged with the corrections that came before anybody knew whose they are
   * and whose stream says so now.
   */
  async #ofPredictor(
    predictor: string,
    after: Place | null,
    until: number,
    limit: number,
  ): Promise<Stretched> {
    const events: StoredEvent[] = [];
    const streams = new Map<string, Promise<boolean>>();
    let payload = 0;
    const wanted = Math.min(Math.max(limit, FILTERED_STEP), STEP);
    for (;;) {
      const step = await this.#merged(predictor, { after, until }, wanted);
      for (const document of step.documents) {
        const event = eventOf(document);
        if (event.predictor === null && !(await this.#belongs(event.stream, predictor, streams))) continue;
        events.push(event);
        payload += event.payload.length;
        if (events.length === limit || payload >= PAGE_PAYLOAD) return { events, atEnd: false };
      }
      if (step.reached === null) return { events, atEnd: true };
      after = step.reached;
    }
  }

  /** Both queries' documents in one order, as far as both have gone; `reached` is null at the end. */
  async #merged(
    predictor: string,
    stretch: Stretch,
    wanted: number,
  ): Promise<{ documents: Document[]; reached: Place | null }> {
    const found = await Promise.all(
      [predictor, null].map((one) => {
        let payload = 0;
        return this.connection.scan(this.queries.logOf(one, stretch, wanted), (document) => {
          payload += lengthOf(document);
          return payload < PAGE_PAYLOAD;
        });
      }),
    );
    const limits = found
      .filter(({ documents, complete }) => !complete || documents.length === wanted)
      .map(({ documents }) => placeOf(documents.at(-1) as Document))
      .sort(comparePlaces);
    const reached = limits[0] ?? null;
    const documents = found
      .flatMap(({ documents: some }) => some)
      .map((document) => ({ document, place: placeOf(document) }))
      .sort((a, b) => comparePlaces(a.place, b.place))
      .filter(({ place }) => reached === null || comparePlaces(place, reached) <= 0)
      .map(({ document }) => document);
    return { documents, reached };
  }

  #belongs(stream: string, predictor: string, known: Map<string, Promise<boolean>>): Promise<boolean> {
    let belongs = known.get(stream);
    if (belongs === undefined) {
      belongs = this.stream(streamKey(stream)).then((events) =>
        events.some((event) => event.predictor === predictor),
      );
      known.set(stream, belongs);
    }
    return belongs;
  }

  async head(): Promise<LogHead> {
    const [events, last] = await Promise.all([this.#total(), this.connection.find(this.queries.last())]);
    const position = last[0] === undefined ? null : positionOf(placeOf(last[0]));
    if (position !== null) this.#remember(position);
    return { events, position };
  }

  /** All events. A count costs a read for a thousand of them, so that those of old are counted once. */
  async #total(): Promise<number> {
    const closed = this.connection.serverTime - CLOSED_US;
    const { upTo, events } = this.#closed;
    if (closed - upTo > CLOSED_US) {
      const more = await this.connection.count(this.queries.counted({ since: upTo, until: closed }));
      this.#closed = { upTo: closed, events: events + more };
    }
    const now = this.#closed;
    return now.events + (await this.connection.count(this.queries.counted({ since: now.upTo })));
  }

  async countAfter(position: string | null, upTo?: string): Promise<number> {
    const after = await this.#placeOf(position);
    const end = await this.#placeOf(upTo ?? null);
    if (end === null) return this.connection.count(this.queries.counted({ after }));
    if (after !== null && comparePlaces(after, end) >= 0) return 0;
    return this.connection.count(this.queries.counted({ after, upTo: end }));
  }

  /** @throws InvalidPosition when no event of this database has the position */
  async #placeOf(position: string | null): Promise<Place | null> {
    if (position === null) return null;
    const place = parsePosition(position);
    if (this.#known.has(position)) return place;
    const found = await this.connection.get(`${EVENTS}/${place.id}`);
    if (found === null || placeOf(found).at !== place.at) {
      throw new InvalidPosition(`no event of this store has the position "${position}"`);
    }
    this.#remember(position);
    return place;
  }

  #remember(position: string): void {
    this.#known.delete(position);
    this.#known.add(position);
    if (this.#known.size <= KNOWN_POSITIONS) return;
    for (const oldest of this.#known) return void this.#known.delete(oldest);
  }
}

interface Stretched {
  events: StoredEvent[];
  atEnd: boolean;
}

function lengthOf({ fields }: Document): number {
  return fields.d?.stringValue?.length ?? 0;
}

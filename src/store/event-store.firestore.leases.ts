/** Leases as documents: read, decide, and write only if nobody wrote in between. */
import { type FirestoreConnection, isOutdated, isTaken } from './event-store.firestore.client.js';
import {
  type Document,
  escaped,
  type Fields,
  textOrNone,
  textOrNullOf,
  whole,
  wholeOf,
} from './event-store.firestore.documents.js';
import { StoreUnavailable } from './event-store.js';
import { type LeaseRecord, type LeaseRequest, type LeaseState, releaseLease, takeLease } from './leases.js';

/** Writers that find each other in the way; a handful of processes ask a few times a minute. */
const ATTEMPTS = 20;

export class FirestoreLeases {
  constructor(private readonly connection: FirestoreConnection) {}

  take(request: LeaseRequest): Promise<LeaseState> {
    return this.#change(request.name, (known, now) => takeLease(known, request, now));
  }

  async release(name: string, holder: string): Promise<void> {
    await this.#change(name, (known, now) => releaseLease(known, holder, now));
  }

  async #change(
    name: string,
    change: (known: LeaseRecord | null, now: number) => LeaseRecord,
  ): Promise<LeaseRecord> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const document = await this.connection.get(leasePath(name));
      const known = document === null ? null : leaseOf(document);
      // By the server's clock as the read has just told it: all processes go by the same.
      const next = change(known, Math.floor(this.connection.serverTime / 1_000));
      // Most looks change nothing, and are not billed as a write.
      if (known !== null && sameLease(known, next)) return next;
      if (await this.#written(name, document, next)) return next;
    }
    throw new StoreUnavailable(`the lease "${name}" is being asked for by many processes at once`);
  }

  /** @returns false when somebody else wrote it meanwhile */
  async #written(name: string, document: Document | null, next: LeaseRecord): Promise<boolean> {
    const update = {
      name: `${this.connection.documents}/${leasePath(name)}`,
      fields: fieldsOfLease(next),
    };
    const currentDocument =
      document === null ? { exists: false } : { updateTime: document.updateTime ?? { seconds: 0, nanos: 0 } };
    try {
      await this.connection.commit([{ update, currentDocument }]);
      return true;
    } catch (error) {
      if (isTaken(error) || isOutdated(error)) return false;
      throw error;
    }
  }
}

function leasePath(name: string): string {
  return `leases/${escaped(name)}`;
}

/** Out of the automatic indexes, each of them: deploy/firestore/firestore.indexes.json. */
export function fieldsOfLease({ holder, note, wantedBy, until, wantedUntil }: LeaseRecord): Fields {
  return {
    holder: textOrNone(holder),
    note: textOrNone(note),
    wantedBy: textOrNone(wantedBy),
    until: whole(until),
    wantedUntil: whole(wantedUntil),
  };
}

function leaseOf({ fields }: Document): LeaseRecord {
  return {
    holder: textOrNullOf(fields.holder),
    note: textOrNullOf(fields.note),
    wantedBy: textOrNullOf(fields.wantedBy),
    until: wholeOf(fields.until),
    wantedUntil: wholeOf(fields.wantedUntil),
  };
}

function sameLease(a: LeaseRecord, b: LeaseRecord): boolean {
  return JSON.stringify(fieldsOfLease(a)) === JSON.stringify(fieldsOfLease(b));
}

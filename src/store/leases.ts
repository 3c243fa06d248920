/**
 * Leases: rights that one process at a time has among all that share a store. Pure; the adapters keep the
 * record and bring the clock.
 *
 * A lease ends by itself when its holder does not renew it, so that the death of the holder costs no more than
 * the time it was taken for. Who needs it sooner asks for it, and the holder gives it up at its next renewal.
 */

export interface LeaseRequest {
  name: string;
  /** Who asks: a process, by a name that no other one has. */
  holder: string;
  /** How long it is taken for, milliseconds from now by the store's clock. */
  ttlMs: number;
  /** Asks the present holder to give it up, and goes before those who do not insist. */
  insists: boolean;
  /** What the holder tells everybody who looks; ignored from others, and null leaves what was told. */
  note: string | null;
}

/** A lease as it is after a request. */
export interface LeaseState {
  /** Null while nobody has it. */
  holder: string | null;
  /** What the last holder told. */
  note: string | null;
  /** Who insists on having it; null when nobody does. */
  wantedBy: string | null;
}

/** What an adapter keeps of a lease. */
export interface LeaseRecord extends LeaseState {
  /** When the lease ends, milliseconds by the store's clock. */
  until: number;
  /** When the wish is forgotten, milliseconds by the store's clock. */
  wantedUntil: number;
}

/** The record after a request: the lease is the caller's when it is the holder then. */
export function takeLease(known: LeaseRecord | null, request: LeaseRequest, now: number): LeaseRecord {
  const { holder, ttlMs, insists, note } = request;
  const record = lapsed(known, now);
  const isFree = record.holder === null && (record.wantedBy === null || record.wantedBy === holder);
  if (record.holder === holder || isFree) {
    const wantedBy = record.wantedBy === holder ? null : record.wantedBy;
    return { ...record, holder, note: note ?? record.note, wantedBy, until: now + ttlMs };
  }
  const isHeard = insists && (record.wantedBy === null || record.wantedBy === holder);
  return isHeard ? { ...record, wantedBy: holder, wantedUntil: now + ttlMs } : record;
}

/** The record after its holder let go; unchanged when it was not the holder. */
export function releaseLease(known: LeaseRecord | null, holder: string, now: number): LeaseRecord {
  const record = lapsed(known, now);
  return record.holder === holder ? { ...record, holder: null, until: now } : record;
}

/** The record without what has run out. */
function lapsed(known: LeaseRecord | null, now: number): LeaseRecord {
  if (known === null) return { holder: null, note: null, wantedBy: null, until: 0, wantedUntil: 0 };
  return {
    ...known,
    holder: now < known.until ? known.holder : null,
    wantedBy: now < known.wantedUntil ? known.wantedBy : null,
  };
}

/**
 * Keeps the split that is in force outside of this service equal to the one that follows from the events. It compares
 * what is with what should be, instead of following the events: what was missed while nobody ran, changed by hand or
 * refused at first is put right by the next look, and a look at what is right changes nothing.
 */
import type { PredictorState, Split } from '../event/predictor.js';
import {
  isSameSplit,
  type TrafficControl,
  TrafficRefused,
  type WantedTraffic,
  wantedTraffic,
} from './traffic.js';

/** How often it looks without being nudged, milliseconds. */
const ROUND_MS = 10_000;
/** What was right is asked for again after so long, milliseconds. */
const TRUSTED_MS = 60_000;
/** First and longest pause after a failure, milliseconds; each failure doubles it. */
const BACKOFF_MS = 5_000;
const BACKOFF_LIMIT_MS = 5 * 60_000;

/** What `GET /v1/predictors/{predictor}` says of it. */
export interface TrafficState {
  by: 'appengine';
  /** `projects/p/services/s`; null where the versions do not agree on one. */
  service: string | null;
  wanted: Split | null;
  /** As last read or written; null before that. */
  inForce: Split | null;
  checkedAt: string | null;
  /** What keeps it from being as it should, and what to do; null while all is well. */
  error: string | null;
}

interface Kept {
  wanted: WantedTraffic | null;
  inForce: Split | null;
  checkedAt: number;
  error: string | null;
  failures: number;
  retryAt: number;
}

const UNKNOWN: Kept = {
  wanted: null,
  inForce: null,
  checkedAt: 0,
  error: null,
  failures: 0,
  retryAt: 0,
};

export class TrafficKeeper {
  /** The predictor that splits a service's traffic; it stays so for as long as it wants to. */
  private readonly owners = new Map<string, string>();
  private readonly kept = new Map<string, Kept>();
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> = Promise.resolve();
  private next: Promise<void> | null = null;

  /**
   * @param control null where this service alone splits the traffic: then there is nothing to keep
   * @param predictors all of them, by name
   * @param project the one that is meant where a backend names none
   */
  constructor(
    private readonly control: TrafficControl | null,
    private readonly predictors: () => Promise<ReadonlyMap<string, PredictorState>>,
    private readonly project: string | null,
    private readonly onError: (predictor: string, message: string) => void,
  ) {}

  start(): void {
    if (this.control === null) return;
    this.timer ??= setInterval(() => void this.look(), ROUND_MS);
    this.timer.unref();
    void this.look();
  }

  /** Lets go of what is under way; the next start goes on from there. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    this.stopping.abort();
    await this.round;
  }

  /**
   * Looks at every predictor once and puts right what is not. A look that is under way is followed by another one,
   * since it may have passed by already; more than one need not wait for that. Never throws.
   */
  look(): Promise<void> {
    const { control } = this;
    if (control === null) return Promise.resolve();
    if (this.next !== null) return this.next;
    this.next = this.round.then(() => {
      this.next = null;
      return this.lookAtAll(control).catch((error: unknown) => {
        this.onError('all predictors', messageOf(error));
      });
    });
    this.round = this.next;
    return this.next;
  }

  /** Null where nobody else splits this predictor's traffic. */
  stateOf(predictor: string): TrafficState | null {
    const kept = this.kept.get(predictor);
    if (kept === undefined) return null;
    const { wanted, inForce, checkedAt, error } = kept;
    return {
      by: 'appengine',
      service: wanted && `projects/${wanted.target.project}/services/${wanted.target.service}`,
      wanted: wanted?.shares ?? null,
      inForce,
      checkedAt: checkedAt === 0 ? null : new Date(checkedAt).toISOString(),
      error,
    };
  }

  private async lookAtAll(control: TrafficControl): Promise<void> {
    if (this.stopping.signal.aborted) return;
    const keeping: Array<Promise<void>> = [];
    const wantedBy = await this.wantedByPredictor(control);
    for (const [service, owner] of this.owners) {
      const wanted = wantedBy.get(owner);
      if (wanted === undefined || nameOf(wanted) !== service) this.owners.delete(service);
    }
    for (const [predictor, wanted] of wantedBy) {
      try {
        unlessTaken(this.owners, predictor, wanted);
        keeping.push(this.keep(control, predictor, wanted));
      } catch (error) {
        this.failed(predictor, null, error);
      }
    }
    await Promise.all(keeping);
  }

  /** What is wanted, those first that were deployed first: who comes later takes no service from another. */
  private async wantedByPredictor(control: TrafficControl): Promise<Map<string, WantedTraffic>> {
    const found: Array<[predictor: string, wanted: WantedTraffic, since: number]> = [];
    for (const [predictor, state] of await this.predictors()) {
      try {
        const wanted = wantedTraffic(state, control.places, this.project);
        if (wanted === null) this.kept.delete(predictor);
        else found.push([predictor, wanted, state.splits[0]?.at ?? Infinity]);
      } catch (error) {
        this.failed(predictor, null, error);
      }
    }
    found.sort(([, , a], [, , b]) => a - b);
    return new Map(found.map(([predictor, wanted]) => [predictor, wanted]));
  }

  private async keep(control: TrafficControl, predictor: string, wanted: WantedTraffic): Promise<void> {
    const before = this.kept.get(predictor) ?? UNKNOWN;
    const isUnchanged = before.wanted !== null && isSameWanted(before.wanted, wanted);
    if (isUnchanged && Date.now() < Math.max(before.retryAt, trustedUntil(before))) return;
    const { signal } = this.stopping;
    try {
      const found = await control.read(wanted.target, signal);
      if (!isSameSplit(found, wanted.shares)) await control.write(wanted.target, wanted.shares, signal);
      this.kept.set(predictor, { ...UNKNOWN, wanted, inForce: wanted.shares, checkedAt: Date.now() });
    } catch (error) {
      if (!signal.aborted) this.failed(predictor, wanted, error);
    }
  }

  private failed(predictor: string, wanted: WantedTraffic | null, error: unknown): void {
    const before = this.kept.get(predictor) ?? UNKNOWN;
    const message = messageOf(error);
    if (before.error !== message) this.onError(predictor, message);
    const retryAt = Date.now() + Math.min(BACKOFF_MS * 2 ** before.failures, BACKOFF_LIMIT_MS);
    this.kept.set(predictor, {
      ...before,
      wanted,
      error: message,
      failures: before.failures + 1,
      retryAt,
    });
  }
}

/** Two predictors would take a service from each other for ever. */
function unlessTaken(owners: Map<string, string>, predictor: string, wanted: WantedTraffic): void {
  const name = nameOf(wanted);
  const owner = owners.get(name);
  if (owner !== undefined && owner !== predictor) {
    throw new TrafficRefused(
      `the App Engine service ${wanted.target.service} has its split from predictor "${owner}" already: give each predictor a service of its own`,
    );
  }
  owners.set(name, predictor);
}

function nameOf({ target }: WantedTraffic): string {
  return `${target.project}/${target.service}`;
}

function trustedUntil({ error, checkedAt }: Kept): number {
  return error === null ? checkedAt + TRUSTED_MS : 0;
}

function isSameWanted(a: WantedTraffic, b: WantedTraffic): boolean {
  return (
    a.target.project === b.target.project &&
    a.target.service === b.target.service &&
    isSameSplit(a.shares, b.shares)
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

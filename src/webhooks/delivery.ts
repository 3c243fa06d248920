/**
 * The way of events to one webhook: one at a time, in order, each until it is taken or given up. A look sends all that
 * is due; it is woken by what is appended here, by time for what is appended elsewhere, and by cron.
 */
import type { NewEvent, StoredEvent } from '../event/envelope.js';
import type { DeliveryLease } from './delivery-lease.js';
import { type Due, type LastDelivered, Overtaken, Progress } from './progress.js';
import { ATTEMPT_MS, type Outcome } from './sender.js';
import { originOf, pauseMs, type Webhook } from './webhook.js';
import type { EventStore } from '../store/event-store.js';

/** Without being woken it looks again after this long, milliseconds. */
const LOOK_MS = 10_000;
/** After a failure of the store it looks again after this long, milliseconds. */
const STORE_PAUSE_MS = 2_000;
/** The lease is held for an attempt and for writing down what came of it, and beyond the next look, milliseconds. */
const HOLD_MS = Math.max(ATTEMPT_MS, LOOK_MS) + 11_000;
/** An event is not given up before so many attempts of this process, however old it is. */
const LEAST_ATTEMPTS = 5;

/** What a webhook does, for `GET /v1/webhooks`. Holds no secret: of the URL only its origin. */
export interface WebhookStatus {
  name: string;
  origin: string;
  predictors: readonly string[] | null;
  types: readonly string[];
  /** off: the receiver answered 410; it is asked again after a restart. */
  status: 'idle' | 'sending' | 'failing' | 'off';
  lastDelivered: LastDelivered | null;
  waiting: number;
  /** When the store took the oldest event that waits, milliseconds. */
  waitingSince: number | null;
  /** Attempts at that event that failed. */
  attempts: number;
  error: string | null;
  /** Milliseconds. */
  nextAttemptAt: number | null;
}

export interface DeliveryDependencies {
  store: EventStore;
  lease: DeliveryLease;
  send: (webhook: Webhook, event: StoredEvent, signal: AbortSignal) => Promise<Outcome>;
  /** Told of every attempt; must not throw. */
  attempted: (webhook: string, result: 'delivered' | 'failed' | 'given_up') => void;
  /** Told of what somebody should know; must not throw. */
  onProblem: (message: string) => void;
}

export class Delivery {
  private progress: Progress | null = null;
  /** The term of the lease that it was read in. */
  private term = 0;
  private waiting: Due[] = [];
  /** At the oldest event that waits; they failed. */
  private attempts = 0;
  private retryAt = 0;
  private error: string | null = null;
  private isOff = false;
  private isStoreAway = false;
  /** Says that an event came to its end, and is not written down yet. */
  private unkept: NewEvent | null = null;
  private isStopping = false;
  private readonly breakingOff = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> = Promise.resolve();
  private next: Promise<void> | null = null;

  constructor(
    readonly webhook: Webhook,
    private readonly by: DeliveryDependencies,
  ) {}

  /** Finds out how far it is, and where a new one begins. What fails is found out by the first look. */
  begin(): Promise<void> {
    this.round = this.ready()
      .then(() => undefined)
      .catch(() => this.forget());
    return this.round;
  }

  /** @param patienceMs how long an attempt under way may take; one that is broken off is made again */
  async stop(patienceMs: number): Promise<void> {
    this.isStopping = true;
    if (this.timer !== null) clearTimeout(this.timer);
    const timer = setTimeout(() => this.breakingOff.abort(), patienceMs);
    await this.round;
    clearTimeout(timer);
  }

  /**
   * Sends what is due, as far as the receiver takes it. A look that is under way is followed by another one, since it
   * may have passed by already; more than one need not wait for that. Never throws.
   */
  look(): Promise<void> {
    if (this.next !== null) return this.next;
    this.next = this.round.then(() => {
      this.next = null;
      return this.lookNow();
    });
    this.round = this.next;
    return this.next;
  }

  status(): WebhookStatus {
    const { name, predictors, types } = this.webhook;
    const oldest = this.waiting[0]?.event.recordedAt ?? null;
    const isFailing = this.error !== null;
    return {
      name,
      origin: originOf(this.webhook),
      predictors,
      types,
      status: this.isOff ? 'off' : isFailing ? 'failing' : oldest === null ? 'idle' : 'sending',
      lastDelivered: this.progress?.lastDelivered ?? null,
      waiting: this.waiting.length,
      waitingSince: oldest,
      attempts: this.attempts,
      error: this.error,
      nextAttemptAt: isFailing && !this.isOff ? this.retryAt : null,
    };
  }

  private async lookNow(): Promise<void> {
    if (this.isStopping) return;
    if (this.timer !== null) clearTimeout(this.timer);
    try {
      await this.sendDue();
      this.isStoreAway = false;
    } catch (error) {
      if (error instanceof Overtaken) this.forget();
      else this.storeFailed(error);
    }
    if (this.isStopping) return;
    const untilRetry = this.retryAt - Date.now();
    this.timer = setTimeout(() => void this.look(), untilRetry > 0 ? Math.min(untilRetry, LOOK_MS) : LOOK_MS);
    this.timer.unref();
  }

  /** Null while another process delivers. */
  private async ready(): Promise<Progress | null> {
    const { store, lease } = this.by;
    if (!(await lease.heldFor(HOLD_MS))) {
      this.forget();
      return null;
    }
    const { term } = lease;
    if (this.progress !== null && this.term === term) return this.progress;
    const read = await Progress.read(store, this.webhook, Date.now());
    // When nobody else has delivered meanwhile, what is known here still stands, with the attempts that failed.
    if (this.progress === null || !this.progress.isAsFarAs(read)) {
      this.forget();
      this.progress = read;
    }
    this.term = term;
    return this.progress;
  }

  private async sendDue(): Promise<void> {
    if (this.isOff) return;
    const progress = await this.ready();
    if (progress === null) return;
    if (this.unkept !== null) await this.keep(progress, this.unkept);
    this.waiting = await progress.due();
    if (this.waiting.length === 0) this.clear();
    for (let due = this.waiting[0]; due !== undefined; due = this.waiting[0]) {
      if (this.isStopping || this.isOff || Date.now() < this.retryAt) return;
      if ((await this.ready()) !== progress) return this.sendDue();
      await this.attempt(progress, due);
    }
  }

  private async attempt(progress: Progress, due: Due): Promise<void> {
    const { name } = this.webhook;
    const outcome = await this.by.send(this.webhook, due.event, this.breakingOff.signal);
    if (outcome.kind === 'delivered') {
      this.by.attempted(name, 'delivered');
      return this.keep(progress, progress.doneWith(due, this.attempts + 1, null));
    }
    if (this.breakingOff.signal.aborted) return;
    if (outcome.kind === 'gone') {
      this.isOff = true;
      this.error = 'it answered 410 Gone: it is asked again after a restart';
      this.by.onProblem(`the webhook ${name} is off, ${this.error}`);
      return;
    }
    this.by.attempted(name, 'failed');
    this.attempts += 1;
    this.error = outcome.error;
    const event = `${due.event.type} of ${due.predictor}`;
    if (this.attempts >= LEAST_ATTEMPTS && Date.now() - due.event.recordedAt > this.webhook.giveUpMs) {
      this.by.attempted(name, 'given_up');
      this.by.onProblem(`the webhook ${name} did not take ${event}, which is given up: ${this.error}`);
      return this.keep(progress, progress.doneWith(due, this.attempts, this.error));
    }
    if (this.attempts === 1) {
      this.by.onProblem(`the webhook ${name} does not take ${event}, which is tried again: ${this.error}`);
    }
    this.retryAt = Date.now() + pauseMs(this.attempts, outcome.retryAfterMs, Math.random());
  }

  private async keep(progress: Progress, end: NewEvent): Promise<void> {
    this.unkept = end;
    await progress.keep(end);
    this.unkept = null;
    this.waiting.shift();
    this.clear();
  }

  private clear(): void {
    this.attempts = 0;
    this.retryAt = 0;
    this.error = null;
  }

  /** Another process delivers. */
  private forget(): void {
    this.progress = null;
    this.unkept = null;
    this.waiting = [];
    this.clear();
  }

  /** What is known stays: nothing was sent, or it is only to be written down. */
  private storeFailed(error: unknown): void {
    this.error = error instanceof Error ? error.message : String(error);
    this.retryAt = Date.now() + STORE_PAUSE_MS;
    if (!this.isStoreAway) this.by.onProblem(`the webhook ${this.webhook.name} waits: ${this.error}`);
    this.isStoreAway = true;
  }
}

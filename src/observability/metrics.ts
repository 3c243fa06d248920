/**
 * The metrics of one running service: what it counts as it happens, and what it looks up when it is scraped.
 *
 * Labels stay few: a predictor or version gets a series of its own only once it is deployed. What is recorded
 * for others, which anybody can name in a back-fill, is counted together under empty labels.
 */
import type { NewEvent } from '../event/envelope.js';
import { PREDICTOR_DEPLOYED, type PredictorState, type Verdict } from '../event/predictor.js';
import type { Tally } from '../intake/tally.js';
import { lagOf } from '../projection/lag.js';
import type { ProjectionNote } from '../projection/projection-lease.js';
import type { rebuild } from '../projection/rebuild.js';
import type { EventStore } from '../store/event-store.js';
import type { PredictorCatalog } from '../store/predictor-catalog.js';
import type { CanaryHealth } from '../verdict/judge.js';
import type { WebhookStatus } from '../webhooks/delivery.js';
import type { CountedSeries, HeldCounter } from './held-series.js';
import type { Instruments } from './instruments.js';

const VERDICTS: readonly Verdict[] = ['promote', 'hold', 'rollback', 'insufficient'];
const WEBHOOK_RESULTS = ['delivered', 'failed', 'given_up'] as const;
/** Label of what is not deployed here. */
const UNKNOWN = '';

/** What is looked at when somebody scrapes. */
export interface Watched {
  store: EventStore;
  catalog: PredictorCatalog;
  progress: () => ProjectionNote;
  webhooks: () => readonly WebhookStatus[];
}

export class Metrics implements Tally {
  private readonly predictions: PerVersion;
  private readonly corrections: PerVersion;
  private readonly shadows: PerVersion;
  private readonly deployed = new Map<string, Set<string>>();
  private readonly verdicts = new Map<string, Verdict>();
  private watched: Watched | null = null;

  constructor(readonly instruments: Instruments) {
    this.predictions = new PerVersion(instruments.predictions);
    this.corrections = new PerVersion(instruments.corrections);
    this.shadows = new PerVersion(instruments.shadows);
    instruments.skew.set(0);
  }

  /** From now on scrapes show store, projection and canaries. */
  /** Store and projection are about to close: what is told last is how they were. */
  unwatch(): void {
    this.watched = null;
  }

  async watch(watched: Watched): Promise<void> {
    this.watched = watched;
    for (const { name } of watched.webhooks()) {
      for (const result of WEBHOOK_RESULTS) {
        this.instruments.webhookAttempts.inc({ webhook: name, result }, 0);
      }
    }
    await this.lookAtPredictors(watched).catch(() => undefined);
  }

  predicted(predictor: string, version: string, outcome: string): void {
    this.predictions.count(predictor, version, outcome);
  }

  shadowed(predictor: string, version: string, outcome: string): void {
    this.shadows.count(predictor, version, outcome);
  }

  corrected(predictor: string, version: string, outcome: string): void {
    if (this.deployed.get(predictor)?.has(version) === true)
      this.corrections.count(predictor, version, outcome);
    else this.corrections.count(UNKNOWN, UNKNOWN, outcome);
  }

  appended(events: readonly NewEvent[]): void {
    for (const event of events) {
      if (event.type !== PREDICTOR_DEPLOYED || event.predictor === null) continue;
      this.know(event.predictor, [(JSON.parse(event.payload) as { version: string }).version]);
    }
  }

  /** A look at a canary is over. */
  judged(predictor: string, { verdict, canary, lagSeconds }: CanaryHealth): void {
    const { verdictChanges, judgedAt, evidenceAge } = this.instruments;
    const before = this.verdicts.get(predictor);
    if (before !== verdict) {
      this.verdicts.set(predictor, verdict);
      if (before !== undefined) verdictChanges.inc({ predictor, verdict });
      this.showVerdict(predictor, verdict);
    }
    if (canary.judged !== null) return;
    judgedAt.set({ predictor }, Date.now() / 1000);
    evidenceAge.set({ predictor }, lagSeconds);
  }

  /** An attempt to send an event to a webhook is over. */
  webhookAttempted(webhook: string, result: (typeof WEBHOOK_RESULTS)[number]): void {
    this.instruments.webhookAttempts.inc({ webhook, result });
  }

  /** The rebuild, with what came of it counted. */
  observedRebuild(work: typeof rebuild): typeof rebuild {
    const { rebuilds, rebuildSeconds, rebuildDifferences, rebuiltAt } = this.instruments;
    return async (options) => {
      try {
        const result = await work(options);
        rebuilds.inc({ result: 'done' });
        rebuildSeconds.set(result.tookMs / 1000);
        rebuildDifferences.set(result.differences.length);
        rebuiltAt.set(Date.now() / 1000);
        return result;
      } catch (error) {
        rebuilds.inc({ result: 'failed' });
        throw error;
      }
    };
  }

  /** Brings what is looked up to date. Never throws: a store that is away is itself a value. */
  async refresh(): Promise<void> {
    if (this.watched === null) return;
    const { storeUp, projectionUp, lagEvents, lagSeconds, events, skew } = this.instruments;
    const { store, progress } = this.watched;
    const { error } = progress();
    this.lookAtWebhooks(this.watched);
    projectionUp.set(error === null ? 1 : 0);
    try {
      const lag = await lagOf(store, progress());
      events.set(lag.head.events);
      if (lag.events !== null) lagEvents.set(lag.events);
      lagSeconds.set(lag.seconds);
      skew.set(store.skewSeconds?.() ?? 0);
      await this.lookAtPredictors(this.watched);
      storeUp.set(1);
    } catch {
      storeUp.set(0);
    }
  }

  private async lookAtPredictors({ catalog }: Watched): Promise<void> {
    const names = await catalog.names();
    for (const predictor of names) {
      const state = await catalog.find(predictor);
      if (state === null) continue;
      this.know(predictor, state.versions.keys());
      this.lookAtCanary(predictor, state);
    }
  }

  private lookAtWebhooks({ webhooks }: Watched): void {
    const { webhookWaiting, webhookWaitingSeconds } = this.instruments;
    for (const { name, waiting, waitingSince } of webhooks()) {
      webhookWaiting.set({ webhook: name }, waiting);
      const age = waitingSince === null ? 0 : Math.max(0, Date.now() - waitingSince) / 1000;
      webhookWaitingSeconds.set({ webhook: name }, age);
    }
  }

  /** The judge looks at undecided canaries only; what was decided, or is over, shows in the predictor's state. */
  private lookAtCanary(predictor: string, { canary }: PredictorState): void {
    const { judgedAt, evidenceAge, verdict } = this.instruments;
    if (canary === null || canary.judged !== null) {
      judgedAt.remove({ predictor });
      evidenceAge.remove({ predictor });
    }
    if (canary !== null) {
      this.showVerdict(predictor, canary.judged?.verdict ?? this.verdicts.get(predictor) ?? 'insufficient');
      return;
    }
    this.verdicts.delete(predictor);
    for (const known of VERDICTS) verdict.remove({ predictor, verdict: known });
  }

  private showVerdict(predictor: string, verdict: Verdict): void {
    for (const known of VERDICTS) {
      this.instruments.verdict.set({ predictor, verdict: known }, known === verdict ? 1 : 0);
    }
  }

  private know(predictor: string, versions: Iterable<string>): void {
    const known = this.deployed.get(predictor) ?? new Set();
    this.deployed.set(predictor, known);
    for (const version of versions) known.add(version);
  }
}

/** A counter by predictor, version and outcome, whose series are found without making a key. */
class PerVersion {
  private readonly known = new Map<string, Map<string, Map<string, CountedSeries>>>();

  constructor(private readonly counter: HeldCounter) {}

  count(predictor: string, version: string, outcome: string): void {
    const series = this.known.get(predictor)?.get(version)?.get(outcome);
    (series ?? this.open(predictor, version, outcome)).inc();
  }

  private open(predictor: string, version: string, outcome: string): CountedSeries {
    const versions = this.known.get(predictor) ?? new Map<string, Map<string, CountedSeries>>();
    const outcomes = versions.get(version) ?? new Map<string, CountedSeries>();
    const series = this.counter.labels(predictor, version, outcome);
    this.known.set(predictor, versions.set(version, outcomes.set(outcome, series)));
    return series;
  }
}

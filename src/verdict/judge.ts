/**
 * Reads the cells afresh, judges, writes the first verdict of a canary as an event, and moves the traffic of a
 * canary with a ramp. Keeps no state of its own but the latest answer and the buckets it was made from, which
 * stand until a bucket ends or a late event comes in.
 */
import { v7 as uuidv7 } from 'uuid';
import { newEvent, type StoredEvent } from '../event/envelope.js';
import {
  CANARY_JUDGED,
  type PredictorState,
  PROMOTED,
  ROLLED_BACK,
  type RunningCanary,
  splitWith,
  TRAFFIC_SPLIT,
} from '../event/predictor.js';
import { Problem } from '../problem.js';
import { PredictorCatalog } from '../store/predictor-catalog.js';
import type { Warehouse } from '../warehouse/warehouse.js';
import type { WarehouseReader } from '../warehouse/warehouse.announcing.js';
import { BucketMemory } from './bucket-memory.js';
import { labelsSince, type Move, nextMove, type RampProgress, rampProgress, type RampView } from './ramp.js';
import { judgeCanary, type Judgement } from './verdict.js';

/** How far the projection is, from whoever runs it. */
export interface ProjectionProgress {
  asOf: number | null;
  checkpoint: string | null;
  /** Whether this process runs it. Only that one judges without being asked. */
  isOurs: boolean;
  /** Changes whenever this process has begun to run it: before, others may have changed the warehouse. */
  epoch: number;
  /** Whether events are being taken out and put back: then an hour may be missing, and no verdict is final. */
  isMending: boolean;
}

export interface CanaryHealth {
  canary: RunningCanary;
  judgement: Judgement;
  /** The verdict that stands: the one that was written first, or the present one. */
  verdict: Judgement['verdict'];
  reason: string;
  /** Milliseconds. */
  asOf: number;
  lagSeconds: number;
  /** Null where the traffic is moved by hand. */
  ramp: RampProgress | null;
  /** What the service does next with the traffic. */
  move: Move | null;
}

/** All canaries are judged without being asked this often, milliseconds, */
const ROUND_MS = 15_000;
/** and more often while one has shorter buckets, but not more than this. */
const SHORTEST_ROUND_MS = 1000;
/** What another process projects is read again after this long, milliseconds, if anything has moved. */
const FRESH_MS = 30_000;

/** The latest answer about one canary, and the buckets it came from. */
interface Remembered {
  startedRevision: number;
  epoch: number;
  buckets: BucketMemory;
  key: string;
  judged: Promise<Judged>;
}

interface Judged {
  judgement: Judgement;
  labelsOnStep: number;
}

export class Judge implements WarehouseReader {
  private readonly remembered = new Map<string, Remembered>();
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> = Promise.resolve();
  /** Shortest bucket of the canaries that were looked at since the last round, milliseconds. */
  private shortestBucket = Infinity;
  private pause = ROUND_MS;
  private isStopping = false;

  constructor(
    private readonly catalog: PredictorCatalog,
    private readonly warehouse: Warehouse,
    private readonly progress: () => ProjectionProgress,
    private readonly onError: (error: unknown) => void,
  ) {}

  start(): void {
    this.timer ??= this.nextRound();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    if (this.timer !== null) clearTimeout(this.timer);
    await this.round;
  }

  /** The pause is counted from the end of a round, so that a slow one is not followed by a queue of them. */
  private nextRound(): NodeJS.Timeout {
    this.pause = Math.max(SHORTEST_ROUND_MS, Math.min(ROUND_MS, this.shortestBucket));
    this.shortestBucket = Infinity;
    return setTimeout(() => {
      this.timer = null;
      this.round = this.judgeAll()
        .catch(this.onError)
        .finally(() => {
          if (!this.isStopping) this.timer = this.nextRound();
        });
    }, this.pause).unref();
  }

  /** A canary with shorter buckets than those of the last round has been looked at. */
  private keepPace({ policy }: RunningCanary): void {
    this.shortestBucket = Math.min(this.shortestBucket, policy.bucketSeconds * 1000);
    const isSlow = this.pause > Math.max(SHORTEST_ROUND_MS, this.shortestBucket);
    if (!isSlow || this.timer === null || this.isStopping) return;
    clearTimeout(this.timer);
    this.timer = this.nextRound();
  }

  /** Events have come into the warehouse; called by whoever brings them there. */
  appended(events: readonly StoredEvent[]): void {
    for (const [predictor, { buckets }] of this.remembered) {
      for (const event of events) {
        // A correction ahead of its prediction does not know whose it is.
        if (event.predictor === predictor || event.predictor === null) buckets.appended(event);
      }
    }
  }

  /** The warehouse holds something else than before: nothing that was read of it counts. */
  replaced(): void {
    for (const { buckets } of this.remembered.values()) buckets.forget();
  }

  /** @throws Problem no-canary, unknown-predictor */
  async health(predictor: string): Promise<CanaryHealth> {
    const state = await this.catalog.get(predictor);
    const { canary } = state;
    if (canary === null) {
      this.remembered.delete(predictor);
      throw new Problem(
        'no-canary',
        `No canary runs on ${predictor}. Start one: POST /v1/predictors/${predictor}/deployments with "canary": {}.`,
      );
    }
    this.keepPace(canary);
    const { asOf, lagSeconds } = this.asOf();
    const wasMending = this.progress().isMending;
    const { judgement, labelsOnStep } = await this.judge(predictor, state, canary, asOf, lagSeconds);
    const isMending = wasMending || this.progress().isMending;
    if (canary.judged === null && !isMending) await this.keepVerdict(predictor, canary, judgement);
    const verdict = canary.judged?.verdict ?? judgement.verdict;
    const reason = canary.judged?.reason ?? judgement.reason;
    const view: RampView = {
      canary,
      share: state.split[canary.canary] ?? 0,
      verdict,
      reason,
      checks: judgement.checks,
      labelsOnStep,
      isStale: lagSeconds > canary.policy.maxLagSeconds,
      now: Date.now(),
    };
    return {
      canary,
      judgement,
      verdict,
      reason,
      asOf,
      lagSeconds,
      ramp: rampProgress(view),
      move: isMending ? null : nextMove(view),
    };
  }

  private async judgeAll(): Promise<void> {
    if (!this.progress().isOurs) return;
    for (const predictor of await this.catalog.names()) {
      if (this.isStopping) return;
      // One whose question fails must not keep the others from their verdicts.
      await this.judgeAndMove(predictor).catch(this.onError);
    }
  }

  private async judgeAndMove(predictor: string): Promise<void> {
    const state = await this.catalog.find(predictor);
    if (!state?.canary) this.remembered.delete(predictor);
    if (!state?.canary || (state.canary.judged !== null && state.canary.ramp === null)) return;
    const { canary, move } = await this.health(predictor);
    if (move !== null) await this.carryOut(predictor, canary, state.split, move);
  }

  /** Appends a move to the state that it was decided on; to any other it is not a move any more. */
  private async carryOut(
    predictor: string,
    { canary, startedRevision }: RunningCanary,
    split: PredictorState['split'],
    move: Move,
  ): Promise<void> {
    await this.catalog.append(predictor, (state) => {
      const isThisCanary = state.canary?.startedRevision === startedRevision;
      const isUnmoved = (state.split[canary] ?? 0) === (split[canary] ?? 0);
      const isHalted = state.canary?.paused != null && move.kind !== 'rollback';
      const verdict = state.canary?.judged?.verdict ?? null;
      // Another process may have written the other verdict meanwhile.
      const isContradicted = move.kind !== 'step' && verdict !== null && verdict !== move.kind;
      if (!isThisCanary || !isUnmoved || isHalted || isContradicted) return { events: [] };
      const head = { id: uuidv7(), occurredAt: Date.now(), predictor };
      const { reason } = move;
      if (move.kind === 'step') {
        const next = splitWith(state.split, canary, move.share);
        return { events: [newEvent(TRAFFIC_SPLIT, head, { predictor, split: next, canary, reason })] };
      }
      const type = move.kind === 'promote' ? PROMOTED : ROLLED_BACK;
      return { events: [newEvent(type, head, { predictor, version: canary, reason })] };
    });
  }

  private asOf(): { asOf: number; lagSeconds: number } {
    const now = Date.now();
    const asOf = this.progress().asOf ?? now;
    return { asOf, lagSeconds: Math.max(0, (now - asOf) / 1000) };
  }

  /**
   * The judgement of all that has closed by now. Nothing else closes before the present bucket ends, so until
   * then it stands unless a late event comes in.
   */
  private judge(
    predictor: string,
    { splits }: PredictorState,
    canary: RunningCanary,
    asOf: number,
    lagSeconds: number,
  ): Promise<Judged> {
    const { checkpoint, isOurs, epoch } = this.progress();
    const known = this.remembered.get(predictor);
    const isSame = known?.startedRevision === canary.startedRevision && known.epoch === epoch;
    const buckets = isSame ? known.buckets : new BucketMemory(this.warehouse, { predictor, ...canary });
    const bucketMs = canary.policy.bucketSeconds * 1000;
    const isStale = lagSeconds > canary.policy.maxLagSeconds;
    // How stale it is stands in the reason.
    const staleness = isStale ? Math.floor((lagSeconds * 1000) / FRESH_MS) : 'fresh';
    const moment = [Math.floor(asOf / bucketMs), splits.length, staleness];
    // What others write to the warehouse is not told to this process.
    const content = isOurs
      ? ['ours', buckets.changes]
      : ['others', checkpoint, Math.floor(Date.now() / FRESH_MS)];
    const key = [...moment, ...content].join();
    if (isSame && known.key === key) return known.judged;
    if (!isOurs) buckets.forget();
    const judged = buckets.rows(asOf).then((rows) => {
      const input = { ...canary, rows, splits, asOf, lagSeconds };
      const labelsOnStep = canary.ramp === null ? 0 : labelsSince(input, canary.stepAt);
      return { judgement: judgeCanary(input), labelsOnStep };
    });
    this.remembered.set(predictor, { startedRevision: canary.startedRevision, epoch, buckets, key, judged });
    judged.catch(() => this.remembered.delete(predictor));
    return judged;
  }

  private async keepVerdict(predictor: string, canary: RunningCanary, judgement: Judgement): Promise<void> {
    const { verdict, reason, checks, decidedAt, labels } = judgement;
    if (verdict !== 'promote' && verdict !== 'rollback') return;
    await this.catalog.append(predictor, (state) => {
      const isStillOpen =
        state.canary?.startedRevision === canary.startedRevision && state.canary.judged === null;
      if (!isStillOpen) return { events: [] };
      const head = { id: uuidv7(), occurredAt: Date.now(), predictor };
      const evidence = { decidedAt: decidedAt && new Date(decidedAt).toISOString(), checks, labels };
      const data = { predictor, canary: canary.canary, verdict, reason, evidence };
      return { events: [newEvent(CANARY_JUDGED, head, data)] };
    });
  }
}

/**
 * Reads the cells afresh, judges, and writes the first verdict of a canary as an event. Keeps no state of its
 * own but the latest answer, which stands until the projection moves.
 */
import { v7 as uuidv7 } from 'uuid';
import { newEvent } from '../event/envelope.js';
import { CANARY_JUDGED, type PredictorState, type RunningCanary } from '../event/predictor.js';
import { Problem } from '../problem.js';
import { PredictorCatalog } from '../store/predictor-catalog.js';
import type { Warehouse } from '../warehouse/warehouse.js';
import { readBuckets } from './cells.js';
import { judgeCanary, type Judgement } from './verdict.js';

/** How far the projection is, from whoever runs it. */
export interface ProjectionProgress {
  asOf: number | null;
  checkpoint: string | null;
  /** Whether this process runs it. Only that one judges without being asked. */
  isOurs: boolean;
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
}

/** How often all canaries are judged without being asked, milliseconds. */
const ROUND_MS = 15_000;
/** An answer is not older than this, milliseconds. */
const FRESH_MS = 30_000;

interface Remembered {
  key: string;
  at: number;
  judgement: Promise<Judgement>;
}

export class Judge {
  private readonly remembered = new Map<string, Remembered>();
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> = Promise.resolve();

  constructor(
    private readonly catalog: PredictorCatalog,
    private readonly warehouse: Warehouse,
    private readonly progress: () => ProjectionProgress,
    private readonly onError: (error: unknown) => void,
  ) {}

  start(): void {
    this.timer ??= setInterval(() => {
      this.round = this.round.then(() => this.judgeAll()).catch(this.onError);
    }, ROUND_MS);
    this.timer.unref();
  }

  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    await this.round;
  }

  /** @throws Problem no-canary, unknown-predictor */
  async health(predictor: string): Promise<CanaryHealth> {
    const state = await this.catalog.get(predictor);
    const { canary } = state;
    if (canary === null) {
      throw new Problem(
        'no-canary',
        `No canary runs on ${predictor}. Start one: POST /v1/predictors/${predictor}/deployments with "canary": {}.`,
      );
    }
    const { asOf, lagSeconds } = this.asOf();
    const judgement = await this.judge(predictor, state, canary, asOf, lagSeconds);
    if (canary.judged === null) await this.keepVerdict(predictor, canary, judgement);
    return {
      canary,
      judgement,
      verdict: canary.judged?.verdict ?? judgement.verdict,
      reason: canary.judged?.reason ?? judgement.reason,
      asOf,
      lagSeconds,
    };
  }

  private async judgeAll(): Promise<void> {
    if (!this.progress().isOurs) return;
    for (const predictor of await this.catalog.names()) {
      const state = await this.catalog.find(predictor);
      if (state?.canary?.judged === null) await this.health(predictor);
    }
  }

  private asOf(): { asOf: number; lagSeconds: number } {
    const now = Date.now();
    const asOf = this.progress().asOf ?? now;
    return { asOf, lagSeconds: Math.max(0, (now - asOf) / 1000) };
  }

  private judge(
    predictor: string,
    { splits }: PredictorState,
    canary: RunningCanary,
    asOf: number,
    lagSeconds: number,
  ): Promise<Judgement> {
    const bucketMs = canary.policy.bucketSeconds * 1000;
    const isStale = lagSeconds > canary.policy.maxLagSeconds;
    const key = [
      canary.startedRevision,
      this.progress().checkpoint,
      Math.floor(asOf / bucketMs),
      splits.length,
      isStale,
    ].join();
    const known = this.remembered.get(predictor);
    if (known?.key === key && Date.now() - known.at < FRESH_MS) return known.judgement;
    const judgement = readBuckets(this.warehouse, { predictor, ...canary }).then((rows) =>
      judgeCanary({ ...canary, rows, splits, asOf, lagSeconds }),
    );
    this.remembered.set(predictor, { key, at: Date.now(), judgement });
    judgement.catch(() => this.remembered.delete(predictor));
    return judgement;
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

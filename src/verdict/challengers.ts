/** Judges challengers whenever somebody asks, afresh from the rows; remembers an answer while the projection stands. */
import type { RunningChallenger } from '../event/challenger.js';
import { Problem } from '../problem.js';
import type { ShadowSlots } from '../serving/shadow-slots.js';
import { PredictorCatalog } from '../store/predictor-catalog.js';
import type { Warehouse } from '../warehouse/warehouse.js';
import { judgeChallenger } from './challenger.js';
import type { ChallengerJudgement } from './challenger-judgement.js';
import { type ChallengerSpeed, type PairsRequest, readPairs, readSpeed } from './challenger-pairs.js';
import type { ProjectionProgress } from './judge.js';

/** A challenger with what is known of it now. */
export interface ChallengerHealth {
  running: RunningChallenger;
  judgement: ChallengerJudgement;
  speed: ChallengerSpeed;
  /** Predictions that this process did not ask it about, since too many calls were under way. */
  skipped: number;
  /** Milliseconds. */
  asOf: number;
  lagSeconds: number;
}

type Judged = Pick<ChallengerHealth, 'judgement' | 'speed'>;

/** An answer is not older than this, milliseconds. */
const FRESH_MS = 30_000;

/** The one who is asked; it writes nothing. */
export class Challengers {
  private readonly remembered = new Map<string, { key: string; at: number; judged: Promise<Judged> }>();

  constructor(
    private readonly catalog: PredictorCatalog,
    private readonly warehouse: Warehouse,
    private readonly slots: ShadowSlots,
    private readonly progress: () => ProjectionProgress,
  ) {}

  /**
   * In the order in which they started.
   * @throws Problem unknown-predictor
   */
  async all(predictor: string): Promise<ChallengerHealth[]> {
    const { challengers } = await this.catalog.get(predictor);
    return Promise.all(challengers.map((running) => this.health(predictor, running)));
  }

  /** @throws Problem unknown-predictor, unknown-challenger */
  async one(predictor: string, version: string): Promise<ChallengerHealth> {
    const { challengers } = await this.catalog.get(predictor);
    const running = challengers.find(({ challenger }) => challenger === version);
    if (running !== undefined) return this.health(predictor, running);
    const known = challengers.map(({ challenger }) => challenger).join(', ') || 'none';
    throw new Problem(
      'unknown-challenger',
      `${predictor} has no challenger "${version}" (running: ${known}). Start one: POST /v1/predictors/${predictor}/deployments with "shadow": true.`,
    );
  }

  private async health(predictor: string, running: RunningChallenger): Promise<ChallengerHealth> {
    const now = Date.now();
    const asOf = this.progress().asOf ?? now;
    const lagSeconds = Math.max(0, (now - asOf) / 1000);
    const judged = await this.judge(predictor, running, asOf, lagSeconds);
    const skipped = this.slots.skipped(predictor, running.challenger);
    return { running, ...judged, skipped, asOf, lagSeconds };
  }

  private judge(
    predictor: string,
    running: RunningChallenger,
    asOf: number,
    lagSeconds: number,
  ): Promise<Judged> {
    const { challenger, comparedSince, startedAt, policy } = running;
    const name = `${predictor}\n${challenger}`;
    const bucket = Math.floor(asOf / (policy.bucketSeconds * 1000));
    const isStale = lagSeconds > policy.maxLagSeconds;
    const key = [startedAt, comparedSince, this.progress().checkpoint, bucket, isStale].join();
    const known = this.remembered.get(name);
    if (known?.key === key && Date.now() - known.at < FRESH_MS) return known.judged;
    const judged = this.judgeAfresh({ predictor, ...running }, running, asOf, lagSeconds);
    this.remembered.set(name, { key, at: Date.now(), judged });
    judged.catch(() => this.remembered.delete(name));
    return judged;
  }

  private async judgeAfresh(
    request: PairsRequest,
    running: RunningChallenger,
    asOf: number,
    lagSeconds: number,
  ): Promise<Judged> {
    const [rows, speed] = await Promise.all([
      readPairs(this.warehouse, request),
      readSpeed(this.warehouse, request),
    ]);
    return { judgement: judgeChallenger({ ...running, rows, asOf, lagSeconds }), speed };
  }
}

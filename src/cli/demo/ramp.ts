/**
 * Releases that move by themselves: live, in time lapse, with users who correct. Each canary carries a ramp; the
 * service takes it up step by step, and promotes it or rolls it back. Nothing here moves any traffic.
 */
import { setTimeout } from 'node:timers/promises';
import type { PartialPolicy } from '../../event/policy.js';
import { PROMOTED, ROLLED_BACK, TRAFFIC_SPLIT } from '../../event/predictor.js';
import type { HealthAnswer } from '../health-text.js';
import { Refused } from '../service-client.js';
import { type Crowd, LiveUsers, TIME_LAPSE } from './live-users.js';
import { count, startProgress } from './progress.js';
import { say, VERSIONS } from './story.js';

export const RAMPED_PREDICTOR = 'industry-code-live';

const RAMP = [0.05, 0.25, 0.5, 1];
/** A bucket of 5 minutes lasts a second here; almost all labels are there after 100 minutes. */
const POLICY: PartialPolicy = { bucketSeconds: 1, ageEdgesSeconds: [0, 1, 3, 8, 20], stepSeconds: 3 };
/** A release that is still open then is left to itself. */
const LIMIT_MS = 90_000;
const LOOK_AGAIN_MS = 500;
const PAGE = 1000;

type Version = keyof typeof VERSIONS;

/** How a release ended. */
interface Ending {
  kind: 'promoted' | 'rolled back' | 'still open';
  serving: Version;
}

interface PredictorEvent {
  type: string;
  time: string;
  data: { split?: Record<string, number>; version?: string; reason?: string };
}

export class RampShow {
  private readonly path = `/v1/predictors/${RAMPED_PREDICTOR}`;
  /** Up to where the log has been read. */
  private cursor: string | null = null;

  constructor(
    private readonly crowd: Omit<Crowd, 'predictor'>,
    private readonly classifierUrl: string,
  ) {}

  /** @returns one line for each release */
  async run(): Promise<string[]> {
    const ramp = RAMP.map(percent).join(', ');
    say(
      `\nLive, one second for ${TIME_LAPSE / 60} minutes: canaries with the ramp ${ramp}, which the service moves.`,
    );
    await this.deploy('v1', {});
    const users = new LiveUsers({ ...this.crowd, predictor: RAMPED_PREDICTOR });
    users.start();
    try {
      const first = await this.release('v1', 'v2', users);
      const second = await this.release(first.serving, 'v3', users);
      return [`v2 on its ramp: ${first.kind}`, `v3 on its ramp: ${second.kind}`];
    } finally {
      await users.stop();
    }
  }

  private async release(baseline: Version, canary: Version, users: LiveUsers): Promise<Ending> {
    say(`\n${canary}, which has learnt from ${VERSIONS[canary].learns}, starts as canary of ${baseline}.`);
    await this.deploy(canary, { canary: { ramp: RAMP, policy: POLICY } });
    await this.stepsSince();
    const progress = startProgress(LIMIT_MS / 1000, 'seconds at most');
    const startedAt = Date.now();
    let told = 0;
    while (Date.now() < startedAt + LIMIT_MS && (await this.isRunning())) {
      users.check();
      const seconds = Math.floor((Date.now() - startedAt) / 1000);
      progress.add(seconds - told);
      told = seconds;
      await setTimeout(LOOK_AGAIN_MS);
    }
    progress.end();
    const steps = await this.stepsSince();
    for (const step of steps) say(`   ${lineOf(step)}`);
    say(`   ${count(users.asked)} predictions asked for so far`);
    const end = ending(steps.at(-1)?.type, baseline, canary);
    if (end.kind === 'still open') {
      say(`   ${canary} is still on its ramp after ${LIMIT_MS / 1000} s, and is taken back by hand.`);
      await this.crowd.assay.post(`${this.path}/rollback`, { version: canary });
    }
    return end;
  }

  private async isRunning(): Promise<boolean> {
    try {
      await this.crowd.assay.get<HealthAnswer>(`${this.path}/canary`);
      return true;
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return false;
      throw error;
    }
  }

  private async deploy(version: Version, more: object): Promise<void> {
    const backend = { kind: 'http', url: `${this.classifierUrl}/${version}` };
    await this.crowd.assay.post(`${this.path}/deployments`, { version, backend, ...more });
  }

  /** What the service did with the traffic since the last time, from its log. */
  private async stepsSince(): Promise<PredictorEvent[]> {
    const steps: PredictorEvent[] = [];
    for (;;) {
      const after = this.cursor === null ? '' : `&after=${this.cursor}`;
      const path = `/v1/events?predictor=${RAMPED_PREDICTOR}&limit=${PAGE}${after}`;
      const { events, next } = await this.crowd.assay.get<{
        events: (PredictorEvent & { position: string })[];
        next: string | null;
      }>(path);
      this.cursor = events.at(-1)?.position ?? this.cursor;
      steps.push(...events.filter(({ type }) => [TRAFFIC_SPLIT, PROMOTED, ROLLED_BACK].includes(type)));
      if (next === null || events.length < PAGE) return steps;
    }
  }
}

function lineOf({ type, time, data: { split, version, reason } }: PredictorEvent): string {
  const at = time.slice(11, 19);
  if (type === PROMOTED) return `${at}  ${version} is promoted: ${reason}`;
  if (type === ROLLED_BACK) return `${at}  ${version} is rolled back: ${reason}`;
  const shares = Object.entries(split ?? {}).map(([name, share]) => `${name} ${percent(share)}`);
  return `${at}  ${shares.join(', ')}${reason === undefined ? '' : `: ${reason}`}`;
}

function ending(last: string | undefined, baseline: Version, canary: Version): Ending {
  if (last === PROMOTED) return { kind: 'promoted', serving: canary };
  return { kind: last === ROLLED_BACK ? 'rolled back' : 'still open', serving: baseline };
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}

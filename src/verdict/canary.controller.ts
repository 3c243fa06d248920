/** Health of the canary, and the gate for tools that only read the status. */
import { Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Scope } from '../access/scope.js';
import type { Verdict } from '../event/predictor.js';
import { Route } from '../http/route.js';
import { Problem } from '../problem.js';
import { type CanaryHealth, Judge } from './judge.js';
import type { TimelinePoint } from './verdict.js';

/** What the gate is asked for: whether the canary may take all traffic, or whether it must take none. */
type GateFor = 'promote' | 'rollback';

const GATE_STATUS: Record<GateFor, Record<Verdict, number>> = {
  promote: { promote: 200, hold: 425, insufficient: 425, rollback: 409 },
  rollback: { promote: 409, hold: 425, insufficient: 425, rollback: 200 },
};

const VERSION = {
  type: 'string',
  minLength: 1,
  description: 'the version that is asked about; 409 other-canary while another one is the canary',
} as const;

const HEALTH_ROUTE = { query: { version: VERSION } } as const;

const GATE_ROUTE = {
  query: {
    version: VERSION,
    for: {
      type: 'string',
      enum: ['promote', 'rollback'],
      default: 'promote',
      description: 'the verdict for which the answer is 200; for the other one it is 409',
    },
  },
} as const;

@ApiTags('canary')
@Controller('v1/predictors/:predictor/canary')
export class CanaryController {
  constructor(private readonly judge: Judge) {}

  @Get()
  @Scope('read', 'predictor')
  @ApiOperation({ summary: 'Verdict, reason and every check with its evidence' })
  @Route(HEALTH_ROUTE)
  async health(@Param('predictor') predictor: string, @Query('version') version?: string): Promise<object> {
    return healthDocument(predictor, await this.healthOf(predictor, version));
  }

  @Get('gate')
  @Scope('read', 'predictor')
  @ApiOperation({ summary: '200 promote, 425 not decided yet, 409 rollback; the same body' })
  @Route(GATE_ROUTE)
  gate(
    @Param('predictor') predictor: string,
    @Query('for') wanted: GateFor,
    @Query('version') version: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return this.answerGate(predictor, wanted, version, reply);
  }

  @Post('gate')
  @HttpCode(200)
  @Scope('read', 'predictor')
  @ApiOperation({ summary: 'The same, for tools that can only POST; whatever they send is ignored' })
  @Route(GATE_ROUTE)
  gateByPost(
    @Param('predictor') predictor: string,
    @Query('for') wanted: GateFor,
    @Query('version') version: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return this.answerGate(predictor, wanted, version, reply);
  }

  private async answerGate(
    predictor: string,
    wanted: GateFor,
    version: string | undefined,
    reply: FastifyReply,
  ): Promise<object> {
    const health = await this.healthOf(predictor, version);
    const status = GATE_STATUS[wanted][health.verdict];
    reply.status(status);
    if (status === 425) reply.header('retry-after', String(retryAfterSeconds(health)));
    return healthDocument(predictor, health);
  }

  /** A verdict stands for as long as its canary runs: it must not be taken for one about the next release. */
  private async healthOf(predictor: string, version: string | undefined): Promise<CanaryHealth> {
    const health = await this.judge.health(predictor);
    const running = health.canary.canary;
    if (version === undefined || version === running) return health;
    throw new Problem(
      'other-canary',
      `The canary of ${predictor} is ${running}, not ${version}. End it (promote or rollback), and start ${version} as canary first: POST /v1/predictors/${predictor}/deployments with "canary": {}.`,
    );
  }
}

/** Nothing new closes before the present bucket ends. */
function retryAfterSeconds({ asOf, canary }: CanaryHealth): number {
  const width = canary.policy.bucketSeconds;
  return Math.max(1, Math.ceil(width - ((asOf / 1000) % width)));
}

/** Points of the evidence over time that an answer holds at most: enough for a chart. */
const TIMELINE_POINTS = 48;

/** Evenly chosen points, the last one among them, to three digits. */
function thinned(timeline: readonly TimelinePoint[]): object[] {
  const step = Math.max(1, timeline.length / TIMELINE_POINTS);
  const count = Math.min(timeline.length, TIMELINE_POINTS);
  return Array.from({ length: count }, (_, index) => {
    const point = timeline[timeline.length - 1 - Math.floor((count - 1 - index) * step)];
    const evidence = Object.entries(point?.evidence ?? {});
    return {
      at: new Date(point?.at ?? 0).toISOString(),
      evidence: Object.fromEntries(evidence.map(([name, value]) => [name, Number(value.toPrecision(3))])),
    };
  });
}

function healthDocument(predictor: string, health: CanaryHealth): object {
  const { canary, judgement, verdict, reason, asOf, lagSeconds, ramp } = health;
  return {
    predictor,
    baseline: canary.baseline,
    canary: canary.canary,
    startedAt: new Date(canary.startedAt).toISOString(),
    verdict,
    reason,
    decidedAt: judgement.decidedAt === null ? null : new Date(judgement.decidedAt).toISOString(),
    asOf: new Date(asOf).toISOString(),
    lagSeconds: Math.round(lagSeconds * 10) / 10,
    ...(judgement.labelsNeeded === undefined ? {} : { labelsNeeded: judgement.labelsNeeded }),
    ...(judgement.secondsNeeded === undefined ? {} : { secondsNeeded: judgement.secondsNeeded }),
    checks: judgement.checks,
    alpha: judgement.alpha,
    timeline: thinned(judgement.timeline),
    labels: judgement.labels,
    ramp: ramp && {
      ...ramp,
      paused: ramp.paused && { ...ramp.paused, at: new Date(ramp.paused.at).toISOString() },
    },
    policy: canary.policy,
  };
}

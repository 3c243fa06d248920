/** What is known of the versions that answer in the shadow. */
import { Controller, Get, Param } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Scope } from '../access/scope.js';
import { type ChallengerHealth, Challengers } from './challengers.js';

/** `GET` of all challengers, and of one. */
@ApiTags('challengers')
@Controller('v1/predictors/:predictor/challengers')
export class ChallengersController {
  constructor(private readonly challengers: Challengers) {}

  @Get()
  @Scope('read', 'predictor')
  @ApiOperation({ summary: 'Verdict on every challenger, with its evidence' })
  async all(@Param('predictor') predictor: string): Promise<object> {
    const healths = await this.challengers.all(predictor);
    return { predictor, challengers: healths.map((health) => healthDocument(predictor, health)) };
  }

  @Get(':version')
  @Scope('read', 'predictor')
  @ApiOperation({ summary: 'Verdict on one challenger, with its evidence' })
  async one(@Param('predictor') predictor: string, @Param('version') version: string): Promise<object> {
    return healthDocument(predictor, await this.challengers.one(predictor, version));
  }
}

function healthDocument(predictor: string, health: ChallengerHealth): object {
  const { running, judgement, speed, skipped, asOf, lagSeconds } = health;
  const { verdict, reason, decidedAt, claims, pairs, wrongRatio, shownAccuracy, shadowed } = judgement;
  return {
    predictor,
    challenger: running.challenger,
    baseline: running.baseline,
    startedAt: new Date(running.startedAt).toISOString(),
    comparedSince: new Date(running.comparedSince).toISOString(),
    verdict,
    reason,
    decidedAt: decidedAt === null ? null : new Date(decidedAt).toISOString(),
    asOf: new Date(asOf).toISOString(),
    lagSeconds: Math.round(lagSeconds * 10) / 10,
    ...(judgement.labelsNeeded === undefined ? {} : { labelsNeeded: judgement.labelsNeeded }),
    claims,
    pairs,
    wrongRatio,
    shownAccuracy,
    shadowed: { ...shadowed, skipped, ...speed },
    policy: running.policy,
  };
}

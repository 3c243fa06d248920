/** Deploy, move traffic, promote, roll back, and what is deployed now. */
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { mayTouch } from '../access/caller.js';
import { Scope } from '../access/scope.js';
import { type PredictorState, servingVersion } from '../event/predictor.js';
import { invalidRequest } from '../problem.js';
import { TrafficKeeper } from '../serving/traffic-keeper.js';
import { PredictorCatalog } from '../store/predictor-catalog.js';
import { StopChallengerCommand } from './challenger.command.js';
import {
  type DeployAnswer,
  DeployCommand,
  EndCanaryCommand,
  SplitTrafficCommand,
  type TrafficAnswer,
} from './deploy.command.js';
import { NAME_PATTERN } from '../http/fields.js';
import { DeployRequest, EndCanaryRequest, SteerCanaryRequest, TrafficRequest } from './requests.dto.js';
import { type SteerAnswer, SteerCanaryCommand, type Steering } from './steer-canary.command.js';
import { Route } from '../http/route.js';
import { traceparentOf } from '../http/traceparent.js';

@ApiTags('predictors')
@Controller('v1/predictors')
export class DeploymentsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly catalog: PredictorCatalog,
    private readonly trafficKeeper: TrafficKeeper,
  ) {}

  @Post(':predictor/deployments')
  @Scope('deploy', 'predictor')
  @ApiOperation({ summary: 'Deploy a version, as a canary or a challenger if wanted' })
  @Route({ accepts: DeployRequest })
  async deploy(
    @Param('predictor') predictor: string,
    @Body() body: DeployRequest,
    @Req() request: FastifyRequest,
  ): Promise<DeployAnswer> {
    if (!NAME_PATTERN.test(predictor)) {
      const detail = 'a predictor is named by 1 to 64 letters, digits, dots, dashes or underscores';
      throw invalidRequest([{ pointer: '/predictor', detail }]);
    }
    const command = new DeployCommand(predictor, body, request.idempotency, traceparentOf(request));
    return this.carriedOut(await this.commands.execute(command));
  }

  @Post(':predictor/traffic')
  @Scope('deploy', 'predictor')
  @HttpCode(200)
  @ApiOperation({ summary: 'Split the traffic over versions' })
  @Route({ accepts: TrafficRequest })
  async traffic(
    @Param('predictor') predictor: string,
    @Body() { split }: TrafficRequest,
    @Req() request: FastifyRequest,
  ): Promise<TrafficAnswer> {
    const command = new SplitTrafficCommand(predictor, split, request.idempotency, traceparentOf(request));
    return this.carriedOut(await this.commands.execute(command));
  }

  @Post(':predictor/promote')
  @Scope('deploy', 'predictor')
  @HttpCode(200)
  @ApiOperation({ summary: 'The canary takes all traffic' })
  @Route({ accepts: EndCanaryRequest })
  promote(
    @Param('predictor') predictor: string,
    @Body() body: EndCanaryRequest,
    @Req() request: FastifyRequest,
  ): Promise<TrafficAnswer> {
    return this.end('promote', predictor, body, request);
  }

  @Post(':predictor/rollback')
  @Scope('deploy', 'predictor')
  @HttpCode(200)
  @ApiOperation({ summary: 'The canary takes no traffic any more' })
  @Route({ accepts: EndCanaryRequest })
  rollback(
    @Param('predictor') predictor: string,
    @Body() body: EndCanaryRequest,
    @Req() request: FastifyRequest,
  ): Promise<TrafficAnswer> {
    return this.end('rollback', predictor, body, request);
  }

  @Post(':predictor/canary/pause')
  @Scope('deploy', 'predictor')
  @HttpCode(200)
  @ApiOperation({ summary: 'The ramp goes no further; a rollback still happens' })
  @Route({ accepts: SteerCanaryRequest })
  pause(
    @Param('predictor') predictor: string,
    @Body() body: SteerCanaryRequest | undefined,
    @Req() request: FastifyRequest,
  ): Promise<SteerAnswer> {
    return this.steer('pause', predictor, body, request);
  }

  @Post(':predictor/canary/resume')
  @Scope('deploy', 'predictor')
  @HttpCode(200)
  @ApiOperation({ summary: 'The ramp goes on' })
  @Route({ accepts: SteerCanaryRequest })
  resume(
    @Param('predictor') predictor: string,
    @Body() body: SteerCanaryRequest | undefined,
    @Req() request: FastifyRequest,
  ): Promise<SteerAnswer> {
    return this.steer('resume', predictor, body, request);
  }

  @Post(':predictor/canary/skip')
  @Scope('deploy', 'predictor')
  @HttpCode(200)
  @ApiOperation({ summary: "The ramp's next step at once" })
  @Route({ accepts: SteerCanaryRequest })
  skip(
    @Param('predictor') predictor: string,
    @Body() body: SteerCanaryRequest | undefined,
    @Req() request: FastifyRequest,
  ): Promise<SteerAnswer> {
    return this.steer('skip', predictor, body, request);
  }

  @Delete(':predictor/challengers/:version')
  @Scope('deploy', 'predictor')
  @HttpCode(204)
  @ApiOperation({ summary: 'Stop a challenger; its version stays deployed' })
  async stopChallenger(
    @Param('predictor') predictor: string,
    @Param('version') version: string,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    await this.commands.execute(new StopChallengerCommand(predictor, version, traceparentOf(request)));
  }

  private async steer(
    steering: Steering,
    predictor: string,
    body: SteerCanaryRequest | undefined,
    request: FastifyRequest,
  ): Promise<SteerAnswer> {
    const { idempotency } = request;
    const traceparent = traceparentOf(request);
    const command = new SteerCanaryCommand(predictor, steering, body?.reason, idempotency, traceparent);
    return this.carriedOut(await this.commands.execute(command));
  }

  private async end(
    end: 'promote' | 'rollback',
    predictor: string,
    body: EndCanaryRequest,
    request: FastifyRequest,
  ): Promise<TrafficAnswer> {
    const command = new EndCanaryCommand(predictor, end, body, request.idempotency, traceparentOf(request));
    return this.carriedOut(await this.commands.execute(command));
  }

  /** The answer does not wait for it: what was decided stands in the log, and is carried out from there. */
  private carriedOut<Answer>(answer: Answer): Answer {
    void this.trafficKeeper.look();
    return answer;
  }

  @Get()
  @Scope('read', 'own')
  @ApiOperation({ summary: 'All predictors' })
  async list(@Req() { caller }: FastifyRequest): Promise<object> {
    const names = (await this.catalog.names()).filter((name) => mayTouch(caller, name));
    const predictors = await Promise.all(
      names.map(async (name) => {
        const state = await this.catalog.find(name);
        return state === null ? [] : [this.document(name, state)];
      }),
    );
    return { predictors: predictors.flat() };
  }

  @Get(':predictor')
  @Scope('read', 'predictor')
  @ApiOperation({ summary: 'Versions, backends, the present split, the canary if one runs, and challengers' })
  async read(@Param('predictor') predictor: string): Promise<object> {
    return this.document(predictor, await this.catalog.get(predictor));
  }

  private document(predictor: string, state: PredictorState): object {
    const traffic = this.trafficKeeper.stateOf(predictor);
    const document = predictorDocument(predictor, state);
    return traffic === null ? document : { ...document, traffic };
  }
}

function predictorDocument(predictor: string, state: PredictorState): object {
  const { canary, challengers } = state;
  return {
    predictor,
    serving: servingVersion(state) ?? null,
    split: state.split,
    versions: [...state.versions.values()].map(({ version, backend, deployedAt }) => ({
      version,
      backend,
      deployedAt: new Date(deployedAt).toISOString(),
      share: state.split[version] ?? 0,
    })),
    canary: canary && {
      baseline: canary.baseline,
      canary: canary.canary,
      policy: canary.policy,
      ramp: canary.ramp,
      paused: canary.paused !== null,
      startedAt: new Date(canary.startedAt).toISOString(),
      verdict: canary.judged?.verdict ?? null,
    },
    challengers: challengers.map(({ challenger, baseline, policy, startedAt, comparedSince }) => ({
      challenger,
      baseline,
      policy,
      startedAt: new Date(startedAt).toISOString(),
      comparedSince: new Date(comparedSince).toISOString(),
    })),
  };
}

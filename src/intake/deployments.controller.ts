/** Deploy, move traffic, promote, roll back, and what is deployed now. */
import { Body, Controller, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { type PredictorState, servingVersion } from '../event/predictor.js';
import { invalidRequest } from '../problem.js';
import { TrafficKeeper } from '../serving/traffic-keeper.js';
import { PredictorCatalog } from '../store/predictor-catalog.js';
import {
  type DeployAnswer,
  DeployCommand,
  EndCanaryCommand,
  SplitTrafficCommand,
  type TrafficAnswer,
} from './deploy.command.js';
import { DeployRequest, EndCanaryRequest, TrafficRequest } from './requests.dto.js';
import { NAME_PATTERN } from '../http/fields.js';
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
  @ApiOperation({ summary: 'Deploy a version, as a canary if wanted' })
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
  @ApiOperation({ summary: 'All predictors' })
  async list(): Promise<object> {
    const names = await this.catalog.names();
    const predictors = await Promise.all(
      names.map(async (name) => {
        const state = await this.catalog.find(name);
        return state === null ? [] : [this.document(name, state)];
      }),
    );
    return { predictors: predictors.flat() };
  }

  @Get(':predictor')
  @ApiOperation({ summary: 'Versions, backends, the present split, and the canary if one runs' })
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
  const { canary } = state;
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
      startedAt: new Date(canary.startedAt).toISOString(),
      verdict: canary.judged?.verdict ?? null,
    },
  };
}

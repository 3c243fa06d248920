/** Predict, correct, retract, read one. */
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { predictionStream } from '../event/envelope.js';
import { foldPrediction, outcomeOf, type PredictionState } from '../event/prediction.js';
import { unknownPrediction } from '../problem.js';
import { EVENT_STORE, type EventStore } from '../store/event-store.js';
import { Scope } from '../access/scope.js';
import { CORRECT_ANSWER, PREDICT_ANSWER } from './answers.js';
import { type CorrectAnswer, CorrectCommand, RetractCommand } from './correct.command.js';
import { type PredictAnswer, PredictCommand } from './predict.command.js';
import { CorrectRequest, PredictRequest } from './requests.dto.js';
import { Route } from '../http/route.js';
import { traceparentOf } from '../http/traceparent.js';

@ApiTags('predictions')
@Controller('v1')
export class PredictionsController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(EVENT_STORE) private readonly store: EventStore,
  ) {}

  @Post('predictors/:predictor/predictions')
  @Scope('predict', 'predictor')
  @ApiOperation({ summary: 'Predict: the event is durable before the answer leaves' })
  @Route({ accepts: PredictRequest, answers: { 201: PREDICT_ANSWER } })
  async predict(
    @Param('predictor') predictor: string,
    @Body() body: PredictRequest,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PredictAnswer> {
    const command = new PredictCommand(predictor, body, request.idempotency, traceparentOf(request));
    const answer = await this.commands.execute(command);
    // Nothing was created when nothing could be recorded.
    reply.status(answer.recorded ? 201 : 200);
    return answer;
  }

  @Post('predictions/:id/corrections')
  @Scope('correct', 'prediction')
  @ApiOperation({ summary: 'Say what was right; a later correction supersedes' })
  @Route({ accepts: CorrectRequest, answers: { 201: CORRECT_ANSWER } })
  correct(
    @Param('id') id: string,
    @Body() body: CorrectRequest,
    @Req() request: FastifyRequest,
  ): Promise<CorrectAnswer> {
    return this.commands.execute(new CorrectCommand(id, body, request.idempotency, traceparentOf(request)));
  }

  @Delete('predictions/:id/corrections/:correctionId')
  @Scope('correct', 'prediction')
  @HttpCode(204)
  @ApiOperation({ summary: 'Take a correction back; the outcome falls back to the one before' })
  async retract(
    @Param('id') id: string,
    @Param('correctionId') correctionId: string,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    await this.commands.execute(new RetractCommand(id, correctionId, traceparentOf(request)));
  }

  @Get('predictions/:id')
  @Scope('read', 'prediction')
  @ApiOperation({
    summary:
      'A prediction, all its corrections, what challengers answered, and its outcome, as of this moment',
  })
  async read(@Param('id') id: string): Promise<object> {
    const state = foldPrediction(await this.store.readStream(predictionStream(id)));
    if (state.answer === null) throw unknownPrediction(id);
    return predictionDocument(id, state);
  }
}

function predictionDocument(id: string, state: PredictionState): object {
  const { answer, corrections, shadows } = state;
  if (answer === null) return { id };
  return {
    id,
    predictor: answer.predictor,
    version: answer.version,
    status: answer.status,
    input: answer.input,
    candidates: answer.status === 'ok' ? answer.candidates : [],
    ...(answer.status === 'failed' ? { error: answer.error } : {}),
    subject: answer.subject ?? null,
    latencyMs: answer.latencyMs ?? null,
    metadata: answer.metadata ?? {},
    pinned: answer.pinned ?? false,
    occurredAt: new Date(answer.occurredAt).toISOString(),
    recordedAt: new Date(answer.recordedAt).toISOString(),
    corrections: corrections.map(({ correctionId, predictionId: _, revision: __, ...correction }) => ({
      id: correctionId,
      ...correction,
      occurredAt: new Date(correction.occurredAt).toISOString(),
      recordedAt: new Date(correction.recordedAt).toISOString(),
    })),
    shadows: shadows.map(({ version, candidates, error, latencyMs, occurredAt, recordedAt }) => ({
      version,
      status: error === undefined ? 'ok' : 'failed',
      candidates: candidates ?? [],
      ...(error === undefined ? {} : { error }),
      latencyMs: latencyMs ?? null,
      occurredAt: new Date(occurredAt).toISOString(),
      recordedAt: new Date(recordedAt).toISOString(),
    })),
    outcome: outcomeOf(state),
  };
}

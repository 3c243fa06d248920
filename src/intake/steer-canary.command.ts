/** Pause, resume, or skip ahead on the ramp of the canary that runs. */
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import { newEvent, type NewEvent } from '../event/envelope.js';
import {
  CANARY_PAUSED,
  CANARY_RESUMED,
  nextRampShare,
  type PredictorState,
  type RunningCanary,
  splitWith,
  TRAFFIC_SPLIT,
} from '../event/predictor.js';
import { type Idempotency, receiptFor, unlessAnswered } from '../http/idempotency.js';
import { Problem } from '../problem.js';
import { PredictorCatalog, unknownPredictor } from '../store/predictor-catalog.js';
import { wellFormed } from './storable.js';

export type Steering = 'pause' | 'resume' | 'skip';

export interface SteerAnswer {
  predictor: string;
  canary: string;
  /** Its share of the traffic now, in [0, 1]. */
  share: number;
  paused: boolean;
}

export class SteerCanaryCommand extends Command<SteerAnswer> {
  constructor(
    readonly predictor: string,
    readonly steering: Steering,
    readonly reason: string | undefined,
    readonly idempotency?: Idempotency,
    readonly traceparent: string | null = null,
  ) {
    super();
  }
}

@CommandHandler(SteerCanaryCommand)
export class SteerCanaryHandler implements ICommandHandler<SteerCanaryCommand> {
  constructor(private readonly catalog: PredictorCatalog) {}

  async execute(command: SteerCanaryCommand): Promise<SteerAnswer> {
    const { predictor, idempotency } = command;
    let answer: SteerAnswer | undefined;
    const result = await this.catalog.append(predictor, (state) => {
      const decided = decide(command, state);
      answer = decided.answer;
      return { events: decided.events, receipt: receiptFor(idempotency, 200, answer) };
    });
    unlessAnswered(result, idempotency);
    return answer as SteerAnswer;
  }
}

function decide(
  { predictor, steering, reason, traceparent }: SteerCanaryCommand,
  state: PredictorState,
): { events: NewEvent[]; answer: SteerAnswer } {
  if (state.versions.size === 0 && state.splits.length === 0) throw unknownPredictor(predictor);
  const canary = rampOf(predictor, state);
  const head = { id: uuidv7(), occurredAt: Date.now(), predictor, traceparent };
  const said = { predictor, canary: canary.canary, reason: wellFormed(reason) };
  const share = state.split[canary.canary] ?? 0;
  const answer = { predictor, canary: canary.canary, share, paused: canary.paused !== null };
  if (steering === 'skip') {
    const next = nextShareOf(predictor, canary, share);
    const split = splitWith(state.split, canary.canary, next);
    const event = newEvent(TRAFFIC_SPLIT, head, {
      ...said,
      split,
      reason: said.reason ?? 'a person skipped ahead',
    });
    return { events: [event], answer: { ...answer, share: next } };
  }
  const isPause = steering === 'pause';
  // What is so already needs no event.
  if (answer.paused === isPause) return { events: [], answer };
  return {
    events: [newEvent(isPause ? CANARY_PAUSED : CANARY_RESUMED, head, said)],
    answer: { ...answer, paused: isPause },
  };
}

function rampOf(predictor: string, { canary }: PredictorState): RunningCanary {
  if (canary === null) {
    throw new Problem(
      'no-canary',
      `No canary runs on ${predictor}. Start one: POST /v1/predictors/${predictor}/deployments with "canary": {}.`,
    );
  }
  if (canary.ramp !== null) return canary;
  throw new Problem(
    'conflict',
    `The canary "${canary.canary}" has no ramp: its traffic is moved by hand, with POST /v1/predictors/${predictor}/traffic. To let the service move it, deploy it with "canary": {"ramp": [0.05, 0.25, 0.5, 1]}.`,
  );
}

function nextShareOf(predictor: string, canary: RunningCanary, share: number): number {
  const next = nextRampShare(canary.ramp ?? [], share);
  if (next !== null) return next;
  throw new Problem(
    'conflict',
    `The canary "${canary.canary}" is on the last step of its ramp. What is left is the promotion: POST /v1/predictors/${predictor}/promote.`,
  );
}

/** Correct and retract: what a user says was right, and taking it back. */
import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import { newEvent, predictionStream, type NewEvent, type StoredEvent } from '../event/envelope.js';
import {
  CORRECTION_RETRACTED,
  correctionInForce,
  type CorrectionState,
  foldPrediction,
  type Outcome,
  outcomeOf,
  PREDICTION_CORRECTED,
  type PredictionCorrected,
  type PredictionState,
} from '../event/prediction.js';
import { invalidRequest, Problem, unknownPrediction } from '../problem.js';
import { EVENT_STORE, type EventStore, type Receipt } from '../store/event-store.js';
import { type Idempotency, receiptFor, unlessAnswered } from '../http/idempotency.js';
import type { CorrectRequest } from './requests.dto.js';
import { wellFormed } from './storable.js';
import { TALLY, type Tally } from './tally.js';

export interface CorrectAnswer {
  id: string;
  predictionId: string;
  outcome: Outcome;
  /** Id of the correction that this one takes the place of. */
  supersedes: string | null;
}

export class CorrectCommand extends Command<CorrectAnswer> {
  constructor(
    readonly predictionId: string,
    readonly request: CorrectRequest,
    readonly idempotency?: Idempotency,
    readonly traceparent: string | null = null,
  ) {
    super();
  }
}

export class RetractCommand extends Command<void> {
  constructor(
    readonly predictionId: string,
    readonly correctionId: string,
    readonly traceparent: string | null = null,
  ) {
    super();
  }
}

/** Clocks differ; further ahead than this is a mistake, milliseconds. */
export const CLOCK_SKEW_MS = 300_000;
/** Attempts before a writer that always finds another one ahead of it gives up. */
const ATTEMPTS = 10;

@CommandHandler(CorrectCommand)
export class CorrectHandler implements ICommandHandler<CorrectCommand> {
  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(TALLY) private readonly tally: Tally,
  ) {}

  async execute({ predictionId, request, idempotency, traceparent }: CorrectCommand): Promise<CorrectAnswer> {
    let answered: AnsweredPrediction['answer'] | undefined;
    const answer = await appendToPrediction(this.store, predictionId, idempotency, (state, nextRevision) => {
      const correction = correctionOf(predictionId, request, state, nextRevision);
      const answer = answerOf(state, correction);
      answered = state.answer;
      const { occurredAt, recordedAt: _, revision: __, retracted: ___, ...data } = correction;
      const predictor = state.answer.predictor;
      const event = newEvent(
        PREDICTION_CORRECTED,
        { id: data.correctionId, occurredAt, predictor, traceparent },
        data,
      );
      return { event, answer, receipt: receiptFor(idempotency, 201, answer) };
    });
    if (answered !== undefined) {
      this.tally.corrected(answered.predictor, answered.version, answer.outcome.status);
    }
    return answer;
  }
}

@CommandHandler(RetractCommand)
export class RetractHandler implements ICommandHandler<RetractCommand> {
  constructor(@Inject(EVENT_STORE) private readonly store: EventStore) {}

  async execute({ predictionId, correctionId, traceparent }: RetractCommand): Promise<void> {
    await appendToPrediction(this.store, predictionId, undefined, (state) => {
      const correction = state.corrections.find((known) => known.correctionId === correctionId);
      if (correction === undefined) {
        throw new Problem(
          'unknown-correction',
          `Prediction ${predictionId} has no correction "${correctionId}".`,
        );
      }
      if (correction.retracted) return { event: null, answer: undefined };
      const head = { id: uuidv7(), occurredAt: Date.now(), predictor: state.answer.predictor, traceparent };
      return {
        event: newEvent(CORRECTION_RETRACTED, head, { predictionId, correctionId }),
        answer: undefined,
      };
    });
  }
}

type AnsweredPrediction = PredictionState & { answer: NonNullable<PredictionState['answer']> };

interface Step<Answer> {
  /** Null: nothing is left to do. */
  event: NewEvent | null;
  answer: Answer;
  receipt?: Receipt | undefined;
}

/** Reads a prediction, lets `decide` say what follows, appends it; once more when another writer was faster. */
async function appendToPrediction<Answer>(
  store: EventStore,
  predictionId: string,
  idempotency: Idempotency | undefined,
  decide: (state: AnsweredPrediction, nextRevision: number) => Step<Answer>,
): Promise<Answer> {
  const stream = predictionStream(predictionId);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const events = await store.readStream(stream);
    const revision = events.length - 1;
    const { event, answer, receipt } = decide(answered(predictionId, events), revision + 1);
    if (event === null) return answer;
    const result = await store.append(stream, revision, [event], receipt);
    unlessAnswered(result, idempotency);
    if (result.kind !== 'conflict') return answer;
  }
  throw new Problem(
    'conflict',
    `Prediction ${predictionId} is being corrected by others all the time. Try again.`,
  );
}

function answered(predictionId: string, events: readonly StoredEvent[]): AnsweredPrediction {
  const state = foldPrediction(events);
  if (state.answer === null) throw unknownPrediction(predictionId);
  return state as AnsweredPrediction;
}

function correctionOf(
  predictionId: string,
  request: CorrectRequest,
  { answer }: AnsweredPrediction,
  revision: number,
): CorrectionState {
  const now = Date.now();
  // A prediction dated slightly ahead of our clock can be corrected all the same.
  const occurredAt =
    request.occurredAt === undefined ? Math.max(now, answer.occurredAt) : Date.parse(request.occurredAt);
  const refused = refusalOf(request, answer, occurredAt, now);
  if (refused !== null) throw invalidRequest([refused]);
  const { occurredAt: _, ...said } = request;
  return {
    predictionId,
    correctionId: uuidv7(),
    ...wellFormed(said),
    occurredAt,
    recordedAt: now,
    revision,
    retracted: false,
  };
}

/** What is wrong with a correction of a known prediction, or null. */
export function refusalOf(
  { rank }: Pick<PredictionCorrected, 'rank'>,
  answer: AnsweredPrediction['answer'],
  occurredAt: number,
  now: number,
): { pointer: string; detail: string } | null {
  const candidates = answer.status === 'ok' ? answer.candidates.length : 0;
  if (rank !== undefined && rank >= candidates) {
    const known =
      candidates === 0 ? 'the prediction has no candidates' : `ranks 0 to ${candidates - 1} exist`;
    return { pointer: '/rank', detail: `points at no candidate: ${known}` };
  }
  if (occurredAt < answer.occurredAt) {
    return {
      pointer: '/occurredAt',
      detail: `lies before the prediction itself (${new Date(answer.occurredAt).toISOString()})`,
    };
  }
  if (occurredAt > now + CLOCK_SKEW_MS) {
    return { pointer: '/occurredAt', detail: 'lies more than 5 minutes in the future' };
  }
  return null;
}

function answerOf(state: AnsweredPrediction, correction: CorrectionState): CorrectAnswer {
  const before = correctionInForce(state.corrections);
  const after = { answer: state.answer, corrections: [...state.corrections, correction] };
  const isInForce = correctionInForce(after.corrections) === correction;
  return {
    id: correction.correctionId,
    predictionId: correction.predictionId,
    outcome: outcomeOf(after) as Outcome,
    supersedes: isInForce ? (before?.correctionId ?? null) : null,
  };
}

/** Predict: choose the version, ask it, and answer once the event is on disk. */
import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import { CONFIGURATION, type Configuration } from '../configuration.js';
import { newEvent, predictionStream } from '../event/envelope.js';
import {
  type Candidate,
  PREDICTION_FAILED,
  PREDICTION_RECORDED,
  type PredictionFailed,
  type PredictionRecorded,
} from '../event/prediction.js';
import type { PredictorState } from '../event/predictor.js';
import { invalidRequest, Problem, type ProblemCode } from '../problem.js';
import { type Backend, BackendFailure } from '../serving/backend.js';
import { Backends } from '../serving/backends.js';
import { chooseVersion } from '../serving/split.js';
import { EVENT_STORE, type EventStore, NO_STREAM, StoreUnavailable } from '../store/event-store.js';
import { PredictorCatalog } from '../store/predictor-catalog.js';
import { type Idempotency, receiptFor, unlessAnswered } from '../http/idempotency.js';
import type { PredictRequest } from './requests.dto.js';
import { ShadowCalls } from './shadow-calls.js';
import { limitOf, shownCandidates } from './shown-candidates.js';
import { storableError, wellFormed } from './storable.js';
import { Subjects } from './subjects.js';
import { TALLY, type Tally } from './tally.js';

export interface PredictAnswer {
  id: string;
  predictor: string;
  version: string;
  candidates: Candidate[];
  occurredAt: string;
  /** False only with ASSAY_UNRECORDED=serve, while the store cannot write. */
  recorded: boolean;
}

export class PredictCommand extends Command<PredictAnswer> {
  constructor(
    readonly predictor: string,
    readonly request: PredictRequest,
    readonly idempotency?: Idempotency,
    readonly traceparent: string | null = null,
  ) {
    super();
  }
}

@CommandHandler(PredictCommand)
export class PredictHandler implements ICommandHandler<PredictCommand> {
  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(CONFIGURATION) private readonly configuration: Configuration,
    private readonly catalog: PredictorCatalog,
    private readonly backends: Backends,
    private readonly subjects: Subjects,
    @Inject(TALLY) private readonly tally: Tally,
    private readonly shadows: ShadowCalls,
  ) {}

  async execute(command: PredictCommand): Promise<PredictAnswer> {
    const { predictor, request } = command;
    const error = storableError(request.input, '/input') ?? storableError(request.metadata, '/metadata');
    if (error !== null) throw invalidRequest([error]);
    const id = uuidv7();
    const subject = request.subject === undefined ? undefined : this.subjects.hash(request.subject);
    const state = await this.catalog.get(predictor);
    const version = versionFor(predictor, state, request.version, subject ?? id);
    // What is undefined leaves no trace in the event's JSON.
    const asked: Asked = {
      predictionId: id,
      predictor,
      version,
      input: wellFormed(request.input),
      subject,
      metadata: wellFormed(request.metadata),
      pinned: request.version === undefined ? undefined : true,
    };
    const occurredAt = Date.now();
    const startedAt = performance.now();
    let candidates: Candidate[];
    try {
      candidates = await this.ask(state, asked, request);
    } catch (failure) {
      if (!(failure instanceof BackendFailure)) throw failure;
      throw await this.recordFailure(command, asked, failure, occurredAt, latencySince(startedAt));
    }
    const data = { ...asked, candidates, latencyMs: latencySince(startedAt) };
    const answer = await this.record(command, data, occurredAt);
    if (state.challengers.length > 0 && answer.recorded && data.pinned === undefined) {
      this.shadows.start(state, { prediction: data, request, traceparent: command.traceparent });
    }
    return answer;
  }

  private async ask(state: PredictorState, asked: Asked, request: PredictRequest): Promise<Candidate[]> {
    const candidates = await this.backendOf(state, asked).predict(asked.input, limitOf(request));
    return shownCandidates(candidates, request);
  }

  private backendOf(state: PredictorState, { predictor, version }: Asked): Backend {
    const deployed = state.versions.get(version);
    const backend = deployed && this.backends.of(predictor, version, deployed.backend);
    if (backend) return backend;
    throw new Problem(
      'conflict',
      `Version "${version}" of ${predictor} is served elsewhere and only recorded here. Send what it predicts to POST /v1/events, or deploy it with an http backend.`,
    );
  }

  private async record(
    command: PredictCommand,
    data: PredictionRecorded,
    occurredAt: number,
  ): Promise<PredictAnswer> {
    const answer: PredictAnswer = {
      id: data.predictionId,
      predictor: data.predictor,
      version: data.version,
      candidates: data.candidates,
      occurredAt: new Date(occurredAt).toISOString(),
      recorded: true,
    };
    try {
      await this.append(command, PREDICTION_RECORDED, data, occurredAt, answer);
    } catch (error) {
      if (!this.servesWithout(error)) throw error;
      answer.recorded = false;
    }
    this.tally.predicted(data.predictor, data.version, answer.recorded ? 'recorded' : 'unrecorded');
    return answer;
  }

  private async append(
    { idempotency, traceparent }: PredictCommand,
    type: string,
    data: PredictionRecorded | PredictionFailed,
    occurredAt: number,
    answer: PredictAnswer | null,
  ): Promise<void> {
    const { predictionId, predictor } = data;
    const event = newEvent(type, { id: predictionId, occurredAt, predictor, traceparent }, data);
    const receipt = answer === null ? undefined : receiptFor(idempotency, 201, answer);
    const result = await this.store.append(predictionStream(predictionId), NO_STREAM, [event], receipt);
    unlessAnswered(result, idempotency);
  }

  /** A failure has no receipt: a repeat with the same key asks the predictor again. */
  private async recordFailure(
    command: PredictCommand,
    asked: Asked,
    failure: BackendFailure,
    occurredAt: number,
    latencyMs: number,
  ): Promise<Problem> {
    const { predictionId, predictor, version } = asked;
    this.tally.predicted(predictor, version, 'failed');
    const error = { kind: failure.kind, message: failure.message };
    const code = `predictor-${failure.kind}` satisfies ProblemCode;
    try {
      await this.append(command, PREDICTION_FAILED, { ...asked, error, latencyMs }, occurredAt, null);
    } catch (thrown) {
      if (!this.servesWithout(thrown)) throw thrown;
      return new Problem(code, `${failure.message}. The failure could not be recorded.`, {
        members: { version },
      });
    }
    return new Problem(code, `${failure.message}. The failure is recorded as prediction ${predictionId}.`, {
      members: { predictionId, version },
    });
  }

  private servesWithout(error: unknown): boolean {
    return error instanceof StoreUnavailable && this.configuration.unrecorded === 'serve';
  }
}

type Asked = Omit<PredictionRecorded, 'candidates' | 'latencyMs'>;

function versionFor(
  predictor: string,
  state: PredictorState,
  pinned: string | undefined,
  key: string,
): string {
  const version = pinned ?? chooseVersion(state.split, key);
  if (state.versions.has(version)) return version;
  const known = [...state.versions.keys()].join(', ') || 'none';
  throw new Problem('unknown-version', `${predictor} has no version "${version}" (deployed: ${known}).`);
}

/** Milliseconds, to a tenth. */
function latencySince(startedAt: number): number {
  return Math.round((performance.now() - startedAt) * 10) / 10;
}

/** Deploy a version, move traffic, end a canary: what happens to a predictor. */
import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import { CONFIGURATION, type Configuration } from '../configuration.js';
import { CHALLENGER_STARTED } from '../event/challenger.js';
import { newEvent, type NewEvent } from '../event/envelope.js';
import { completePolicy, type Policy } from '../event/policy.js';
import {
  type BackendSpec,
  CANARY_STARTED,
  type PredictorState,
  PREDICTOR_DEPLOYED,
  PROMOTED,
  ROLLED_BACK,
  servingVersion,
  type Split,
  splitWith,
  splitWithout,
  TRAFFIC_SPLIT,
} from '../event/predictor.js';
import { invalidRequest, Problem } from '../problem.js';
import { PredictorCatalog, unknownPredictor } from '../store/predictor-catalog.js';
import { type Idempotency, receiptFor, unlessAnswered } from '../http/idempotency.js';
import { challengerOf, type ChallengerTerms } from './challenger.command.js';
import { canaryError, splitError } from './predictor-rules.js';
import type { DeployRequest, EndCanaryRequest } from './requests.dto.js';
import { storableError, wellFormed } from './storable.js';

export interface DeployAnswer {
  predictor: string;
  version: string;
  split: Split;
  canary: { baseline: string; canary: string; policy: Policy; ramp: number[] | null } | null;
  /** Only of a version that was made one. */
  challenger?: ChallengerTerms;
}

export interface TrafficAnswer {
  predictor: string;
  split: Split;
}

export class DeployCommand extends Command<DeployAnswer> {
  constructor(
    readonly predictor: string,
    readonly request: DeployRequest,
    readonly idempotency?: Idempotency,
    readonly traceparent: string | null = null,
  ) {
    super();
  }
}

export class SplitTrafficCommand extends Command<TrafficAnswer> {
  constructor(
    readonly predictor: string,
    readonly split: Split,
    readonly idempotency?: Idempotency,
    readonly traceparent: string | null = null,
  ) {
    super();
  }
}

export class EndCanaryCommand extends Command<TrafficAnswer> {
  constructor(
    readonly predictor: string,
    readonly end: 'promote' | 'rollback',
    readonly request: EndCanaryRequest,
    readonly idempotency?: Idempotency,
    readonly traceparent: string | null = null,
  ) {
    super();
  }
}

/** Share of a canary for which neither a share nor a ramp was given. */
const CANARY_SHARE = 0.1;

@CommandHandler(DeployCommand)
export class DeployHandler implements ICommandHandler<DeployCommand> {
  constructor(
    private readonly catalog: PredictorCatalog,
    @Inject(CONFIGURATION) private readonly configuration: Configuration,
  ) {}

  async execute({ predictor, request, idempotency, traceparent }: DeployCommand): Promise<DeployAnswer> {
    let answer: DeployAnswer | undefined;
    const result = await this.catalog.append(predictor, (state) => {
      const head = { occurredAt: Date.now(), predictor, traceparent };
      const decided = this.decide(predictor, state, request);
      answer = decided.answer;
      const events = decided.data.map(([type, data]) => newEvent(type, { id: uuidv7(), ...head }, data));
      return { events, receipt: receiptFor(idempotency, 201, answer) };
    });
    unlessAnswered(result, idempotency);
    return answer as DeployAnswer;
  }

  private decide(predictor: string, state: PredictorState, request: DeployRequest): Decided {
    const { version } = request;
    const error = storableError(request.backend, '/backend');
    if (error !== null) throw invalidRequest([error]);
    const backend = wellFormed(request.backend) as unknown as BackendSpec;
    const data: Decided['data'] = [[PREDICTOR_DEPLOYED, { predictor, version, backend }]];
    const canary = request.canary === undefined ? null : this.canary(predictor, state, request);
    if (canary !== null)
      data.push([CANARY_STARTED, { predictor, ...canary, ramp: canary.ramp ?? undefined }]);
    const challenger = challengerOf(predictor, state, request);
    if (challenger !== null) data.push([CHALLENGER_STARTED, { predictor, ...challenger }]);
    const share = shareFor(state, request);
    const before: Split = Object.keys(state.split).length === 0 ? { [version]: 1 } : state.split;
    const split = share === undefined ? before : splitWith(state.split, version, share);
    if (share !== undefined) {
      const start = canary === null ? {} : { canary: version, reason: 'the canary starts' };
      data.push([TRAFFIC_SPLIT, { predictor, split, ...start }]);
    }
    const more = challenger === null ? {} : { challenger };
    return { data, answer: { predictor, version, split, canary, ...more } };
  }

  private canary(predictor: string, state: PredictorState, { version, canary }: DeployRequest) {
    const baseline = servingVersion(state);
    if (baseline === undefined) {
      throw new Problem(
        'conflict',
        `${predictor} serves no version yet, so there is nothing to compare with. Deploy the first one without "canary".`,
      );
    }
    if (state.canary !== null) throw canaryRuns(predictor, state.canary.canary);
    const policy = completePolicy(canary?.policy, this.configuration.policy);
    const error = canaryError({ baseline, canary: version, policy, ramp: canary?.ramp }, '/canary');
    if (error?.kind === 'invalid') throw invalidRequest([error.field]);
    if (error?.kind === 'same-version') {
      throw new Problem(
        'conflict',
        `"${version}" serves ${predictor} now and cannot be its own canary. Deploy the change under a new version name.`,
      );
    }
    return { baseline, canary: version, policy, ramp: canary?.ramp ?? null };
  }
}

interface Decided {
  data: Array<[type: string, data: object]>;
  answer: DeployAnswer;
}

/** The first version has all traffic by itself; undefined: the split stays as it is. */
function shareFor(
  state: PredictorState,
  { version, trafficShare, canary }: DeployRequest,
): number | undefined {
  const isFirst = Object.keys(state.split).length === 0;
  if (isFirst) {
    if (trafficShare === undefined || trafficShare === 1) return undefined;
    throw invalidRequest([
      { pointer: '/trafficShare', detail: 'must be 1 or left out for the first version' },
    ]);
  }
  if (trafficShare !== undefined) {
    if (trafficShare === 0 && (state.split[version] ?? 0) >= 1) {
      throw invalidRequest([
        { pointer: '/trafficShare', detail: 'must not be 0 for the version that serves everything' },
      ]);
    }
    return trafficShare;
  }
  return canary === undefined ? undefined : (canary.ramp?.[0] ?? CANARY_SHARE);
}

@CommandHandler(SplitTrafficCommand)
export class SplitTrafficHandler implements ICommandHandler<SplitTrafficCommand> {
  constructor(private readonly catalog: PredictorCatalog) {}

  async execute({ predictor, split, idempotency, traceparent }: SplitTrafficCommand): Promise<TrafficAnswer> {
    const answer: TrafficAnswer = { predictor, split };
    const result = await this.catalog.append(predictor, (state) => {
      unlessUnknown(predictor, state);
      const error = splitError(split, '/split', new Set(state.versions.keys()));
      if (error !== null) throw invalidRequest([error]);
      const head = { id: uuidv7(), occurredAt: Date.now(), predictor, traceparent };
      return {
        events: [newEvent(TRAFFIC_SPLIT, head, { predictor, split })],
        receipt: receiptFor(idempotency, 200, answer),
      };
    });
    unlessAnswered(result, idempotency);
    return answer;
  }
}

@CommandHandler(EndCanaryCommand)
export class EndCanaryHandler implements ICommandHandler<EndCanaryCommand> {
  constructor(private readonly catalog: PredictorCatalog) {}

  async execute(command: EndCanaryCommand): Promise<TrafficAnswer> {
    const { predictor, idempotency } = command;
    let answer: TrafficAnswer | undefined;
    const result = await this.catalog.append(predictor, (state) => {
      const decided = decideEnd(command, state);
      answer = decided.answer;
      return { events: [decided.event], receipt: receiptFor(idempotency, 200, answer) };
    });
    unlessAnswered(result, idempotency);
    return answer as TrafficAnswer;
  }
}

function decideEnd(
  { predictor, end, request, traceparent }: EndCanaryCommand,
  state: PredictorState,
): { event: NewEvent; answer: TrafficAnswer } {
  const { version } = request;
  const reason = wellFormed(request.reason);
  unlessUnknown(predictor, state);
  if (!state.versions.has(version)) {
    const known = [...state.versions.keys()].join(', ');
    throw new Problem('unknown-version', `${predictor} has no version "${version}" (deployed: ${known}).`);
  }
  if (state.canary === null) {
    throw new Problem(
      'conflict',
      `No canary runs on ${predictor}. To move traffic without one, POST /v1/predictors/${predictor}/traffic.`,
    );
  }
  if (state.canary.canary !== version) {
    throw new Problem(
      'conflict',
      `The canary of ${predictor} is "${state.canary.canary}", not "${version}": name it in "version", or move traffic with POST /v1/predictors/${predictor}/traffic.`,
    );
  }
  const split =
    end === 'promote' ? { [version]: 1 } : splitWithout(state.split, version, state.canary.baseline);
  const head = { id: uuidv7(), occurredAt: Date.now(), predictor, traceparent };
  const event = newEvent(end === 'promote' ? PROMOTED : ROLLED_BACK, head, { predictor, version, reason });
  return { event, answer: { predictor, split } };
}

function unlessUnknown(predictor: string, state: PredictorState): void {
  if (state.versions.size === 0 && state.splits.length === 0) throw unknownPredictor(predictor);
}

function canaryRuns(predictor: string, canary: string): Problem {
  return new Problem(
    'conflict',
    `"${canary}" is already the canary of ${predictor}. Promote it or roll it back first (POST /v1/predictors/${predictor}/promote or /rollback).`,
  );
}

/** Start a challenger with a deployment, and stop it. */
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import {
  CHALLENGER_STOPPED,
  CHALLENGERS_LIMIT,
  type ChallengerStarted,
  completeChallengerPolicy,
} from '../event/challenger.js';
import { newEvent } from '../event/envelope.js';
import { type PredictorState, servingVersion } from '../event/predictor.js';
import { invalidRequest, Problem } from '../problem.js';
import { PredictorCatalog, unknownPredictor } from '../store/predictor-catalog.js';
import { labelOddsError } from './predictor-rules.js';
import type { DeployRequest } from './requests.dto.js';

export type ChallengerTerms = Omit<ChallengerStarted, 'predictor'>;

/**
 * The challenger that a deployment makes; null when it asks for none.
 * @throws Problem invalid-request, conflict
 */
export function challengerOf(
  predictor: string,
  state: PredictorState,
  request: DeployRequest,
): ChallengerTerms | null {
  const { version, shadow, challenger } = request;
  if (shadow === undefined) {
    if (challenger === undefined) return null;
    throw invalidRequest([{ pointer: '/challenger', detail: 'goes with "shadow": true only' }]);
  }
  for (const field of ['canary', 'trafficShare'] as const) {
    if (request[field] === undefined) continue;
    const detail = 'must be left out with "shadow": a challenger has no traffic';
    throw invalidRequest([{ pointer: `/${field}`, detail }]);
  }
  const odds = labelOddsError(challenger?.policy?.labelOdds, '/challenger/policy/labelOdds');
  if (odds !== null) throw invalidRequest([odds]);
  const baseline = state.canary?.baseline ?? servingVersion(state);
  if (baseline === undefined) {
    throw new Problem(
      'conflict',
      `${predictor} serves no version yet, so there is nothing to compare with. Deploy the first one without "shadow".`,
    );
  }
  if ((state.split[version] ?? 0) > 0) {
    throw new Problem(
      'conflict',
      `Users of ${predictor} see "${version}" now, so it cannot answer unseen. Deploy the change under a new version name.`,
    );
  }
  unlessTooMany(predictor, state, version);
  const policy = completeChallengerPolicy(challenger?.policy);
  return { baseline, challenger: version, policy };
}

function unlessTooMany(predictor: string, { challengers }: PredictorState, version: string): void {
  const others = challengers.map(({ challenger }) => challenger).filter((known) => known !== version);
  if (others.length < CHALLENGERS_LIMIT) return;
  throw new Problem(
    'conflict',
    `${predictor} has ${others.length} challengers (${others.join(', ')}), which is as many as there may be. Stop one: DELETE /v1/predictors/${predictor}/challengers/${others[0]}.`,
  );
}

export class StopChallengerCommand extends Command<void> {
  constructor(
    readonly predictor: string,
    readonly version: string,
    readonly traceparent: string | null = null,
  ) {
    super();
  }
}

@CommandHandler(StopChallengerCommand)
export class StopChallengerHandler implements ICommandHandler<StopChallengerCommand> {
  constructor(private readonly catalog: PredictorCatalog) {}

  async execute({ predictor, version, traceparent }: StopChallengerCommand): Promise<void> {
    await this.catalog.append(predictor, (state) => {
      if (state.versions.size === 0 && state.splits.length === 0) throw unknownPredictor(predictor);
      if (!state.challengers.some(({ challenger }) => challenger === version)) {
        throw unknownChallenger(predictor, version, state);
      }
      const head = { id: uuidv7(), occurredAt: Date.now(), predictor, traceparent };
      return { events: [newEvent(CHALLENGER_STOPPED, head, { predictor, challenger: version })] };
    });
  }
}

function unknownChallenger(predictor: string, version: string, { challengers }: PredictorState): Problem {
  const known = challengers.map(({ challenger }) => challenger).join(', ') || 'none';
  return new Problem(
    'unknown-challenger',
    `${predictor} has no challenger "${version}" (running: ${known}).`,
  );
}

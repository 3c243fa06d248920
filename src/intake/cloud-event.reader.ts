/** CloudEvents from outside: valid in form, complete, storable, and in the shape of our own events. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIGURATION, type Configuration } from '../configuration.js';
import { KEY_CREATED, KEY_REVOKED } from '../event/access.js';
import { newEvent, type NewEvent, predictionStream, predictorStream } from '../event/envelope.js';
import * as challenger from '../event/challenger.js';
import { completePolicy } from '../event/policy.js';
import * as prediction from '../event/prediction.js';
import * as predictor from '../event/predictor.js';
import type { FieldError } from '../problem.js';
import { CLOCK_SKEW_MS } from './correct.command.js';
import { canaryError, challengerError, splitError } from './predictor-rules.js';
import * as shapes from './events.dto.js';
import { storableError, wellFormed } from './storable.js';
import { Subjects } from './subjects.js';
import { type Validator, validatorOf } from '../http/validation.js';

export interface ReadEvent {
  index: number;
  stream: string;
  event: NewEvent;
}

export interface RejectedEvent {
  /** Place in the request, from 0. */
  index: number;
  id: string | null;
  detail: string;
}

const ENVELOPE = validatorOf(shapes.CloudEventRequest);

const DATA: Record<string, Validator> = {
  [prediction.PREDICTION_RECORDED]: validatorOf(shapes.PredictionRecordedData),
  [prediction.PREDICTION_FAILED]: validatorOf(shapes.PredictionFailedData),
  [prediction.PREDICTION_CORRECTED]: validatorOf(shapes.PredictionCorrectedData),
  [prediction.CORRECTION_RETRACTED]: validatorOf(shapes.CorrectionRetractedData),
  [prediction.PREDICTION_SHADOWED]: validatorOf(shapes.PredictionShadowedData),
  [predictor.PREDICTOR_DEPLOYED]: validatorOf(shapes.PredictorDeployedData),
  [predictor.TRAFFIC_SPLIT]: validatorOf(shapes.TrafficSplitData),
  [predictor.CANARY_PAUSED]: validatorOf(shapes.RampHaltedData),
  [predictor.CANARY_RESUMED]: validatorOf(shapes.RampHaltedData),
  [predictor.CANARY_STARTED]: validatorOf(shapes.CanaryStartedData),
  [challenger.CHALLENGER_STARTED]: validatorOf(shapes.ChallengerStartedData),
  [challenger.CHALLENGER_STOPPED]: validatorOf(shapes.ChallengerStoppedData),
  [predictor.PROMOTED]: validatorOf(shapes.CanaryEndedData),
  [predictor.ROLLED_BACK]: validatorOf(shapes.CanaryEndedData),
};

const OURS = new Set([predictor.CANARY_JUDGED, 'assay.subject.erased', KEY_CREATED, KEY_REVOKED]);

@Injectable()
export class CloudEventReader {
  constructor(
    private readonly subjects: Subjects,
    @Inject(CONFIGURATION) private readonly configuration: Configuration,
  ) {}

  /** @param now milliseconds; what lies further ahead than clocks differ is refused */
  read(value: unknown, index: number, now: number): ReadEvent | RejectedEvent {
    const id = idOf(value);
    const rejected = (errors: readonly FieldError[]): RejectedEvent => ({
      index,
      id,
      detail: sentence(errors),
    });
    if (value === undefined) return { index, id, detail: 'is not JSON' };
    const envelope = ENVELOPE.errorsOf(value);
    if (envelope.length > 0) return rejected(envelope);
    const event = value as shapes.CloudEventRequest;
    const validator = Object.hasOwn(DATA, event.type) ? DATA[event.type] : undefined;
    if (validator === undefined) return rejected([{ pointer: '/type', detail: typeDetail(event.type) }]);
    const errors = validator.errorsOf(event.data, '/data');
    errors.push(...this.ruleErrors(event, now, errors.length === 0));
    if (errors.length > 0) return rejected(errors);
    return { index, ...this.toEvent(event) };
  }

  /** @param isInForm whether the data may be read as what its type says */
  private ruleErrors(event: shapes.CloudEventRequest, now: number, isInForm: boolean): FieldError[] {
    const errors: FieldError[] = [];
    const time = Date.parse(event.time);
    if (Number.isNaN(time)) errors.push({ pointer: '/time', detail: 'is not a time that exists' });
    if (time > now + CLOCK_SKEW_MS) {
      errors.push({ pointer: '/time', detail: 'lies more than 5 minutes in the future' });
    }
    const storable = storableError(event.data, '/data');
    if (storable !== null) errors.push(storable);
    const rule = isInForm ? this.predictorError(event) : null;
    if (rule !== null) errors.push(rule);
    return errors;
  }

  private predictorError({ type, data }: shapes.CloudEventRequest): FieldError | null {
    if (type === predictor.TRAFFIC_SPLIT) {
      return splitError(data.split as predictor.Split, '/data/split');
    }
    if (type === challenger.CHALLENGER_STARTED) {
      return challengerError(data as unknown as shapes.ChallengerStartedData, '/data');
    }
    if (type !== predictor.CANARY_STARTED) return null;
    const { baseline, canary, policy, ramp } = data as unknown as shapes.CanaryStartedData;
    const terms = { baseline, canary, policy: completePolicy(policy, this.configuration.policy), ramp };
    const error = canaryError(terms, '/data');
    if (error === null) return null;
    return error.kind === 'invalid'
      ? error.field
      : { pointer: '/data/canary', detail: 'is the baseline itself' };
  }

  private toEvent({ id, type, time, data }: shapes.CloudEventRequest): { stream: string; event: NewEvent } {
    const occurredAt = Date.parse(time);
    const clean = wellFormed(this.completed(id, type, data));
    if (type.startsWith('assay.predictor.')) {
      const name = String(clean.predictor);
      return {
        stream: predictorStream(name),
        event: newEvent(type, { id, occurredAt, predictor: name }, clean),
      };
    }
    const name = typeof clean.predictor === 'string' ? clean.predictor : null;
    const stream = predictionStream(String(clean.predictionId));
    return { stream, event: newEvent(type, { id, occurredAt, predictor: name }, clean) };
  }

  /** Data with what it leaves open filled in, so that equal events have equal payloads. */
  private completed(id: string, type: string, data: Record<string, unknown>): Record<string, unknown> {
    switch (type) {
      case prediction.PREDICTION_RECORDED:
      case prediction.PREDICTION_FAILED: {
        const subject = typeof data.subject === 'string' ? { subject: this.subjects.hash(data.subject) } : {};
        return { predictionId: id, ...data, ...subject };
      }
      case prediction.PREDICTION_CORRECTED: {
        const { predictionId, ...said } = data;
        return { predictionId, correctionId: id, ...said };
      }
      case predictor.CANARY_STARTED: {
        const given = (data as unknown as shapes.CanaryStartedData).policy;
        return { ...data, policy: completePolicy(given, this.configuration.policy) };
      }
      case challenger.CHALLENGER_STARTED: {
        const given = (data as unknown as shapes.ChallengerStartedData).policy;
        return { ...data, policy: challenger.completeChallengerPolicy(given) };
      }
      default:
        return data;
    }
  }
}

function idOf(value: unknown): string | null {
  return isObject(value) && typeof value.id === 'string' ? value.id.slice(0, 256) : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeDetail(type: string): string {
  if (OURS.has(type)) return `"${type}" is written by the service only`;
  return `"${type.slice(0, 100)}" is not a known type (${Object.keys(DATA).join(', ')})`;
}

function sentence(errors: readonly FieldError[]): string {
  return errors.map(({ pointer, detail }) => `${pointer || '/'} ${detail}`).join('; ');
}

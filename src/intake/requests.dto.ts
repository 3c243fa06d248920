/**
 * What is asked for and what is said, in request bodies, and the limits of each. The classes are the one source of truth: the HTTP server, the back-fill
 * and the OpenAPI document all use JSON schemas derived from them (http/validation.ts).
 */
import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  Equals,
  IsDefined,
  IsInt,
  IsNumber,
  IsObject,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
  ValidateNested,
} from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import type { Split } from '../event/predictor.js';
import {
  NAME_LENGTH,
  NAME_MESSAGE,
  NAME_PATTERN,
  Optional,
  TIME_MESSAGE,
  TIME_PATTERN,
} from '../http/fields.js';
import { CanaryRequest } from './canaries.dto.js';
import { ChallengerRequest } from './challengers.dto.js';
import {
  BACKEND_SCHEMA,
  BACKEND_TYPE,
  BackendKind,
  CANDIDATES_LIMIT,
  type ConstantBackend,
  type HttpBackend,
  type RecordedBackend,
} from './backends.dto.js';

export class PredictRequest {
  /** What the predictor is asked: any JSON but null, nested at most 100 deep. */
  @IsDefined()
  input!: unknown;

  /** Who asks; kept only as a keyed hash. The same subject sees the same version while the split stands. */
  @Optional()
  @IsString()
  @MinLength(1)
  @MaxLength(NAME_LENGTH)
  subject?: string;

  /** At most this many candidates come back. */
  @Optional()
  @IsInt()
  @Min(1)
  @Max(CANDIDATES_LIMIT)
  @JSONSchema({ default: 5 })
  limit?: number;

  /** Candidates below this confidence are left out. */
  @Optional()
  @IsNumber()
  @Min(0)
  @Max(1)
  @JSONSchema({ default: 0 })
  threshold?: number;

  /** Asks this version instead of the one the split would choose; such a prediction says nothing in a canary. */
  @Optional()
  @IsString()
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  version?: string;

  /** Kept with the prediction as it is. */
  @Optional()
  @IsObject()
  metadata?: Record<string, unknown>;
}

/** What a user says about a prediction: exactly one of rank, label and none. */
export class Saying {
  /** The candidate that was right, from 0. */
  @Optional()
  @IsInt()
  @Min(0)
  @Max(CANDIDATES_LIMIT - 1)
  rank?: number;

  /** The right label, whether it was among the candidates or not. */
  @Optional()
  @IsString()
  @MinLength(1)
  @MaxLength(NAME_LENGTH)
  label?: string;

  /** None of the candidates was right, and the right label is not known. */
  @Optional()
  @Equals(true)
  none?: true;

  @Optional()
  @IsString()
  @MinLength(1)
  @MaxLength(NAME_LENGTH)
  actor?: string;

  @Optional()
  @IsString()
  @MaxLength(4096)
  comment?: string;
}

/** For the classes that extend Saying: class-validator has no word for it. */
export const ExactlyOneAnswer = () =>
  JSONSchema({
    description: 'Exactly one of rank, label and none.',
    oneOf: [{ required: ['rank'] }, { required: ['label'] }, { required: ['none'] }],
  });

@ExactlyOneAnswer()
export class CorrectRequest extends Saying {
  /** When the user said so; now, if missing. Not before the prediction, not in the future. */
  @Optional()
  @Matches(TIME_PATTERN, TIME_MESSAGE)
  occurredAt?: string;
}

export class DeployRequest {
  @IsString()
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  version!: string;

  @IsDefined()
  @ValidateNested()
  @Type(() => BackendKind, BACKEND_TYPE)
  @JSONSchema(BACKEND_SCHEMA)
  backend!: HttpBackend | ConstantBackend | RecordedBackend;

  /** Share of the traffic that it receives at once. Default: all of it for the first version, the ramp's
   * first step or 0.1 for a canary, otherwise none. */
  @Optional()
  @IsNumber()
  @Min(0)
  @Max(1)
  trafficShare?: number;

  /** Makes the version the canary against the version that serves now. */
  @Optional()
  @ValidateNested()
  @Type(() => CanaryRequest)
  canary?: CanaryRequest;

  /** Makes the version a challenger of the one that serves now: it answers beside, and no user sees it. */
  @Optional()
  @Equals(true)
  shadow?: true;

  /** On which terms the challenger is judged; only with shadow. */
  @Optional()
  @ValidateNested()
  @Type(() => ChallengerRequest)
  challenger?: ChallengerRequest;
}

export const SPLIT_SCHEMA = {
  minProperties: 1,
  maxProperties: 20,
  additionalProperties: { type: 'number', minimum: 0, maximum: 1 },
} as never;

export class TrafficRequest {
  /** Version -> share; the shares sum to 1. */
  @IsObject()
  @JSONSchema(SPLIT_SCHEMA)
  split!: Split;
}

export class EndCanaryRequest {
  @IsString()
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  version!: string;

  @Optional()
  @IsString()
  @MaxLength(4096)
  reason?: string;
}

/** Pause, resume, skip a step, or abort. */
export class SteerCanaryRequest {
  @Optional()
  @IsString()
  @MaxLength(4096)
  reason?: string;
}

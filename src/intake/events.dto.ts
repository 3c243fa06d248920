/** The data of events that come from outside, one class per type, and the CloudEvents envelope around them. */
import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  Equals,
  IsArray,
  IsBoolean,
  IsDefined,
  IsIn,
  IsNotEmpty,
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
import type { FailureKind } from '../event/prediction.js';
import type { Split } from '../event/predictor.js';
import {
  ID_PATTERN,
  NAME_LENGTH,
  NAME_MESSAGE,
  NAME_PATTERN,
  Optional,
  TIME_MESSAGE,
  TIME_PATTERN,
} from '../http/fields.js';
import {
  BACKEND_SCHEMA,
  BACKEND_TYPE,
  BackendKind,
  CandidateRequest,
  CANDIDATES_LIMIT,
  type ConstantBackend,
  type HttpBackend,
  type RecordedBackend,
} from './backends.dto.js';
import { ChallengerPolicyRequest } from './challengers.dto.js';
import { PolicyRequest } from './canaries.dto.js';
import { EndCanaryRequest, ExactlyOneAnswer, Saying, SPLIT_SCHEMA } from './requests.dto.js';

/** CloudEvents 1.0 around one of the event types below. Extension attributes are accepted and ignored. */
@JSONSchema({ additionalProperties: true })
export class CloudEventRequest {
  @Equals('1.0')
  specversion!: '1.0';

  @IsString()
  @Matches(ID_PATTERN, { message: 'must be 1 to 256 printable characters' })
  id!: string;

  @IsString()
  @IsNotEmpty()
  @MaxLength(2048)
  source!: string;

  @IsString()
  type!: string;

  /** When it happened. */
  @Matches(TIME_PATTERN, TIME_MESSAGE)
  time!: string;

  @IsObject()
  data!: Record<string, unknown>;
}

class AboutPrediction {
  @Optional()
  @Matches(ID_PATTERN, { message: 'must be 1 to 256 printable characters' })
  predictionId?: string;

  @Matches(NAME_PATTERN, NAME_MESSAGE)
  predictor!: string;

  @Matches(NAME_PATTERN, NAME_MESSAGE)
  version!: string;

  @IsDefined()
  input!: unknown;

  @Optional()
  @IsString()
  @MinLength(1)
  @MaxLength(NAME_LENGTH)
  subject?: string;

  @Optional()
  @IsNumber()
  @Min(0)
  @Max(86_400_000)
  latencyMs?: number;

  @Optional()
  @IsObject()
  metadata?: Record<string, unknown>;

  @Optional()
  @IsBoolean()
  pinned?: boolean;
}

export class PredictionRecordedData extends AboutPrediction {
  @IsArray()
  @ArrayMaxSize(CANDIDATES_LIMIT)
  @ValidateNested({ each: true })
  @Type(() => CandidateRequest)
  candidates!: CandidateRequest[];
}

export class FailureRequest {
  @IsIn(['timeout', 'unreachable', 'rejected', 'invalid'])
  kind!: FailureKind;

  @IsString()
  @MaxLength(4096)
  message!: string;
}

export class PredictionFailedData extends AboutPrediction {
  @IsDefined()
  @ValidateNested()
  @Type(() => FailureRequest)
  error!: FailureRequest;
}

/** What a version that users do not see answered: candidates, or the error in their place. */
@JSONSchema({
  description: 'Exactly one of candidates and error.',
  oneOf: [{ required: ['candidates'] }, { required: ['error'] }],
})
export class PredictionShadowedData {
  @Matches(ID_PATTERN, { message: 'must be 1 to 256 printable characters' })
  predictionId!: string;

  @Matches(NAME_PATTERN, NAME_MESSAGE)
  predictor!: string;

  @Matches(NAME_PATTERN, NAME_MESSAGE)
  version!: string;

  @Optional()
  @IsArray()
  @ArrayMaxSize(CANDIDATES_LIMIT)
  @ValidateNested({ each: true })
  @Type(() => CandidateRequest)
  candidates?: CandidateRequest[];

  @Optional()
  @ValidateNested()
  @Type(() => FailureRequest)
  error?: FailureRequest;

  @Optional()
  @IsNumber()
  @Min(0)
  @Max(86_400_000)
  latencyMs?: number;
}

@ExactlyOneAnswer()
export class PredictionCorrectedData extends Saying {
  @Matches(ID_PATTERN, { message: 'must be 1 to 256 printable characters' })
  predictionId!: string;

  @Optional()
  @Matches(ID_PATTERN, { message: 'must be 1 to 256 printable characters' })
  correctionId?: string;
}

export class CorrectionRetractedData {
  @Matches(ID_PATTERN, { message: 'must be 1 to 256 printable characters' })
  predictionId!: string;

  @Matches(ID_PATTERN, { message: 'must be 1 to 256 printable characters' })
  correctionId!: string;

  @Optional() @IsString() @MinLength(1) @MaxLength(NAME_LENGTH) actor?: string;
}

class AboutPredictor {
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  predictor!: string;
}

export class PredictorDeployedData extends AboutPredictor {
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  version!: string;

  @IsDefined()
  @ValidateNested()
  @Type(() => BackendKind, BACKEND_TYPE)
  @JSONSchema(BACKEND_SCHEMA)
  backend!: HttpBackend | ConstantBackend | RecordedBackend;
}

export class TrafficSplitData extends AboutPredictor {
  @IsObject()
  @JSONSchema(SPLIT_SCHEMA)
  split!: Split;

  /** The canary whose ramp the step belongs to. */
  @Optional()
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  canary?: string;

  @Optional()
  @IsString()
  @MaxLength(4096)
  reason?: string;
}

export class RampHaltedData extends AboutPredictor {
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  canary!: string;

  @Optional()
  @IsString()
  @MaxLength(4096)
  reason?: string;
}

export class CanaryStartedData extends AboutPredictor {
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  baseline!: string;

  @Matches(NAME_PATTERN, NAME_MESSAGE)
  canary!: string;

  @Optional()
  @ValidateNested()
  @Type(() => PolicyRequest)
  policy?: PolicyRequest;

  @Optional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(20)
  @IsNumber({}, { each: true })
  @Min(0.0001, { each: true })
  @Max(1, { each: true })
  ramp?: number[];
}

export class ChallengerStartedData extends AboutPredictor {
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  baseline!: string;

  @Matches(NAME_PATTERN, NAME_MESSAGE)
  challenger!: string;

  @Optional()
  @ValidateNested()
  @Type(() => ChallengerPolicyRequest)
  policy?: ChallengerPolicyRequest;
}

export class ChallengerStoppedData extends AboutPredictor {
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  challenger!: string;

  @Optional()
  @IsString()
  @MaxLength(4096)
  reason?: string;
}

export class CanaryEndedData extends EndCanaryRequest {
  @Matches(NAME_PATTERN, NAME_MESSAGE)
  predictor!: string;
}

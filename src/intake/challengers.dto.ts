/** What a deployment may say about a challenger. */
import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsInt,
  IsNumber,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { Optional } from '../http/fields.js';
import { CANDIDATES_LIMIT } from './backends.dto.js';

export class ChallengerAlphaRequest {
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) within?: number;
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) worse?: number;
}

export class ChallengerPolicyRequest {
  /** How many more wrong answers are acceptable: 0.10 is ten percent more. */
  @Optional()
  @IsNumber()
  @Min(0.01)
  @Max(1)
  @JSONSchema({ default: 0.1 })
  tolerance?: number;

  /** A candidate counts as right when its rank is below this. */
  @Optional()
  @IsInt()
  @Min(1)
  @Max(CANDIDATES_LIMIT)
  @JSONSchema({ default: 1 })
  rightWithin?: number;

  /** How many times as readily users label a wrong answer as a right one: the lowest and the highest that is
   * believed. [1, 1] where everything is labelled. */
  @Optional()
  @IsArray()
  @ArrayMinSize(2)
  @ArrayMaxSize(2)
  @IsNumber({}, { each: true })
  @Min(0.01, { each: true })
  @Max(1000, { each: true })
  @JSONSchema({ default: [1, 4] })
  labelOdds?: [number, number];

  /** How long each prediction is waited for to be labelled, seconds; what comes later does not count. */
  @Optional()
  @IsInt()
  @Min(1)
  @Max(31_536_000)
  @JSONSchema({ default: 18_000 })
  labelWindowSeconds?: number;

  @Optional()
  @IsInt()
  @Min(1)
  @Max(86_400)
  @JSONSchema({ default: 300 })
  bucketSeconds?: number;

  /** A projection older than this leads to no good verdict, seconds. */
  @Optional()
  @IsNumber()
  @Min(1)
  @Max(86_400)
  @JSONSchema({ default: 300 })
  maxLagSeconds?: number;

  /** Error probability of each claim. */
  @Optional()
  @ValidateNested()
  @Type(() => ChallengerAlphaRequest)
  alpha?: ChallengerAlphaRequest;
}

export class ChallengerRequest {
  /** What is missing is taken from the defaults. */
  @Optional()
  @ValidateNested()
  @Type(() => ChallengerPolicyRequest)
  policy?: ChallengerPolicyRequest;
}

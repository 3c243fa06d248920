/** The terms of a canary, as requests and events carry them, and the limits of each. */
import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsInt,
  IsNumber,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import type { Confirmations, Score } from '../event/policy.js';
import { Optional, SCORE_POINTER } from '../http/fields.js';
import { CANDIDATES_LIMIT } from './backends.dto.js';

export class AlphaRequest {
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) 'wrong-up'?: number;
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) 'wrong-within'?: number;
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) 'wrong-lower'?: number;
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) 'right-lower'?: number;
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) 'right-within'?: number;
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) 'right-held'?: number;
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) 'right-not-higher'?: number;
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) 'errors-up'?: number;
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) 'slow-up'?: number;
  @Optional() @IsNumber() @Min(1e-6) @Max(0.5) 'sample-ratio'?: number;
}

/** A number in [0, 1] in the metadata of each prediction that must not get worse. */
export class ScoreRequest {
  /** Its check is called `score:<name>`. */
  @IsString()
  @Matches(/^[a-z0-9](-?[a-z0-9])*$/, { message: 'must be a-z, digits and single dashes between them' })
  @MaxLength(40)
  name!: string;

  /** JSON pointer to a field in the metadata, such as /cost or /usage/cost: names of fields only, each beginning
   * with a letter or an underscore. */
  @IsString()
  @Matches(SCORE_POINTER)
  @MaxLength(256)
  from!: string;

  /** Which way is better. */
  @IsIn(['higher', 'lower'])
  better!: Score['better'];

  /** How much worse its mean may be. */
  @Optional()
  @IsNumber()
  @Min(0.001)
  @Max(0.9)
  @JSONSchema({ default: 0.01 })
  tolerance?: number;

  /** Error probability; without it an equal share of 0.02. */
  @Optional()
  @IsNumber()
  @Min(1e-6)
  @Max(0.5)
  alpha?: number;

  /** What follows when it is shown to be worse. */
  @Optional()
  @IsIn(['rollback', 'hold'])
  @JSONSchema({ default: 'rollback' })
  onWorse?: Score['onWorse'];
}

export class PolicyRequest {
  /** How many more wrong answers are acceptable: 0.10 is ten percent more. */
  @Optional()
  @IsNumber()
  @Min(0.01)
  @Max(1)
  @JSONSchema({ default: 0.1 })
  tolerance?: number;

  /** A confirmed candidate counts as right when its rank is below this. */
  @Optional()
  @IsInt()
  @Min(1)
  @Max(CANDIDATES_LIMIT)
  @JSONSchema({ default: 1 })
  rightWithin?: number;

  @Optional()
  @IsIn(['auto', 'required', 'none'])
  @JSONSchema({ default: 'auto' })
  confirmations?: Confirmations;

  /** A prediction slower than this is slow, milliseconds; without it speed is not judged. */
  @Optional()
  @IsNumber()
  @Min(1)
  @Max(60_000)
  latencyLimitMs?: number;

  /** A projection older than this never promotes, seconds. */
  @Optional()
  @IsNumber()
  @Min(1)
  @Max(86_400)
  @JSONSchema({ default: 300 })
  maxLagSeconds?: number;

  @Optional()
  @IsInt()
  @Min(1)
  @Max(86_400)
  @JSONSchema({ default: 300 })
  bucketSeconds?: number;

  /** Edges of the label-age bins in seconds, ascending, the first one 0. */
  @Optional()
  @IsArray()
  @ArrayMinSize(2)
  @ArrayMaxSize(16)
  @IsInt({ each: true })
  @Min(0, { each: true })
  @Max(31_536_000, { each: true })
  @JSONSchema({ default: [0, 300, 900, 2400, 6000, 18_000, 86_400] })
  ageEdgesSeconds?: number[];

  /** Labels of the canary that each step of a ramp waits for. */
  @Optional()
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  @JSONSchema({ default: 50 })
  stepLabels?: number;

  /** How long each step of a ramp lasts at least, seconds. */
  @Optional()
  @IsInt()
  @Min(0)
  @Max(31_536_000)
  @JSONSchema({ default: 1800 })
  stepSeconds?: number;

  /** Error probability of each check. */
  @Optional()
  @ValidateNested()
  @Type(() => AlphaRequest)
  alpha?: AlphaRequest;

  /** Each is judged besides errors and latency. */
  @Optional()
  @IsArray()
  @ArrayMaxSize(8)
  @ValidateNested({ each: true })
  @Type(() => ScoreRequest)
  scores?: ScoreRequest[];
}

export class CanaryRequest {
  /** What is missing is taken from the operator's policy (ASSAY_POLICY) or the defaults. */
  @Optional()
  @ValidateNested()
  @Type(() => PolicyRequest)
  policy?: PolicyRequest;

  /** Traffic shares through which the service moves the canary by itself, ascending, such as
   * [0.05, 0.25, 0.5, 1]. Without it the traffic is moved by hand. */
  @Optional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(20)
  @IsNumber({}, { each: true })
  @Min(0.0001, { each: true })
  @Max(1, { each: true })
  ramp?: number[];
}

/** The settings of every kind of backend that a version can be deployed with. */
import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  Equals,
  IsArray,
  IsInt,
  IsNumber,
  IsObject,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { JSONSchema } from 'class-validator-jsonschema';
import { NAME_LENGTH, Optional } from '../http/fields.js';

/** Most candidates one prediction may have. */
export const CANDIDATES_LIMIT = 100;

export class CandidateMapping {
  /** JSON pointer to the list of candidates in the answer. */
  @Optional()
  @IsString()
  @Matches(/^(\/.*)?$/)
  @JSONSchema({ default: '/candidates' })
  path?: string;

  /** JSON pointer to the label within a candidate; empty when the candidate itself is the label. */
  @Optional()
  @IsString()
  @Matches(/^(\/.*)?$/)
  @JSONSchema({ default: '/label' })
  label?: string;

  /** JSON pointer to the confidence within a candidate; candidates without one have none. */
  @Optional()
  @IsString()
  @Matches(/^(\/.*)?$/)
  @JSONSchema({ default: '/confidence' })
  confidence?: string;
}

export class CandidateRequest {
  @IsString()
  @MinLength(1)
  @MaxLength(NAME_LENGTH)
  label!: string;

  @ValidateIf((_, value) => value != null)
  @IsNumber()
  @JSONSchema({ type: ['number', 'null'] as never })
  confidence?: number | null;
}

/** Any HTTP predictor. */
export class HttpBackend {
  @Equals('http')
  kind!: 'http';

  @IsString()
  @MaxLength(2048)
  @Matches(/^https?:\/\/[^\s/?#]+/, { message: 'must be an http or https address' })
  url!: string;

  /** Sent with every request; values are stored, so use a header that holds no lasting secret. */
  @Optional()
  @IsObject()
  @JSONSchema({ additionalProperties: { type: 'string', maxLength: 4096 } })
  headers?: Record<string, string>;

  @Optional()
  @IsInt()
  @Min(1)
  @Max(60_000)
  @JSONSchema({ default: 2000 })
  timeoutMs?: number;

  /** Body of the request; the strings "{{input}}" and "{{limit}}" in it are replaced. Default: {input, limit}. */
  @Optional()
  @IsObject()
  request?: Record<string, unknown>;

  @Optional()
  @ValidateNested()
  @Type(() => CandidateMapping)
  candidates?: CandidateMapping;
}

/** Always the same answer: the majority class as a baseline to beat, or a stand-in during maintenance. */
export class ConstantBackend {
  @Equals('constant')
  kind!: 'constant';

  @IsArray()
  @ArrayMaxSize(CANDIDATES_LIMIT)
  @ValidateNested({ each: true })
  @Type(() => CandidateRequest)
  candidates!: CandidateRequest[];
}

/** Served elsewhere; its predictions arrive through POST /v1/events. */
export class RecordedBackend {
  @Equals('recorded')
  kind!: 'recorded';
}

/** Adding a backend: its class here, its line in this list, and one in serving/backends.ts. */
export const BACKEND_REQUESTS = [HttpBackend, ConstantBackend, RecordedBackend] as const;

export class BackendKind {
  kind!: string;
}

export const BACKEND_TYPE = {
  discriminator: {
    property: 'kind',
    subTypes: [
      { value: HttpBackend, name: 'http' },
      { value: ConstantBackend, name: 'constant' },
      { value: RecordedBackend, name: 'recorded' },
    ],
  },
  keepDiscriminatorProperty: true,
};

export const BACKEND_SCHEMA = (_: unknown, options: { refPointerPrefix?: string }) =>
  ({
    type: 'object',
    required: ['kind'],
    discriminator: { propertyName: 'kind' },
    oneOf: BACKEND_REQUESTS.map(({ name }) => ({ $ref: `${options.refPointerPrefix}${name}` })),
  }) as never;

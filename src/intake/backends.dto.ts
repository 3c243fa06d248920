/** The backends that a deployment may name, with their settings, and the candidates that they answer with. */
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

/** Services and versions on App Engine. */
const APP_ENGINE_NAME = /^(?!-)[a-z0-9-]{0,62}[a-z0-9]$/;
const APP_ENGINE_MESSAGE = {
  message: 'must be 1 to 63 lower case letters, digits and dashes, and neither begin nor end with a dash',
};

/** Where a version runs, for those that run on App Engine; read by serving/traffic.ts. */
export class AppEngineVersionRequest {
  @IsString()
  @Matches(APP_ENGINE_NAME, APP_ENGINE_MESSAGE)
  service!: string;

  /** Its name there; without it the deployment's. */
  @Optional()
  @IsString()
  @Matches(APP_ENGINE_NAME, APP_ENGINE_MESSAGE)
  version?: string;

  /** Without it the project in which this service runs. */
  @Optional()
  @IsString()
  @Matches(/^[a-z0-9.:-]{1,100}$/)
  project?: string;
}

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

  @Optional()
  @ValidateNested()
  @Type(() => AppEngineVersionRequest)
  appEngine?: AppEngineVersionRequest;
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

  @Optional()
  @ValidateNested()
  @Type(() => AppEngineVersionRequest)
  appEngine?: AppEngineVersionRequest;
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

/**
 * JSON schemas out of the request classes, and the validators compiled from them. One mechanism for HTTP
 * bodies, back-filled events and the OpenAPI document; compiled schemas keep validation off the profile of
 * the hot path.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';
import { validationMetadatasToSchemas } from 'class-validator-jsonschema';
import type { FieldError } from '../problem.js';

type JsonSchema = Record<string, unknown>;
// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- a class is known by its constructor
type RequestClass = Function;

/** At most so many field errors are listed in one answer. */
const ERRORS_LISTED = 20;

/** The schemas of all request classes by name, with references under `prefix`. */
export function requestSchemas(prefix: string): Record<string, JsonSchema> {
  const schemas = validationMetadatasToSchemas({
    refPointerPrefix: prefix,
    classTransformerMetadataStorage: defaultMetadataStorage,
  }) as unknown as Record<string, JsonSchema>;
  for (const schema of Object.values(schemas)) schema.additionalProperties ??= false;
  return schemas;
}

let definitions: Record<string, JsonSchema> = {};

/** The schema of one request class, complete in itself. */
export function schemaOf(request: RequestClass): JsonSchema {
  // A class that was loaded since the last look is found by looking again.
  if (!(request.name in definitions)) definitions = requestSchemas('#/definitions/');
  const schema = definitions[request.name];
  if (schema === undefined) throw new Error(`${request.name} has no validation decorators`);
  return { ...schema, definitions };
}

/** Bodies are taken as they are: nothing is coerced, dropped or filled in. */
const bodies = formats.default(
  new Ajv({ allErrors: true, discriminator: true, strict: false, verbose: true }),
);
/** Path and query parameters are text on the wire. */
const parameters = formats.default(
  new Ajv({ allErrors: true, coerceTypes: true, useDefaults: true, strict: false }),
);

/** Fastify's validator compiler. */
export function compileForRoute({
  schema,
  httpPart,
}: {
  schema: unknown;
  httpPart?: string;
}): ValidateFunction {
  return (httpPart === 'body' ? bodies : parameters).compile(schema as JsonSchema);
}

export interface Validator {
  /** The errors of a value, each with a JSON pointer below `at`; empty when it is valid. */
  errorsOf(value: unknown, at?: string): FieldError[];
}

const compiled = new Map<RequestClass, ValidateFunction>();

export function validatorOf(request: RequestClass): Validator {
  return {
    errorsOf: (value, at = '') => {
      let validate = compiled.get(request);
      if (validate === undefined) compiled.set(request, (validate = bodies.compile(schemaOf(request))));
      return validate(value) ? [] : fieldErrors(validate.errors ?? [], at);
    },
  };
}

/** Ajv's errors in our words, without the ones that only repeat that a branch did not fit. */
export function fieldErrors(errors: readonly ErrorObject[], at = ''): FieldError[] {
  const told = new Map<string, FieldError>();
  for (const error of errors) {
    const field = fieldError(error, at);
    if (field !== null) told.set(`${field.pointer} ${field.detail}`, field);
  }
  return [...told.values()].slice(0, ERRORS_LISTED);
}

function fieldError(error: ErrorObject, at: string): FieldError | null {
  const pointer = at + error.instancePath;
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'required':
      // Branches of a oneOf repeat what the oneOf itself says.
      if (/\/(oneOf|anyOf)\//.test(error.schemaPath)) return null;
      return { pointer: `${pointer}/${escapePointer(String(params.missingProperty))}`, detail: 'is missing' };
    case 'additionalProperties':
      return {
        pointer: `${pointer}/${escapePointer(String(params.additionalProperty))}`,
        detail: 'is not a known field',
      };
    case 'oneOf':
      return { pointer, detail: oneOfDetail(error) };
    case 'enum':
      return {
        pointer,
        detail: `must be ${(params.allowedValues as unknown[]).map((v) => JSON.stringify(v)).join(' or ')}`,
      };
    case 'not':
      return { pointer, detail: 'must not be null' };
    case 'pattern':
      return { pointer, detail: patternDetail(String(params.pattern)) };
    case 'discriminator':
      return { pointer: `${pointer}/kind`, detail: 'is not a known kind' };
    default:
      return { pointer, detail: error.message ?? 'is not valid' };
  }
}

function oneOfDetail(error: ErrorObject): string {
  const branches = (error.schema ?? []) as Array<{ required?: string[] }>;
  const names = branches.flatMap((branch) => branch.required ?? []);
  return names.length > 0
    ? `must have exactly one of ${names.join(', ')}`
    : 'does not fit any of the known forms';
}

function patternDetail(pattern: string): string {
  if (pattern.startsWith('^\\d{4}-')) return 'must be a time as in RFC 3339, such as 2026-01-31T13:45:00Z';
  if (pattern.startsWith('^[A-Za-z0-9]'))
    return 'must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit';
  if (pattern.includes('\\P{Cc}')) return 'must be 1 to 256 printable characters';
  if (pattern.startsWith('^(\\/')) {
    return 'must be a JSON pointer such as /cost or /usage/cost: names of fields that begin with a letter or underscore';
  }
  if (pattern.startsWith('^[a-z0-9](')) return 'must be a-z and digits, with single dashes between them';
  if (pattern.startsWith('^https?')) return 'must be an http or https address';
  return `must match ${pattern}`;
}

export function escapePointer(part: string): string {
  return part.replaceAll('~', '~0').replaceAll('/', '~1');
}

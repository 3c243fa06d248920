/** What a route accepts and answers, said once for the server and for the OpenAPI document. */
import { applyDecorators } from '@nestjs/common';
import { RouteSchema } from '@nestjs/platform-fastify';
import { ApiBody, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { schemaOf } from './validation.js';

type Schema = Record<string, unknown>;

export interface RouteDescription {
  /** Class of the request body. */
  // eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- a class is known by its constructor
  accepts?: Function;
  /** Query parameters. */
  query?: Record<string, Schema>;
  /** Schema of the answer, by status. Answers on the hot path are written by it. */
  answers?: Record<number, Schema>;
}

export function Route({ accepts, query, answers }: RouteDescription): MethodDecorator {
  const schema: Schema = {};
  const decorators: MethodDecorator[] = [];
  if (accepts !== undefined) {
    schema.body = schemaOf(accepts);
    decorators.push(ApiBody({ schema: { $ref: `#/components/schemas/${accepts.name}` } }));
  }
  if (query !== undefined) {
    schema.querystring = { type: 'object', properties: query, additionalProperties: false };
    for (const [name, property] of Object.entries(query)) {
      decorators.push(ApiQuery({ name, required: false, schema: property }));
    }
  }
  if (answers !== undefined) {
    schema.response = answers;
    for (const [status, answer] of Object.entries(answers)) {
      decorators.push(ApiResponse({ status: Number(status), schema: answer, description: '' }));
    }
  }
  return applyDecorators(RouteSchema(schema), ...decorators);
}

/** Every failure leaves as problem+json; what we did not foresee is logged and hidden. */
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { ErrorObject } from 'ajv';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AnsweredBefore, sendReceipt } from './idempotency.js';
import { loggedRequest } from './logged-request.js';
import { fieldErrors } from './validation.js';
import { invalidRequest, Problem, type ProblemCode } from '../problem.js';
import { StoreUnavailable, TooLarge } from '../store/event-store.js';
import { WarehouseUnavailable } from '../warehouse/warehouse.js';

const RETRY_AFTER_SECONDS = '2';

interface ServerError extends Error {
  code?: string;
  statusCode?: number;
  validation?: ErrorObject[];
  validationContext?: string;
}

declare module 'fastify' {
  interface FastifyReply {
    /** Set when the answer is a problem. */
    problem?: ProblemCode;
  }
}

@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Problem');

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    if (error instanceof AnsweredBefore) return void sendReceipt(reply, error.receipt);
    const request = http.getRequest<FastifyRequest>();
    const problem = problemOf(error, request);
    reply.problem = problem.code;
    if (problem.code === 'internal-error') {
      this.logger.error(error, { request: loggedRequest(request, problem.status) });
    }
    void reply
      .status(problem.status)
      .headers(problem.extras.headers ?? {})
      .header('content-type', 'application/problem+json; charset=utf-8')
      .send(JSON.stringify(problem.toDocument()));
  }
}

/** The problem behind anything that was thrown. */
export function problemOf(thrown: unknown, request: FastifyRequest): Problem {
  if (thrown instanceof Problem) return thrown;
  const error = thrown as ServerError;
  const retry = { headers: { 'retry-after': RETRY_AFTER_SECONDS } };
  if (error instanceof StoreUnavailable) return new Problem('store-unavailable', error.message, retry);
  if (error instanceof TooLarge) return new Problem('too-large', error.message);
  if (error instanceof WarehouseUnavailable)
    return new Problem('warehouse-unavailable', error.message, retry);
  if (error.validation !== undefined) return invalidFields(error.validation, error.validationContext);
  const status = error instanceof HttpException ? error.getStatus() : error.statusCode;
  if (status !== undefined && status >= 400 && status < 500) return refusedRequest(status, error, request);
  return new Problem(
    'internal-error',
    'The service has logged what happened. Try again; if it stays, see its log.',
  );
}

function invalidFields(errors: ErrorObject[], context: string | undefined): Problem {
  const fields = fieldErrors(errors);
  if (context === 'body') return invalidRequest(fields);
  return invalidRequest(fields.map(({ pointer, detail }) => ({ pointer: `?${pointer.slice(1)}`, detail })));
}

/** What the HTTP server or its parser blames on the request. */
function refusedRequest(status: number, { message }: Error, request: FastifyRequest): Problem {
  switch (status) {
    case 404:
      return new Problem(
        'not-found',
        `There is no ${request.method} ${request.url.split('?', 1)[0]}. See /docs.`,
      );
    case 413:
      return new Problem(
        'too-large',
        'The body is larger than 1 MiB. Send less, or events as application/x-ndjson.',
      );
    case 415:
      return new Problem(
        'unsupported-media-type',
        `"${request.headers['content-type'] ?? ''}" is not understood here. Send application/json; for events also application/cloudevents-batch+json or application/x-ndjson.`,
      );
    default:
      return new Problem('malformed-json', `${message}. Send a JSON document.`);
  }
}

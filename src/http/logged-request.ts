/**
 * What a log entry says of a request. The route stands for the path: paths hold subjects and ids, queries hold
 * inputs, and no log may.
 */
import type { FastifyRequest } from 'fastify';
import { traceparentOf } from './traceparent.js';

export interface LoggedRequest {
  /** W3C trace context, null when the request belongs to no trace. */
  traceparent: string | null;
  method: string;
  /** `/v1/predictors/:predictor/predictions` */
  route: string;
  status: number;
  /** Until the answer was sent; left out where it was not sent yet. */
  seconds?: number;
}

/** Passed as the last argument of a logger's method. */
export interface RequestLog {
  request: LoggedRequest;
}

export function loggedRequest(request: FastifyRequest, status: number): LoggedRequest {
  return {
    traceparent: traceparentOf(request),
    method: request.method,
    route: request.routeOptions.url ?? '(no route)',
    status,
  };
}

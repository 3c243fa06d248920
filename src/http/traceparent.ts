/** The caller's W3C trace context, kept with the events that follow from the request. */
import type { FastifyRequest } from 'fastify';

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The header as it is, or null when it is missing or malformed (which is no reason to refuse a request). */
export function traceparentOf(request: FastifyRequest): string | null {
  const header = request.headers.traceparent;
  return typeof header === 'string' && TRACEPARENT.test(header) ? header : null;
}

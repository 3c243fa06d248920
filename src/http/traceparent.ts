/** The trace that a request belongs to, kept with the events that follow from it and told in log entries. */
import type { FastifyRequest } from 'fastify';

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
/** `TRACE_ID/SPAN_ID;o=OPTIONS`, the span as a decimal number: what Google's front ends send. */
const CLOUD_TRACE = /^([0-9a-f]{32})(?:\/(\d{1,20}))?(?:;o=(\d))?$/i;
const NO_SPAN = '0'.repeat(16);

/**
 * `traceparent` as it is, otherwise X-Cloud-Trace-Context in the same form; null when both are missing or
 * malformed, which is no reason to refuse a request.
 */
export function traceparentOf(request: FastifyRequest): string | null {
  const { headers } = request;
  const header = headers.traceparent;
  if (typeof header === 'string' && TRACEPARENT.test(header)) return header;
  const cloud = headers['x-cloud-trace-context'];
  return typeof cloud === 'string' ? fromCloudTrace(cloud) : null;
}

function fromCloudTrace(header: string): string | null {
  const [, trace, span, options] = CLOUD_TRACE.exec(header) ?? [];
  if (trace === undefined) return null;
  const spanId = span === undefined ? NO_SPAN : BigInt(span).toString(16).padStart(16, '0');
  // A trace context without a span is none; the trace alone is worth nothing to whoever reads the event.
  if (spanId === NO_SPAN || spanId.length > 16) return null;
  return `00-${trace.toLowerCase()}-${spanId}-0${options === '1' ? 1 : 0}`;
}

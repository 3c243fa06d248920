/**
 * The spans of the service: request, call of the predictor, append, step of the projection, judging, rebuild.
 * Put around the ports; loaded only while traces are kept.
 *
 * A span says what was done, how long it took and how it ended. It never holds an input, a subject, an id or
 * the message of an error, which may quote them.
 */
import {
  type Attributes,
  context,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
} from '@opentelemetry/semantic-conventions';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { traceparentOf } from '../http/traceparent.js';
import type { rebuild } from '../projection/rebuild.js';
import { type Backend, BackendFailure } from '../serving/backend.js';
import type { EventStore } from '../store/event-store.js';
import type { CanaryHealth } from '../verdict/judge.js';
import type { Warehouse } from '../warehouse/warehouse.js';

const PREDICTOR = 'assay.predictor';
const VERSION = 'assay.version';
const EVENTS = 'assay.events';
const RESULT = 'assay.result';

declare module 'fastify' {
  interface FastifyRequest {
    /** The span of the request while traces are kept. */
    span?: Span;
  }
}

export class Spans {
  constructor(private readonly tracer: Tracer) {}

  /** Must be called before routes are added. */
  ofRequests(server: FastifyInstance): void {
    server.decorateRequest('span', undefined);
    server.addHook('onRequest', (request, _reply, done) => {
      this.begin(request);
      done();
    });
    // After the body was read: what follows is one chain of promises, which keeps the context.
    server.addHook('preValidation', (request, _reply, done) => {
      if (request.span === undefined) return done();
      context.with(trace.setSpan(context.active(), request.span), done);
    });
    server.addHook('onResponse', (request, reply, done) => {
      end(request, reply);
      done();
    });
    server.addHook('onRequestAbort', (request, done) => {
      request.span?.setAttribute(ATTR_ERROR_TYPE, 'aborted').end();
      done();
    });
  }

  private begin(request: FastifyRequest): void {
    const route = request.routeOptions.url ?? '(no route)';
    const attributes = { [ATTR_HTTP_REQUEST_METHOD]: request.method, [ATTR_HTTP_ROUTE]: route };
    const options: SpanOptions = { kind: SpanKind.SERVER, attributes };
    const parent = parentOf(traceparentOf(request));
    request.span = this.tracer.startSpan(`${request.method} ${route}`, options, parent);
    // From here on the request's trace context is that of its span: in its events and in its log entries.
    request.headers.traceparent = traceparentOfSpan(request.span);
  }

  ofBackend(backend: Backend, predictor: string, version: string): Backend {
    const attributes = { [PREDICTOR]: predictor, [VERSION]: version };
    return {
      predict: (input, limit) =>
        this.within('predict', { kind: SpanKind.CLIENT, attributes }, (span) =>
          backend.predict(input, limit, traceparentOfSpan(span)),
        ),
      close: () => backend.close(),
    };
  }

  ofAppends(store: EventStore): EventStore['append'] {
    return (stream, expectedRevision, events, receipt) => {
      const attributes: Attributes = {
        [EVENTS]: events.length,
        'assay.event_types': [...new Set(events.map(({ type }) => type))],
      };
      return this.within('append', { attributes }, async (span) => {
        const result = await store.append(stream, expectedRevision, events, receipt);
        span.setAttribute(RESULT, result.kind);
        return result;
      });
    };
  }

  ofWarehouse(warehouse: Warehouse): Pick<Warehouse, 'append' | 'deriveGeneration' | 'swapGeneration'> {
    return {
      append: (events, checkpoint) =>
        this.within(
          checkpoint === null ? 'fill in' : 'project',
          { attributes: { [EVENTS]: events.length } },
          () => warehouse.append(events, checkpoint),
        ),
      deriveGeneration: () => this.within('derive', {}, () => warehouse.deriveGeneration()),
      swapGeneration: () => this.within('swap', {}, () => warehouse.swapGeneration()),
    };
  }

  ofJudging(predictor: string, look: () => Promise<CanaryHealth>): Promise<CanaryHealth> {
    return this.within('judge', { attributes: { [PREDICTOR]: predictor } }, async (span) => {
      const health = await look();
      span.setAttribute(RESULT, health.verdict);
      return health;
    });
  }

  ofRebuild(work: typeof rebuild): typeof rebuild {
    return (options) =>
      this.within('rebuild', {}, async (span) => {
        const result = await work(options);
        span.setAttribute('assay.differences', result.differences.length);
        return result;
      });
  }

  private within<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T> {
    return this.tracer.startActiveSpan(name, options, async (span) => {
      try {
        return await work(span);
      } catch (error) {
        fail(span, error instanceof BackendFailure ? error.kind : nameOf(error));
        throw error;
      } finally {
        span.end();
      }
    });
  }
}

/** W3C trace context of whatever runs now, or null. */
export function activeTraceparent(): string | null {
  const span = trace.getActiveSpan();
  return span === undefined ? null : traceparentOfSpan(span);
}

function end({ span }: FastifyRequest, { statusCode, problem }: FastifyReply): void {
  // Not recorded, or ended when the caller went away.
  if (span?.isRecording() !== true) return;
  span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, statusCode);
  if (statusCode >= 500) fail(span, problem ?? String(statusCode));
  span.end();
}

function fail(span: Span, type: string): void {
  span.setAttribute(ATTR_ERROR_TYPE, type).setStatus({ code: SpanStatusCode.ERROR });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}

function parentOf(traceparent: string | null) {
  if (traceparent === null) return context.active();
  const [, traceId = '', spanId = '', flags = '0'] = traceparent.split('-');
  return trace.setSpanContext(context.active(), {
    traceId,
    spanId,
    traceFlags: parseInt(flags, 16),
    isRemote: true,
  });
}

function traceparentOfSpan(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

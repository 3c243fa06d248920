/**
 * Each request counted and timed by its route, failed and slow ones logged. One hook a route, made when the
 * route is: at the end of a request nothing has to be looked up.
 */
import type { LoggerService } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { Histogram } from 'prom-client';
import { loggedRequest } from '../http/logged-request.js';
import type { Instruments } from './instruments.js';

/** A request that takes longer is logged, milliseconds. */
const SLOW_MS = 1000;

type Observer = Histogram.Internal<'method' | 'route' | 'status'>;
type Hook = (request: FastifyRequest, reply: FastifyReply, done: () => void) => void;

/** Must be called before routes are added. */
export function observeRequests(
  server: FastifyInstance,
  { requests }: Instruments,
  logger: LoggerService,
): void {
  const hookOf = (route: string, method?: string): Hook => {
    const byStatus: Record<number, Observer> = {};
    return (request, reply, done) => {
      const status = reply.statusCode;
      const milliseconds = reply.elapsedTime;
      const observer = (byStatus[status] ??= requests.labels(
        method ?? knownMethod(request.method),
        route,
        String(status),
      ));
      observer.observe(milliseconds / 1000);
      if (status >= 500 || milliseconds > SLOW_MS) logRequest(logger, request, reply, milliseconds / 1000);
      done();
    };
  };
  server.addHook('onRoute', (options: RouteOptions) => {
    const hook = hookOf(options.url, Array.isArray(options.method) ? undefined : options.method);
    options.onResponse = [...[options.onResponse ?? []].flat(), hook];
  });
  const unrouted = hookOf('(no route)');
  server.addHook('onResponse', (request, reply, done) =>
    request.is404 ? unrouted(request, reply, done) : done(),
  );
}

/** Methods are free text: those nobody knows share one series. */
function knownMethod(method: string): string {
  return /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/.test(method) ? method : '(other)';
}

function logRequest(
  logger: LoggerService,
  request: FastifyRequest,
  reply: FastifyReply,
  seconds: number,
): void {
  // The filter has told of it with everything it knows.
  if (reply.problem === 'internal-error') return;
  const logged = { ...loggedRequest(request, reply.statusCode), seconds };
  const problem = reply.problem === undefined ? {} : { problem: reply.problem };
  const { method, route, status } = logged;
  const cause = reply.problem === undefined ? '' : ` (${reply.problem})`;
  logger.warn(
    `${method} ${route} ${status} in ${seconds.toFixed(3)} s${cause}`,
    { request: logged, ...problem },
    'Request',
  );
}

/**
 * Each request counted and timed by its route, failed and slow ones logged. One hook a route, made when the
 * route is: at the end of a request nothing has to be looked up.
 */
import type { LoggerService } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { loggedRequest } from '../http/logged-request.js';
import type { TimedSeries } from './held-series.js';
import type { Instruments } from './instruments.js';

/** A request that takes longer is logged. */
const SLOW_SECONDS = 1;

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

type Hook = (request: FastifyRequest, reply: FastifyReply, done: () => void) => void;

/** Must be called before routes are added. */
export function observeRequests(
  server: FastifyInstance,
  { requests }: Instruments,
  logger: LoggerService,
): void {
  const hookOf = (route: string): Hook => {
    const known: Record<string, Record<number, TimedSeries>> = {};
    return (request, reply, done) => {
      const method = knownMethod(request.method);
      const status = reply.statusCode;
      const seconds = reply.elapsedTime / 1000;
      const byStatus = (known[method] ??= {});
      const series = (byStatus[status] ??= requests.labels(method, route, String(status)));
      series.observe(seconds);
      if (status >= 500 || seconds > SLOW_SECONDS) logRequest(logger, request, reply, seconds);
      done();
    };
  };
  server.addHook('onRoute', (options: RouteOptions) => {
    options.onResponse = [...[options.onResponse ?? []].flat(), hookOf(options.url)];
  });
  const unrouted = hookOf('(no route)');
  server.addHook('onResponse', (request, reply, done) =>
    request.is404 ? unrouted(request, reply, done) : done(),
  );
}

/** Methods are free text: those nobody knows share one series. */
function knownMethod(method: string): string {
  return METHODS.has(method) ? method : '(other)';
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

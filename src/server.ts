/** One running service: the application behind its HTTP server, from a configuration. */
import type { LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Adapters, AppModule, openAdapters } from './app.module.js';
import type { Configuration } from './configuration.js';
import { idempotencyHook } from './http/idempotency.js';
import { ProblemFilter } from './http/problem.filter.js';
import { compileForRoute } from './http/validation.js';
import { Observability } from './observability/observability.js';
import { documentApi } from './openapi.js';

const BODY_LIMIT = 1024 * 1024;

export interface Service {
  /** Where it answers, `http://127.0.0.1:8080`. */
  url: string;
  readonly logger: LoggerService;
  /** Settles when everything acknowledged is kept and everything open is closed. */
  close(): Promise<void>;
}

/**
 * Opens store and warehouse, and listens.
 * @throws UnusableStore, UnusableWarehouse when a file cannot be used; nothing was changed then
 */
export async function startService(configuration: Configuration): Promise<Service> {
  const observability = await Observability.start(configuration);
  const adapters = await openAdapters(configuration);
  try {
    const app = await createApplication(configuration, around(adapters, observability), observability);
    await app.listen(configuration.port, configuration.host);
    const close = (): Promise<void> => app.close().then(() => observability.close());
    return { url: urlOf(await app.getUrl()), logger: observability.logger, close };
  } catch (error) {
    await adapters.store.close();
    await adapters.warehouse.close();
    throw error;
  }
}

function around({ store, warehouse }: Adapters, observability: Observability): Adapters {
  return { store: observability.aroundStore(store), warehouse: observability.aroundWarehouse(warehouse) };
}

async function createApplication(
  configuration: Configuration,
  adapters: Adapters,
  observability: Observability,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1024 },
  });
  const server = adapter.getInstance();
  observability.aroundServer(server);
  server.setValidatorCompiler((route) => compileForRoute(route) as never);
  server.addHook('preHandler', idempotencyHook(adapters.store));
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(configuration, adapters, observability),
    adapter,
    { logger: observability.logger, bodyParser: false },
  );
  acceptEvents(app);
  app.useGlobalFilters(new ProblemFilter());
  documentApi(app);
  return app;
}

type BodyParser = (
  request: unknown,
  body: string,
  done: (error: Error | null, value?: unknown) => void,
) => void;

/** The media types of events beside application/json. */
function acceptEvents(app: NestFastifyApplication): void {
  const server = app.getHttpAdapter().getInstance();
  const parse = server.getDefaultJsonParser('error', 'error') as BodyParser;
  // Clients that name a media type on every request send it with an empty body too.
  const parseOrNone: BodyParser = (request, body, done) =>
    body === '' ? done(null) : parse(request, body, done);
  for (const type of [
    'application/json',
    'application/cloudevents-batch+json',
    'application/cloudevents+json',
  ]) {
    server.addContentTypeParser(type, { parseAs: 'string', bodyLimit: BODY_LIMIT }, parseOrNone as never);
  }
  // NDJSON is read as it comes, so that its length does not matter.
  server.addContentTypeParser(
    'application/x-ndjson',
    (_request: unknown, payload: unknown, done: (e: null, b: unknown) => void) => done(null, payload),
  );
}

function urlOf(url: string): string {
  return url.replace('[::1]', 'localhost');
}

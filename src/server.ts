/** One running service: the application behind its HTTP server, from a configuration. */
// Before NestJS, whose decorators ask for it.
import 'reflect-metadata';
import type { LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { openKeyRing } from './access/first-key.js';
import type { KeyRing } from './access/key-ring.js';
import { type DeclaredRoute, protect } from './access/protection.js';
import { type Adapters, openAdapters } from './app.adapters.js';
import { AppModule } from './app.module.js';
import type { Configuration } from './configuration.js';
import { idempotencyHook } from './http/idempotency.js';
import { ProblemFilter } from './http/problem.filter.js';
import { compileForRoute } from './http/validation.js';
import { Observability } from './observability/observability.js';
import { documentApi, isApiPage } from './openapi.js';

const BODY_LIMIT = 1024 * 1024;

export interface Service {
  /** Where it answers, `http://127.0.0.1:8080`. */
  url: string;
  /** Every route, with what it asks of its caller. */
  routes: readonly DeclaredRoute[];
  readonly logger: LoggerService;
  /** Settles when everything acknowledged is kept and everything open is closed. */
  close(): Promise<void>;
}

/**
 * Opens store and warehouse, and listens.
 * @param ownKey told the key that this service asks for besides those in the store; for a service that one
 *   command starts for itself
 * @throws UnusableStore, UnusableWarehouse when a file cannot be used; nothing was changed then
 * @throws KeysMissing when others than this machine could reach it, and no key was ever made
 */
export async function startService(
  configuration: Configuration,
  ownKey?: (key: string) => void,
): Promise<Service> {
  const observability = await Observability.start(configuration);
  const adapters = await openAdapters(configuration);
  try {
    const ring = await openKeyRing(configuration, adapters.store);
    ownKey?.(ring.ownKey());
    const { app, routes } = await createApplication(
      configuration,
      around(adapters, observability),
      ring,
      observability,
    );
    await app.listen(configuration.port, configuration.host);
    const close = (): Promise<void> => app.close().then(() => observability.close());
    return { url: urlOf(await app.getUrl()), routes, logger: observability.logger, close };
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
  ring: KeyRing,
  observability: Observability,
): Promise<{ app: NestFastifyApplication; routes: readonly DeclaredRoute[] }> {
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1024 },
  });
  const server = adapter.getInstance();
  observability.aroundServer(server);
  server.setValidatorCompiler((route) => compileForRoute(route) as never);
  const { store } = adapters;
  const routes = await protect(server, { configuration, ring, store, isPage: isApiPage });
  server.addHook('preHandler', idempotencyHook(store));
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(configuration, adapters, ring, observability),
    adapter,
    { logger: observability.logger, bodyParser: false },
  );
  acceptEvents(app);
  app.useGlobalFilters(new ProblemFilter());
  documentApi(app);
  return { app, routes };
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
  // Browsers send it to other sites without asking them first.
  server.removeContentTypeParser('text/plain');
  // NDJSON is read as it comes, so that its length does not matter.
  server.addContentTypeParser(
    'application/x-ndjson',
    (_request: unknown, payload: unknown, done: (e: null, b: unknown) => void) => done(null, payload),
  );
}

function urlOf(url: string): string {
  return url.replace('[::1]', 'localhost');
}

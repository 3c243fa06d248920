/** Everything that watches the service, and how it is put around what it watches. */
import type { ConsoleLogger } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { createRequire } from 'node:module';
import type { Configuration } from '../configuration.js';
import { Problem } from '../problem.js';
import { rebuild } from '../projection/rebuild.js';
import type { Backend } from '../serving/backend.js';
import type { EventStore } from '../store/event-store.js';
import type { Warehouse } from '../warehouse/warehouse.js';
import { observedBackend } from './backend.observed.js';
import { observedStore } from './event-store.observed.js';
import { createInstruments } from './instruments.js';
import type { AroundJudging } from './judge.observed.js';
import { type Deployment, loggerFor } from './logger.js';
import { Metrics } from './metrics.js';
import { observeRequests } from './requests.js';
import type { Spans } from './spans.js';
import type { RunningTelemetry } from './telemetry.js';
import { observedWarehouse } from './warehouse.observed.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

export class Observability {
  private constructor(
    readonly metrics: Metrics,
    readonly logger: ConsoleLogger,
    private readonly telemetry: RunningTelemetry | null,
  ) {}

  static async start(
    configuration: Configuration,
    environment: NodeJS.ProcessEnv = process.env,
  ): Promise<Observability> {
    const metrics = new Metrics(createInstruments(version));
    const { traces, metrics: sent } = configuration.telemetry;
    const deployment = deploymentOf(environment);
    if (traces === 'off' && sent === 'off') {
      return new Observability(metrics, loggerFor(configuration, { deployment }), null);
    }
    const { activeTraceparent } = await import('./spans.js');
    const logger = loggerFor(configuration, { deployment, activeTrace: activeTraceparent });
    const { startTelemetry } = await import('./telemetry.js');
    const warn = (message: string): void => logger.warn(message, 'Telemetry');
    return new Observability(metrics, logger, await startTelemetry(configuration, metrics, version, warn));
  }

  private get spans(): Spans | null {
    return this.telemetry?.spans ?? null;
  }

  /** Must be called before routes are added. */
  aroundServer(server: FastifyInstance): void {
    this.spans?.ofRequests(server);
    observeRequests(server, this.metrics.instruments, this.logger);
  }

  aroundStore(store: EventStore): EventStore {
    const { metrics, spans } = this;
    const observed = observedStore(store, metrics.instruments, (events) => metrics.appended(events));
    return spans === null ? observed : { ...observed, append: spans.ofAppends(observed) };
  }

  aroundWarehouse(warehouse: Warehouse): Warehouse {
    const observed = observedWarehouse(warehouse, this.metrics.instruments);
    return this.spans === null ? observed : { ...observed, ...this.spans.ofWarehouse(observed) };
  }

  readonly aroundBackend = (backend: Backend, predictor: string, ofVersion: string): Backend => {
    const observed = observedBackend(backend, predictor, ofVersion, this.metrics.instruments);
    return this.spans?.ofBackend(observed, predictor, ofVersion) ?? observed;
  };

  readonly aroundJudging: AroundJudging = async (predictor, look) => {
    const { judgings } = this.metrics.instruments;
    const startedAt = performance.now();
    const seconds = (): number => (performance.now() - startedAt) / 1000;
    try {
      const health = await (this.spans?.ofJudging(predictor, look) ?? look());
      judgings.observe({ result: 'done' }, seconds());
      this.metrics.judged(predictor, health);
      return health;
    } catch (error) {
      // That no canary runs is an answer.
      if (!(error instanceof Problem)) judgings.observe({ result: 'failed' }, seconds());
      throw error;
    }
  };

  rebuild(): typeof rebuild {
    const observed = this.metrics.observedRebuild(rebuild);
    return this.spans?.ofRebuild(observed) ?? observed;
  }

  /** Sends what is left to send. */
  async close(): Promise<void> {
    await this.telemetry?.close();
  }
}

/** As App Engine and Cloud Run tell it. */
export function deploymentOf(environment: NodeJS.ProcessEnv): Deployment {
  return {
    service: environment.GAE_SERVICE ?? environment.K_SERVICE ?? 'assay',
    version: environment.GAE_VERSION ?? environment.K_REVISION ?? version,
    project: environment.GOOGLE_CLOUD_PROJECT ?? null,
  };
}

/** Composition root: everything is built here, in the order of its needs, over the adapters that were opened. */
import {
  type DynamicModule,
  Inject,
  Logger,
  Module,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { hostname } from 'node:os';
import { v7 as uuidv7 } from 'uuid';
import { CqrsModule, EventBus, EventsHandler, type IEvent, type IEventHandler } from '@nestjs/cqrs';
import { AccessKeys } from './access/access-keys.js';
import { KeyRing } from './access/key-ring.js';
import { KeysController } from './access/keys.controller.js';
import type { Adapters } from './app.adapters.js';
import { CONFIGURATION, type Configuration } from './configuration.js';
import { CloudEventReader } from './intake/cloud-event.reader.js';
import { StopChallengerHandler } from './intake/challenger.command.js';
import { CorrectHandler, RetractHandler } from './intake/correct.command.js';
import { DeployHandler, EndCanaryHandler, SplitTrafficHandler } from './intake/deploy.command.js';
import { DeploymentsController } from './intake/deployments.controller.js';
import { EventsController } from './intake/events.controller.js';
import { PredictHandler } from './intake/predict.command.js';
import { PredictionsController } from './intake/predictions.controller.js';
import { RecordHandler } from './intake/record.command.js';
import { SteerCanaryHandler } from './intake/steer-canary.command.js';
import { ShadowCalls } from './intake/shadow-calls.js';
import { Subjects } from './intake/subjects.js';
import { subjectSecret } from './intake/subject-secret.js';
import { CronController } from './projection/cron.controller.js';
import { TALLY } from './intake/tally.js';
import { ObservedJudge } from './observability/judge.observed.js';
import { Metrics } from './observability/metrics.js';
import { MetricsController } from './observability/metrics.controller.js';
import type { Observability } from './observability/observability.js';
import { Projector } from './projection/projector.js';
import { ProjectionLease } from './projection/projection-lease.js';
import { Rebuilds } from './projection/rebuilds.js';
import { StatusController } from './projection/status.controller.js';
import { QualityController } from './quality/quality.controller.js';
import { addressOf, GoogleApi } from './google-api.js';
import { Backends } from './serving/backends.js';
import { ShadowSlots } from './serving/shadow-slots.js';
import { AppEngineTraffic } from './serving/traffic.appengine.js';
import { TrafficKeeper } from './serving/traffic-keeper.js';
import { announcing } from './store/event-store.announcing.js';
import { EVENT_STORE, type EventStore } from './store/event-store.js';
import { PredictorCatalog } from './store/predictor-catalog.js';
import { CanaryController } from './verdict/canary.controller.js';
import { Challengers } from './verdict/challengers.js';
import { ChallengersController } from './verdict/challengers.controller.js';
import { Judge } from './verdict/judge.js';
import { Webhooks } from './webhooks/webhooks.js';
import { WebhooksController } from './webhooks/webhooks.controller.js';
import { announcingWarehouse } from './warehouse/warehouse.announcing.js';
import { WAREHOUSE, type Warehouse } from './warehouse/warehouse.js';

/** A nudge that events were appended; it may be lost. */
export class EventsAppended implements IEvent {}

@EventsHandler(EventsAppended)
class WakeProjector implements IEventHandler<EventsAppended> {
  constructor(private readonly projector: Projector) {}

  handle(): void {
    this.projector.nudge();
  }
}

/** How long the end waits for what challengers answer, milliseconds. */
const SHADOW_GRACE_MS = 2_000;

@Module({})
export class AppModule implements OnModuleInit, OnModuleDestroy, OnApplicationShutdown {
  constructor(
    private readonly projector: Projector,
    private readonly lease: ProjectionLease,
    private readonly rebuilds: Rebuilds,
    private readonly judge: Judge,
    private readonly backends: Backends,
    private readonly shadows: ShadowSlots,
    private readonly catalog: PredictorCatalog,
    private readonly metrics: Metrics,
    private readonly traffic: TrafficKeeper,
    private readonly webhooks: Webhooks,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(WAREHOUSE) private readonly warehouse: Warehouse,
  ) {}

  async onModuleInit(): Promise<void> {
    const { store, catalog } = this;
    const progress = () => this.lease.told();
    void this.metrics.watch({ store, catalog, progress, webhooks: () => this.webhooks.statuses() });
    this.projector.start();
    this.judge.start();
    this.traffic.start();
    await this.webhooks.start();
  }

  /** Before open requests are waited for: one of them may wait for a lease that nobody gives. */
  onModuleDestroy(): void {
    this.lease.refuse();
  }

  async onApplicationShutdown(): Promise<void> {
    this.metrics.unwatch();
    await this.traffic.stop();
    await this.judge.stop();
    await this.webhooks.stop();
    await this.rebuilds.settled();
    await this.projector.stop();
    await this.shadows.drain(SHADOW_GRACE_MS);
    await this.backends.close();
    await this.store.close();
    await this.warehouse.close();
  }

  static with(
    configuration: Configuration,
    { store, warehouse }: Adapters,
    ring: KeyRing,
    observability: Observability,
  ): DynamicModule {
    const { metrics } = observability;
    return {
      module: AppModule,
      imports: [CqrsModule.forRoot()],
      controllers: [
        PredictionsController,
        DeploymentsController,
        EventsController,
        QualityController,
        CanaryController,
        ChallengersController,
        StatusController,
        KeysController,
        WebhooksController,
        // Elsewhere anybody could send the header by which App Engine's cron names itself.
        ...(configuration.appEngine ? [CronController] : []),
        MetricsController,
      ],
      providers: [
        { provide: CONFIGURATION, useValue: configuration },
        { provide: Metrics, useValue: metrics },
        { provide: TALLY, useValue: metrics },
        {
          provide: EVENT_STORE,
          inject: [EventBus],
          useFactory: (bus: EventBus) => announcing(store, () => void bus.publish(new EventsAppended())),
        },
        { provide: KeyRing, useValue: ring },
        {
          provide: AccessKeys,
          inject: [EVENT_STORE],
          useFactory: (log: EventStore) => new AccessKeys(log),
        },
        { provide: Subjects, useFactory: () => new Subjects(subjectSecret(configuration)) },
        { provide: Backends, useFactory: () => new Backends(observability.aroundBackend) },
        {
          provide: PredictorCatalog,
          inject: [EVENT_STORE, Webhooks],
          useFactory: (log: EventStore, webhooks: Webhooks) =>
            new PredictorCatalog(log, () => webhooks.nudge()),
        },
        webhooksOf(configuration, store, metrics),
        ...derived(store, warehouse, observability),
        {
          provide: TrafficKeeper,
          inject: [PredictorCatalog],
          useFactory: (catalog: PredictorCatalog) => trafficKeeper(configuration, catalog),
        },
        CloudEventReader,
        ShadowSlots,
        ShadowCalls,
        PredictHandler,
        CorrectHandler,
        RetractHandler,
        DeployHandler,
        SplitTrafficHandler,
        EndCanaryHandler,
        SteerCanaryHandler,
        StopChallengerHandler,
        RecordHandler,
        WakeProjector,
      ],
    };
  }
}

function webhooksOf({ webhooks }: Configuration, store: EventStore, metrics: Metrics): Provider {
  const logger = new Logger('Assay');
  return {
    provide: Webhooks,
    useFactory: () =>
      new Webhooks(webhooks, store, nameOfProcess(), {
        attempted: (name, result) => metrics.webhookAttempted(name, result),
        onProblem: (message) => logger.warn(message),
      }),
  };
}

/** That no other process has. */
function nameOfProcess(): string {
  return `${hostname()} ${process.pid} ${uuidv7()}`;
}

/** What follows the log, in one of the processes that share it. */
function derived(store: EventStore, warehouse: Warehouse, observability: Observability): Provider[] {
  const logger = new Logger('Assay');
  return [
    {
      provide: ProjectionLease,
      useFactory: () => new ProjectionLease(store, nameOfProcess()),
    },
    {
      // One for all who write: what of them excludes each other is told by the warehouse they hold.
      provide: WAREHOUSE,
      inject: [Judge],
      useFactory: (judge: Judge) => announcingWarehouse(warehouse, judge),
    },
    {
      provide: Projector,
      inject: [ProjectionLease, WAREHOUSE],
      useFactory: (lease: ProjectionLease, announced: Warehouse) =>
        new Projector(store, announced, lease, (error) => logger.error('the projection stopped', error)),
    },
    {
      provide: Rebuilds,
      inject: [ProjectionLease, WAREHOUSE],
      useFactory: (lease: ProjectionLease, announced: Warehouse) =>
        new Rebuilds(store, announced, lease, observability.rebuild()),
    },
    {
      provide: Challengers,
      inject: [PredictorCatalog, ShadowSlots, ProjectionLease],
      useFactory: (catalog: PredictorCatalog, slots: ShadowSlots, lease: ProjectionLease) =>
        new Challengers(catalog, warehouse, slots, () => ({
          ...lease.told(),
          isOurs: lease.isHeld(),
          epoch: lease.epoch,
        })),
    },
    {
      provide: Judge,
      inject: [PredictorCatalog, ProjectionLease],
      useFactory: (catalog: PredictorCatalog, lease: ProjectionLease) =>
        new ObservedJudge(
          observability.aroundJudging,
          catalog,
          warehouse,
          () => ({ ...lease.told(), isOurs: lease.isHeld(), epoch: lease.epoch }),
          (error) => logger.error('judging failed', error),
        ),
    },
  ];
}

function trafficKeeper({ traffic, project }: Configuration, catalog: PredictorCatalog): TrafficKeeper {
  const logger = new Logger('Assay');
  const api = new GoogleApi(addressOf('appengine', process.env));
  const control = traffic === null ? null : new AppEngineTraffic(api, traffic.shardBy);
  return new TrafficKeeper(
    control,
    () => catalog.all(),
    project,
    (predictor, message) => logger.error(`the traffic of ${predictor} is not split as it should: ${message}`),
  );
}

/** Composition root: the only file that names the adapters. Everything is built here, in the order of its needs. */
import {
  type DynamicModule,
  Inject,
  Logger,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { CqrsModule, EventBus, EventsHandler, type IEvent, type IEventHandler } from '@nestjs/cqrs';
import { CONFIGURATION, type Configuration } from './configuration.js';
import { CloudEventReader } from './intake/cloud-event.reader.js';
import { CorrectHandler, RetractHandler } from './intake/correct.command.js';
import { DeployHandler, EndCanaryHandler, SplitTrafficHandler } from './intake/deploy.command.js';
import { DeploymentsController } from './intake/deployments.controller.js';
import { EventsController } from './intake/events.controller.js';
import { PredictHandler } from './intake/predict.command.js';
import { PredictionsController } from './intake/predictions.controller.js';
import { RecordHandler } from './intake/record.command.js';
import { Subjects } from './intake/subjects.js';
import { subjectSecret } from './intake/subject-secret.js';
import { CronController } from './projection/cron.controller.js';
import { PROJECTION } from './projection/views.js';
import { Projector } from './projection/projector.js';
import { Rebuilds } from './projection/rebuilds.js';
import { StatusController } from './projection/status.controller.js';
import { QualityController } from './quality/quality.controller.js';
import { addressOf, GoogleApi } from './google-api.js';
import { Backends } from './serving/backends.js';
import { AppEngineTraffic } from './serving/traffic.appengine.js';
import { TrafficKeeper } from './serving/traffic-keeper.js';
import { announcing } from './store/event-store.announcing.js';
import { EVENT_STORE, type EventStore } from './store/event-store.js';
import { SqliteEventStore } from './store/event-store.sqlite.js';
import { PredictorCatalog } from './store/predictor-catalog.js';
import { CanaryController } from './verdict/canary.controller.js';
import { Judge } from './verdict/judge.js';
import { DuckDbWarehouse } from './warehouse/warehouse.duckdb.js';
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

/** What is opened before the application, and closed after it. */
export interface Adapters {
  store: EventStore;
  warehouse: Warehouse;
}

/**
 * Opens both files.
 * @throws UnusableStore, UnusableWarehouse, StoreUnavailable, WarehouseUnavailable
 */
export async function openAdapters(configuration: Configuration): Promise<Adapters> {
  const store = await SqliteEventStore.open(configuration.store.path);
  try {
    return { store, warehouse: await DuckDbWarehouse.open(configuration.warehouse.path, PROJECTION) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

@Module({})
export class AppModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly projector: Projector,
    private readonly rebuilds: Rebuilds,
    private readonly judge: Judge,
    private readonly backends: Backends,
    private readonly traffic: TrafficKeeper,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(WAREHOUSE) private readonly warehouse: Warehouse,
  ) {}

  onModuleInit(): void {
    this.projector.start();
    this.judge.start();
    this.traffic.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.traffic.stop();
    await this.judge.stop();
    await this.rebuilds.settled();
    await this.projector.stop();
    await this.backends.close();
    await this.store.close();
    await this.warehouse.close();
  }

  static with(configuration: Configuration, { store, warehouse }: Adapters): DynamicModule {
    const logger = new Logger('Assay');
    return {
      module: AppModule,
      imports: [CqrsModule.forRoot()],
      controllers: [
        PredictionsController,
        DeploymentsController,
        EventsController,
        QualityController,
        CanaryController,
        StatusController,
        CronController,
      ],
      providers: [
        { provide: CONFIGURATION, useValue: configuration },
        {
          provide: EVENT_STORE,
          inject: [EventBus],
          useFactory: (bus: EventBus) => announcing(store, () => void bus.publish(new EventsAppended())),
        },
        { provide: WAREHOUSE, useValue: warehouse },
        { provide: Subjects, useFactory: () => new Subjects(subjectSecret(configuration)) },
        { provide: Backends, useFactory: () => new Backends() },
        {
          provide: PredictorCatalog,
          inject: [EVENT_STORE],
          useFactory: (log: EventStore) => new PredictorCatalog(log),
        },
        {
          provide: Projector,
          useFactory: () =>
            new Projector(store, warehouse, (error) => logger.error(error, 'the projection stopped')),
        },
        {
          provide: Rebuilds,
          useFactory: () => new Rebuilds(store, warehouse),
        },
        {
          provide: Judge,
          inject: [PredictorCatalog, Projector],
          useFactory: (catalog: PredictorCatalog, projector: Projector) =>
            new Judge(
              catalog,
              warehouse,
              () => projector.progress(),
              (error) => logger.error(error, 'judging failed'),
            ),
        },
        {
          provide: TrafficKeeper,
          inject: [PredictorCatalog],
          useFactory: (catalog: PredictorCatalog) => trafficKeeper(configuration, catalog, logger),
        },
        CloudEventReader,
        PredictHandler,
        CorrectHandler,
        RetractHandler,
        DeployHandler,
        SplitTrafficHandler,
        EndCanaryHandler,
        RecordHandler,
        WakeProjector,
      ],
    };
  }
}

function trafficKeeper(
  { traffic, project }: Configuration,
  catalog: PredictorCatalog,
  logger: Logger,
): TrafficKeeper {
  const api = new GoogleApi(addressOf('appengine', process.env));
  const control = traffic === null ? null : new AppEngineTraffic(api, traffic.shardBy);
  return new TrafficKeeper(
    control,
    () => catalog.all(),
    project,
    (predictor, message) => logger.error(`the traffic of ${predictor} is not split as it should: ${message}`),
  );
}

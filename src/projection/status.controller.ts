/** Where the projection stands, rebuilds, verification, health. */
import { Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createRequire } from 'node:module';
import { Public, Scope } from '../access/scope.js';
import { receiptFor } from '../http/idempotency.js';
import { Route } from '../http/route.js';
import { EVENT_STORE, type EventStore } from '../store/event-store.js';
import { PredictorCatalog } from '../store/predictor-catalog.js';
import { WAREHOUSE, type Warehouse } from '../warehouse/warehouse.js';
import { lagOf } from './lag.js';
import { ProjectionLease } from './projection-lease.js';
import { verify } from './rebuild.js';
import { Rebuilds, type RebuildState } from './rebuilds.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** A projection that stands still for longer is not ready to be asked, milliseconds. */
const READY_LAG_MS = 60_000;

@ApiTags('operation')
@Controller()
export class StatusController {
  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(WAREHOUSE) private readonly warehouse: Warehouse,
    private readonly lease: ProjectionLease,
    private readonly rebuilds: Rebuilds,
    private readonly catalog: PredictorCatalog,
  ) {}

  @Get('v1/status')
  @Scope('read', 'all')
  @ApiOperation({ summary: 'Events, lag of the projection, the last rebuild' })
  async status(): Promise<object> {
    const told = this.lease.told();
    const { head, events, seconds } = await lagOf(this.store, told);
    return {
      events: head.events,
      position: head.position,
      lag: { events, seconds },
      projectionError: told.error,
      projector: this.lease.holderName(),
      lastRebuild: told.lastRebuild,
      store: this.store.location,
      warehouse: this.warehouse.location,
      version,
    };
  }

  @Post('v1/rebuilds')
  @Scope('admin', 'all')
  @HttpCode(202)
  @ApiOperation({ summary: 'Derive the warehouse anew; GET the rebuild by its id to follow it' })
  @Route({
    query: {
      fromStore: {
        type: 'boolean',
        default: false,
        description: 'read every event from the store again instead of trusting the copy',
      },
    },
  })
  async startRebuild(
    @Query('fromStore') fromStore: boolean,
    @Req() { idempotency }: FastifyRequest,
  ): Promise<RebuildState> {
    const state = { ...this.rebuilds.start(fromStore) };
    const receipt = receiptFor(idempotency, 202, state);
    if (receipt !== undefined) await this.store.keepReceipt(receipt);
    return state;
  }

  @Get('v1/rebuilds/:id')
  @Scope('admin', 'all')
  @ApiOperation({ summary: 'How far a rebuild is' })
  readRebuild(@Param('id') id: string): Promise<RebuildState> {
    return this.rebuilds.get(id);
  }

  @Post('v1/verifications')
  @Scope('admin', 'all')
  @HttpCode(200)
  @ApiOperation({ summary: 'Compare the store with the warehouse, counts and checksums' })
  verify(): Promise<object> {
    return this.lease.during(() => verify(this.store, this.warehouse));
  }

  @Get('healthz')
  @Public()
  @ApiOperation({ summary: 'The process answers' })
  alive(): object {
    return { status: 'ok' };
  }

  /** App Engine asks before it sends requests: the connection to the store is made, the predictors are read. */
  @Get('_ah/warmup')
  @Public()
  @ApiExcludeEndpoint()
  async warmUp(): Promise<object> {
    await this.catalog.all();
    return { status: 'ok' };
  }

  @Get('readyz')
  @Public()
  @ApiOperation({ summary: 'Store and projection work; 503 with the reason otherwise' })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    const { asOf, error } = this.lease.told();
    const reasons: string[] = [];
    const store = await this.store.head().catch((failure: Error) => failure);
    if (store instanceof Error) reasons.push(`event store: ${store.message}`);
    if (error !== null) reasons.push(`projection: ${error}`);
    if (asOf !== null && Date.now() - asOf > READY_LAG_MS) {
      reasons.push(`projection: ${Math.round((Date.now() - asOf) / 1000)} seconds behind`);
    }
    if (reasons.length > 0) reply.status(503);
    return reasons.length === 0 ? { status: 'ok' } : { status: 'not ready', reasons };
  }
}

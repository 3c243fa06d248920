/**
 * What cron asks for. App Engine lets an instance work for certain only while it answers a request, so these answers
 * leave when the work is done: an instance that was woken projects before it goes back to sleep.
 */
import { Controller, Get } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Cron } from '../access/scope.js';
import { TrafficKeeper } from '../serving/traffic-keeper.js';
import { Webhooks } from '../webhooks/webhooks.js';
import { ProjectionLease } from './projection-lease.js';
import { Projector } from './projector.js';
import { Rebuilds, type RebuildState } from './rebuilds.js';

/** Shorter than the minute between two calls, milliseconds. */
const CATCH_UP_LIMIT_MS = 45_000;
const LOOK_AGAIN_MS = 100;

@ApiExcludeController()
@Controller('internal/cron')
export class CronController {
  constructor(
    private readonly projector: Projector,
    private readonly lease: ProjectionLease,
    private readonly rebuilds: Rebuilds,
    private readonly traffic: TrafficKeeper,
    private readonly webhooks: Webhooks,
  ) {}

  /**
   * Wakes the projector, and answers when what was acknowledged until now is in the warehouse, and what is due to
   * webhooks was sent.
   */
  @Get('project')
  @Cron()
  async project(): Promise<object> {
    const startedAt = Date.now();
    this.projector.nudge();
    await Promise.all([this.traffic.look(), this.caughtUp(startedAt), this.webhooks.look(CATCH_UP_LIMIT_MS)]);
    const { asOf, error } = this.lease.told();
    return { caughtUp: (asOf ?? 0) >= startedAt, error };
  }

  /** Derives the warehouse anew, and answers when that is done. */
  @Get('rebuild')
  @Cron()
  async rebuild(): Promise<RebuildState> {
    const { id } = this.rebuilds.start(false);
    await this.rebuilds.settled();
    return this.rebuilds.get(id);
  }

  private async caughtUp(startedAt: number): Promise<void> {
    while ((this.lease.told().asOf ?? 0) < startedAt && Date.now() - startedAt < CATCH_UP_LIMIT_MS) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
}

/** What App Engine's cron asks for, on App Engine only: an instance works only while it answers a request. */
import { Controller, Get } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Cron } from '../access/scope.js';
import { ProjectionLease } from './projection-lease.js';
import { Projector } from './projector.js';
import { Rebuilds, type RebuildState } from './rebuilds.js';

/** Shorter than the pause between two calls, milliseconds. */
const CATCH_UP_LIMIT_MS = 45_000;
const LOOK_AGAIN_MS = 100;

@ApiExcludeController()
@Controller('internal/cron')
export class CronController {
  constructor(
    private readonly projector: Projector,
    private readonly lease: ProjectionLease,
    private readonly rebuilds: Rebuilds,
  ) {}

  /** Wakes the projector, and answers when what was acknowledged until now is in the warehouse. */
  @Get('projection')
  @Cron()
  async project(): Promise<object> {
    const startedAt = Date.now();
    this.projector.nudge();
    while ((this.lease.told().asOf ?? 0) < startedAt) {
      if (Date.now() - startedAt > CATCH_UP_LIMIT_MS) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    const { asOf, error } = this.lease.told();
    return { caughtUp: (asOf ?? 0) >= startedAt, error };
  }

  /** Derives the warehouse anew, and answers when it is done. */
  @Get('rebuild')
  @Cron()
  async rebuild(): Promise<RebuildState> {
    const { id } = this.rebuilds.start(false);
    await this.rebuilds.settled();
    return this.rebuilds.get(id);
  }
}

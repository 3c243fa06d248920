/** How far each webhook is. */
import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Scope } from '../access/scope.js';
import type { WebhookStatus } from './delivery.js';
import { Webhooks } from './webhooks.js';

@ApiTags('operation')
@Controller('v1/webhooks')
export class WebhooksController {
  constructor(private readonly webhooks: Webhooks) {}

  @Get()
  @Scope('read', 'all')
  @ApiOperation({ summary: 'What each webhook was sent last, what waits, and why' })
  list(): object {
    return { webhooks: this.webhooks.statuses().map(documentOf) };
  }
}

function documentOf({ lastDelivered, waitingSince, nextAttemptAt, ...status }: WebhookStatus): object {
  return {
    ...status,
    lastDelivered: lastDelivered && { ...lastDelivered, at: timeOf(lastDelivered.at) },
    waitingSince: timeOf(waitingSince),
    nextAttemptAt: timeOf(nextAttemptAt),
  };
}

function timeOf(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}

/** Events in (back-fill, recorded elsewhere) and out (export, tail). */
import { Body, Controller, Get, HttpCode, Inject, Post, Query, Req } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBody, ApiConsumes, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import { type Caller, limitsOf, requirePredictor } from '../access/caller.js';
import { Scope } from '../access/scope.js';
import { ACCESS_STREAM } from '../event/access.js';
import { toCloudEvent, type CloudEvent } from '../event/envelope.js';
import { isWebhookStream } from '../event/webhook.js';
import { invalidRequest, Problem } from '../problem.js';
import { EVENT_STORE, type EventStore, InvalidPosition } from '../store/event-store.js';
import { type RecordAnswer, RecordCommand } from './record.command.js';
import { receiptFor } from '../http/idempotency.js';
import { linesOf } from './lines.js';
import { Route } from '../http/route.js';

/** Most events in one JSON batch; NDJSON has no limit. */
const BATCH_LIMIT = 1000;
/** Events of a stream that are recorded at a time. */
const STREAM_BATCH = 500;
/** Rejected events that are listed; the rest is counted. */
const REJECTED_LISTED = 1000;

interface EventsAnswer extends RecordAnswer {
  /** Present when more were rejected than are listed. */
  rejectedTotal?: number;
}

interface EventsPage {
  events: CloudEvent[];
  /** Cursor for `after`; null at the end of the log. */
  next: string | null;
}

@ApiTags('events')
@Controller('v1/events')
export class EventsController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(EVENT_STORE) private readonly store: EventStore,
  ) {}

  @Post()
  @Scope(['predict', 'correct', 'deploy'], 'own')
  @HttpCode(200)
  @ApiOperation({ summary: 'Record what happened elsewhere, or back-fill the past' })
  @ApiConsumes('application/cloudevents-batch+json', 'application/x-ndjson')
  @ApiBody({ schema: { type: 'array', items: { $ref: '#/components/schemas/CloudEventRequest' } } })
  async record(@Body() body: unknown, @Req() request: FastifyRequest): Promise<EventsAnswer> {
    if (isStream(body)) return this.recordStream(body, request.caller);
    if (!Array.isArray(body)) {
      throw invalidRequest([{ pointer: '', detail: 'must be an array of CloudEvents' }]);
    }
    if (body.length > BATCH_LIMIT) {
      throw new Problem(
        'too-large',
        `A batch holds up to ${BATCH_LIMIT} events, this one has ${body.length}. Send several, or a stream as application/x-ndjson.`,
      );
    }
    const answer = await this.commands.execute(new RecordCommand(body, request.caller));
    const receipt = receiptFor(request.idempotency, 200, answer);
    if (receipt !== undefined) await this.store.keepReceipt(receipt);
    return answer;
  }

  private async recordStream(body: Readable, caller: Caller): Promise<EventsAnswer> {
    const total: EventsAnswer = { accepted: 0, duplicates: 0, rejected: [] };
    let rejected = 0;
    let offset = 0;
    for await (const lines of linesOf(body, STREAM_BATCH)) {
      const answer = await this.commands.execute(new RecordCommand(lines, caller, offset));
      offset += lines.length;
      total.accepted += answer.accepted;
      total.duplicates += answer.duplicates;
      rejected += answer.rejected.length;
      total.rejected.push(...answer.rejected.slice(0, REJECTED_LISTED - total.rejected.length));
    }
    return rejected > REJECTED_LISTED ? { ...total, rejectedTotal: rejected } : total;
  }

  @Get()
  @Scope('read', 'own')
  @ApiOperation({ summary: 'The event stream as CloudEvents, oldest first' })
  @Route({
    query: {
      after: { type: 'string', description: 'cursor: an earlier answer’s next, or the position of an event' },
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
      predictor: { type: 'string' },
    },
  })
  async read(
    @Query('after') after: string | undefined,
    @Query('limit') limit: number,
    @Query('predictor') predictor: string | undefined,
    @Req() { caller }: FastifyRequest,
  ): Promise<EventsPage> {
    requireOwnEvents(caller, predictor);
    try {
      const page = await this.store.readAll(after ?? null, limit, predictor);
      // Keys and webhooks are this service's own business; the cursor moves past them.
      const shown = page.events.filter(({ stream }) => stream !== ACCESS_STREAM && !isWebhookStream(stream));
      return { events: shown.map(toCloudEvent), next: page.atEnd ? null : page.next };
    } catch (error) {
      if (!(error instanceof InvalidPosition)) throw error;
      throw invalidRequest([{ pointer: '?after', detail: 'is not a cursor that this service gave out' }]);
    }
  }
}

/** @throws Problem other-predictor when a limited key asks for more than its predictors */
function requireOwnEvents(caller: Caller, predictor: string | undefined): void {
  if (predictor !== undefined) return requirePredictor(caller, predictor);
  if (caller.predictors === null) return;
  throw new Problem(
    'other-predictor',
    `This key is limited to ${limitsOf(caller)}: name the predictor, as in /v1/events?predictor=${[...caller.predictors][0]}.`,
  );
}

function isStream(body: unknown): body is Readable {
  return typeof (body as { pipe?: unknown } | null)?.pipe === 'function';
}

/**
 * Every metric of the service, once: `GET /metrics` shows them, and OTLP exports the same ones
 * (prometheus-bridge.ts). Seconds and plain counts; labels take few values (docs/observability.md lists them).
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { HeldCounter, HeldHistogram } from './held-series.js';

/** From a constant backend to a predictor's time-out. */
const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** A step copies up to thousands of events. */
const STEP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export type Instruments = ReturnType<typeof createInstruments>;

export function createInstruments(version: string) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const make = new Make(registry);
  make
    .gauge('assay_build_info', 'Always 1; its label says which version runs.', 'version')
    .set({ version }, 1);
  return {
    registry,
    ...ofServing(make),
    ...ofStore(make),
    ...ofProjection(make),
    ...ofCanaries(make),
    ...ofWebhooks(make),
  };
}

class Make {
  constructor(private readonly registry: Registry) {}

  /** For what happens in every request. */
  heldCounter(name: string, help: string, ...labelNames: string[]): HeldCounter {
    return new HeldCounter(name, help, labelNames, this.registry);
  }

  /** For what happens in every request. */
  heldHistogram(name: string, help: string, bounds: number[], ...labelNames: string[]): HeldHistogram {
    return new HeldHistogram(name, help, bounds, labelNames, this.registry);
  }

  counter<L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  gauge<L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  histogram<L extends string>(
    name: string,
    help: string,
    buckets: number[],
    ...labelNames: L[]
  ): Histogram<L> {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.registry] });
  }
}

function ofServing(make: Make) {
  return {
    requests: make.heldHistogram(
      'assay_http_request_duration_seconds',
      'Requests by route, from their headers to the end of the answer.',
      LATENCY_BUCKETS,
      'method',
      'route',
      'status',
    ),
    backendCalls: make.heldHistogram(
      'assay_backend_duration_seconds',
      'Calls of predictors, by result: ok, timeout, unreachable, rejected, invalid or error.',
      LATENCY_BUCKETS,
      'predictor',
      'version',
      'result',
    ),
    predictions: make.heldCounter(
      'assay_predictions_total',
      'Predictions answered here: recorded, failed (no answer of the predictor) or unrecorded.',
      'predictor',
      'version',
      'outcome',
    ),
    shadows: make.heldCounter(
      'assay_shadow_calls_total',
      'Calls of challengers: recorded, failed (recorded as such), skipped (too many under way) or lost (not recorded).',
      'predictor',
      'version',
      'outcome',
    ),
    corrections: make.heldCounter(
      'assay_corrections_total',
      'Corrections taken here, by what they make of the prediction: right, ranked or missed.',
      'predictor',
      'version',
      'outcome',
    ),
  };
}

function ofStore(make: Make) {
  return {
    appends: make.heldHistogram(
      'assay_append_duration_seconds',
      'Appends to the event store until they were durable, by result; failed: nothing was written.',
      LATENCY_BUCKETS,
      'result',
    ),
    appendedEvents: make.heldCounter('assay_appended_events_total', 'Events appended here, by type.', 'type'),
    storeUp: make.gauge('assay_store_up', '1 while the event store answers.'),
    events: make.gauge('assay_events', 'Events in the log.'),
    skew: make.gauge(
      'assay_store_skew_seconds',
      'Largest time an event became visible after the time it carries; 0 where the log is not ordered by a clock.',
    ),
  };
}

function ofProjection(make: Make) {
  return {
    projectionUp: make.gauge('assay_projection_up', '1 while the last step of the projection succeeded.'),
    lagEvents: make.gauge(
      'assay_projection_lag_events',
      'Events of the log that the warehouse has yet to take.',
    ),
    lagSeconds: make.gauge(
      'assay_projection_lag_seconds',
      'How old the state of the warehouse is while it lags; 0 when it has everything.',
    ),
    projectedEvents: make.counter('assay_projected_events_total', 'Events taken into the warehouse here.'),
    projectionSteps: make.histogram(
      'assay_projection_step_duration_seconds',
      'Steps in which events were taken into the warehouse, by result.',
      STEP_BUCKETS,
      'result',
    ),
    rebuilds: make.counter(
      'assay_rebuilds_total',
      'Rebuilds of the warehouse here: done or failed.',
      'result',
    ),
    rebuildSeconds: make.gauge('assay_rebuild_duration_seconds', 'How long the last rebuild took.'),
    rebuildDifferences: make.gauge(
      'assay_rebuild_differences',
      'Hours and days that the last rebuild had to put right.',
    ),
    rebuiltAt: make.gauge('assay_rebuild_timestamp_seconds', 'When the last rebuild was done, Unix time.'),
  };
}

function ofCanaries(make: Make) {
  return {
    verdict: make.gauge(
      'assay_canary_verdict',
      '1 for the verdict that stands on the running canary, 0 for the others.',
      'predictor',
      'verdict',
    ),
    verdictChanges: make.counter(
      'assay_canary_verdict_changes_total',
      'Changes of the verdict seen here, by the new one.',
      'predictor',
      'verdict',
    ),
    judgedAt: make.gauge(
      'assay_canary_judged_timestamp_seconds',
      'When the running, undecided canary was last judged here, Unix time.',
      'predictor',
    ),
    evidenceAge: make.gauge(
      'assay_canary_evidence_age_seconds',
      'How old the events were on which the running, undecided canary was last judged here.',
      'predictor',
    ),
    judgings: make.histogram(
      'assay_judge_duration_seconds',
      'How long a look at a canary took, by result.',
      STEP_BUCKETS,
      'result',
    ),
  };
}

function ofWebhooks(make: Make) {
  return {
    webhookAttempts: make.counter(
      'assay_webhook_attempts_total',
      'Attempts here to send an event: delivered or failed; given_up: the event is not tried again.',
      'webhook',
      'result',
    ),
    webhookWaiting: make.gauge('assay_webhook_waiting', 'Events that a webhook has yet to take.', 'webhook'),
    webhookWaitingSeconds: make.gauge(
      'assay_webhook_waiting_seconds',
      'How old the oldest event is that a webhook has yet to take; 0 when there is none.',
      'webhook',
    ),
  };
}

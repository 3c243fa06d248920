/**
 * OpenTelemetry: traces and metrics by OTLP/HTTP. Loaded only where they are sent somewhere. The SDK reads its
 * own variables (OTEL_EXPORTER_OTLP_*, OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_*).
 */
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { setTimeout } from 'node:timers/promises';
import type { Configuration, TelemetryTarget } from '../configuration.js';
import { GOOGLE_ENDPOINT, GoogleCloud } from './google-cloud.js';
import type { Metrics } from './metrics.js';
import { PrometheusBridge } from './prometheus-bridge.js';
import { Spans } from './spans.js';

/** As the specification has it, milliseconds. */
const EXPORT_INTERVAL_MS = 60_000;
/** What is left is sent within so long at the end, milliseconds. */
const CLOSE_LIMIT_MS = 2000;
/** The same trouble is told once in so long, milliseconds. */
const SILENCE_MS = 60_000;

export interface RunningTelemetry {
  /** Null where only metrics are sent. */
  spans: Spans | null;
  /** Sends what is left. */
  close(): Promise<void>;
}

export async function startTelemetry(
  { telemetry }: Configuration,
  metrics: Metrics,
  version: string,
  warn: (message: string) => void,
): Promise<RunningTelemetry> {
  const tell = seldom(warn);
  const logger = { error: tell, warn: tell, info: () => {}, debug: () => {}, verbose: () => {} };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const google = new GoogleCloud(process.env, tell);
  const isGoogle = telemetry.traces === 'google' || telemetry.metrics === 'google';
  const resource = await resourceOf(version, isGoogle ? google : null);
  const traces = telemetry.traces === 'off' ? null : startTraces(resource, telemetry.traces, google);
  const meters =
    telemetry.metrics === 'off' ? null : startMetrics(resource, telemetry.metrics, google, metrics, version);
  return {
    spans: traces && new Spans(traces.getTracer('assay', version)),
    close: async () => {
      const sent = Promise.allSettled([traces?.shutdown(), meters?.shutdown()]);
      // An endpoint that is away must not keep the service from ending.
      await Promise.race([sent, setTimeout(CLOSE_LIMIT_MS, undefined, { ref: false })]);
    },
  };
}

/** What the operator says (OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME) outweighs what is found out. */
async function resourceOf(version: string, google: GoogleCloud | null): Promise<Resource> {
  const found = google === null ? {} : await google.resource();
  const told = detectResources({ detectors: [envDetector] });
  await told.waitForAsyncAttributes?.();
  return resourceFromAttributes({ 'service.name': 'assay', 'service.version': version })
    .merge(detectResources({ detectors: [serviceInstanceIdDetector] }))
    .merge(resourceFromAttributes(found))
    .merge(told);
}

function startTraces(resource: Resource, target: TelemetryTarget, google: GoogleCloud): NodeTracerProvider {
  const exporter = new OTLPTraceExporter(destination(target, 'traces', google));
  const provider = new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(exporter)] });
  provider.register();
  return provider;
}

function startMetrics(
  resource: Resource,
  target: TelemetryTarget,
  google: GoogleCloud,
  metrics: Metrics,
  version: string,
): MeterProvider {
  const bridge = new PrometheusBridge(metrics.instruments.registry, () => metrics.refresh(), version);
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(destination(target, 'metrics', google)),
    exportIntervalMillis: Number(process.env.OTEL_METRIC_EXPORT_INTERVAL) || EXPORT_INTERVAL_MS,
    metricProducers: [bridge],
  });
  return new MeterProvider({ resource, readers: [reader] });
}

/** Without settings the exporter takes those of the environment. */
function destination(target: TelemetryTarget, signal: 'traces' | 'metrics', google: GoogleCloud) {
  return target === 'google'
    ? { url: `${GOOGLE_ENDPOINT}/v1/${signal}`, headers: () => google.headers() }
    : {};
}

function seldom(tell: (message: string) => void): (message: string) => void {
  let quietUntil = 0;
  return (message) => {
    if (Date.now() < quietUntil) return;
    quietUntil = Date.now() + SILENCE_MS;
    tell(plain(message));
  };
}

/** The SDK passes errors as JSON, with their stack. */
function plain(message: string): string {
  try {
    return (JSON.parse(message) as { message?: string }).message ?? message;
  } catch {
    return message;
  }
}

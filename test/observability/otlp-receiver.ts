/** An OTLP/HTTP receiver: takes what exporters post as JSON, and keeps it for questions. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Attributes = Record<string, unknown>;

export interface ReceivedSpan {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  attributes: Attributes;
  /** 2: error. */
  status: number;
  seconds: number;
}

export interface ReceivedMetric {
  name: string;
  unit: string;
  /** One of sum, gauge and histogram, as it came. */
  points: { attributes: Attributes; value: number; buckets?: { bounds: number[]; counts: number[] } }[];
  kind: 'sum' | 'gauge' | 'histogram';
}

export interface OtlpReceiver {
  url: string;
  spans: ReceivedSpan[];
  /** As last sent, by name. */
  metrics: Map<string, ReceivedMetric>;
  resource: Attributes;
  /** Every body as it came. */
  bodies: string[];
  close(): Promise<void>;
}

interface KeyValue {
  key: string;
  value: Record<string, unknown>;
}

/* eslint-disable @typescript-eslint/no-explicit-any -- read as it comes off the wire */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const receiver = {
    spans: [] as ReceivedSpan[],
    metrics: new Map<string, ReceivedMetric>(),
    resource: {} as Attributes,
    bodies: [] as string[],
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      receiver.bodies.push(text);
      const body = JSON.parse(text);
      for (const { resource, scopeSpans } of body.resourceSpans ?? []) {
        receiver.resource = attributesOf(resource.attributes);
        for (const { spans } of scopeSpans) receiver.spans.push(...spans.map(spanOf));
      }
      for (const { scopeMetrics } of body.resourceMetrics ?? []) {
        for (const { metrics } of scopeMetrics) {
          for (const metric of metrics) receiver.metrics.set(metric.name, metricOf(metric));
        }
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return Object.assign(receiver, {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  });
}

function attributesOf(attributes: KeyValue[] = []): Attributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf(value: any): unknown {
  if (value.arrayValue !== undefined) return value.arrayValue.values.map(valueOf);
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.doubleValue ?? value.boolValue;
}

function spanOf(span: any): ReceivedSpan {
  return {
    name: span.name,
    kind: span.kind,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? '',
    attributes: attributesOf(span.attributes),
    status: span.status?.code ?? 0,
    seconds: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e9,
  };
}

function metricOf(metric: any): ReceivedMetric {
  const kind = (['sum', 'gauge', 'histogram'] as const).find((each) => metric[each] !== undefined);
  if (kind === undefined) throw new Error(`${metric.name} is of no known kind`);
  const points = metric[kind].dataPoints.map((point: any) => ({
    attributes: attributesOf(point.attributes),
    value: kind === 'histogram' ? Number(point.count) : Number(point.asDouble ?? point.asInt),
    ...(kind === 'histogram'
      ? { buckets: { bounds: point.explicitBounds, counts: point.bucketCounts.map(Number) } }
      : {}),
  }));
  return { name: metric.name, unit: metric.unit, kind, points };
}

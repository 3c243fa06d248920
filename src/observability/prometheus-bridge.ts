/** The metrics of /metrics as OpenTelemetry's exporters take them: same names, same labels, cumulative. */
import { ValueType } from '@opentelemetry/api';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import type { Registry } from 'prom-client';

type Value = DataPoint<number>['value'];
type Labels = Record<string, string | number>;
type Time = DataPoint<number>['startTime'];

/** One metric as prom-client lists it. */
interface Listed {
  name: string;
  help: string;
  type: unknown;
  values: { labels: Labels; value: Value; metricName?: string }[];
}

export class PrometheusBridge implements MetricProducer {
  private readonly startTime = toTime(Date.now());

  /** @param refresh brings the registry up to date */
  constructor(
    private readonly registry: Registry,
    private readonly refresh: () => Promise<void>,
    private readonly version: string,
  ) {}

  async collect(): Promise<CollectionResult> {
    await this.refresh();
    const listed = (await this.registry.getMetricsAsJSON()) as unknown as Listed[];
    const endTime = toTime(Date.now());
    const metrics = listed.map((metric) => this.convert(metric, endTime)).filter((data) => data !== null);
    const scopeMetrics = [{ scope: { name: 'assay', version: this.version }, metrics }];
    // The reader puts its own resource in the place of this one.
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] };
  }

  private convert(metric: Listed, endTime: Time): MetricData | null {
    const base = {
      descriptor: {
        name: metric.name,
        description: metric.help,
        unit: unitOf(metric.name),
        valueType: ValueType.DOUBLE,
      },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
    };
    const point = <T>(labels: Labels, value: T): DataPoint<T> => ({
      startTime: this.startTime,
      endTime,
      attributes: labels,
      value,
    });
    const points = (): DataPoint<number>[] => metric.values.map(({ labels, value }) => point(labels, value));
    switch (metric.type) {
      case 'counter':
        return { ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: points() };
      case 'gauge':
        return { ...base, dataPointType: DataPointType.GAUGE, dataPoints: points() };
      case 'histogram': {
        const dataPoints = histogramsOf(metric).map(({ labels, value }) => point(labels, value));
        return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints };
      }
      default:
        return null;
    }
  }
}

/** Prometheus lists a histogram as one cumulative count a bucket; OpenTelemetry wants each bucket's own. */
function histogramsOf({ name, values }: Listed): { labels: Labels; value: Histogram }[] {
  const series = new Map<string, { labels: Labels; upTo: [number, number][]; sum: number; count: number }>();
  for (const { labels: all, value, metricName } of values) {
    const { le, ...labels } = all;
    const key = JSON.stringify(labels);
    const known = series.get(key) ?? { labels, upTo: [], sum: 0, count: 0 };
    series.set(key, known);
    if (metricName === `${name}_sum`) known.sum = value;
    else if (metricName === `${name}_count`) known.count = value;
    else if (le !== '+Inf') known.upTo.push([Number(le), value]);
  }
  return [...series.values()].map(({ labels, upTo, sum, count }) => ({
    labels,
    value: {
      buckets: {
        boundaries: upTo.map(([bound]) => bound),
        counts: [...upTo.map(([, n]) => n), count].map((n, i) => n - (upTo[i - 1]?.[1] ?? 0)),
      },
      sum,
      count,
    },
  }));
}

function unitOf(name: string): string {
  if (/_seconds(_total)?$/.test(name)) return 's';
  return /_bytes(_total)?$/.test(name) ? 'By' : '';
}

function toTime(milliseconds: number): Time {
  return [Math.floor(milliseconds / 1000), (milliseconds % 1000) * 1_000_000];
}

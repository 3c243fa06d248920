/**
 * Counters and histograms for the hot path. prom-client looks a series up by its labels at each observation,
 * even through `labels()`; here whoever observes holds the series, and an observation is an addition. They stand
 * in prom-client's registry beside its own.
 */
import type { Metric, Registry } from 'prom-client';

type Labels = Record<string, string | number>;

interface Value {
  labels: Labels;
  value: number;
  metricName: string;
}

abstract class HeldMetric<Series> {
  abstract readonly type: 'counter' | 'histogram';
  readonly aggregator = 'sum';
  private readonly held = new Map<string, { labels: Labels; series: Series }>();

  constructor(
    readonly name: string,
    readonly help: string,
    private readonly labelNames: readonly string[],
    registry: Registry,
  ) {
    // The registry asks for a name and for get(); its type asks for the classes of prom-client.
    registry.registerMetric(this as unknown as Metric);
  }

  protected abstract open(): Series;
  protected abstract valuesOf(labels: Labels, series: Series): Value[];

  /** The series of some labels, in the order of their names. To be asked once, and kept. */
  labels(...values: string[]): Series {
    const key = values.join('\0');
    const known = this.held.get(key);
    if (known !== undefined) return known.series;
    const labels = Object.fromEntries(this.labelNames.map((name, i) => [name, values[i] ?? '']));
    const series = this.open();
    this.held.set(key, { labels, series });
    return series;
  }

  async get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    return {
      name,
      help,
      type,
      aggregator,
      values: [...this.held.values()].flatMap(({ labels, series }) => this.valuesOf(labels, series)),
    };
  }
}

export class CountedSeries {
  count = 0;

  inc(): void {
    this.count++;
  }
}

export class HeldCounter extends HeldMetric<CountedSeries> {
  readonly type = 'counter';

  protected open(): CountedSeries {
    return new CountedSeries();
  }

  protected valuesOf(labels: Labels, { count }: CountedSeries): Value[] {
    return [{ labels, value: count, metricName: this.name }];
  }
}

export class TimedSeries {
  /** Observations up to each bound and above the one before it; the last ones are above all bounds. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(private readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(seconds: number): void {
    const { bounds, counts } = this;
    let i = 0;
    while (i < bounds.length && seconds > (bounds[i] as number)) i++;
    counts[i] = (counts[i] as number) + 1;
    this.sum += seconds;
  }
}

export class HeldHistogram extends HeldMetric<TimedSeries> {
  readonly type = 'histogram';

  constructor(
    name: string,
    help: string,
    /** Rising, seconds. */
    private readonly bounds: readonly number[],
    labelNames: readonly string[],
    registry: Registry,
  ) {
    super(name, help, labelNames, registry);
  }

  protected open(): TimedSeries {
    return new TimedSeries(this.bounds);
  }

  protected valuesOf(labels: Labels, { counts, sum }: TimedSeries): Value[] {
    let upTo = 0;
    const buckets = [...this.bounds, '+Inf'].map((le, i) => {
      upTo += counts[i] as number;
      return { labels: { le, ...labels }, value: upTo, metricName: `${this.name}_bucket` };
    });
    return [
      ...buckets,
      { labels, value: sum, metricName: `${this.name}_sum` },
      { labels, value: upTo, metricName: `${this.name}_count` },
    ];
  }
}

/** How good each version is, over time and in all. */
import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Scope } from '../access/scope.js';
import { Route } from '../http/route.js';
import { invalidRequest } from '../problem.js';
import { PredictorCatalog, unknownPredictor } from '../store/predictor-catalog.js';
import { WAREHOUSE, type Warehouse } from '../warehouse/warehouse.js';
import { wilson } from './intervals.js';
import { type QualityCounts, readSeries, readTotals } from './questions.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Range when none is asked for, by interval, milliseconds. */
const DEFAULT_RANGE_MS = { hour: 2 * DAY_MS, day: 30 * DAY_MS };
/** Most points of one version: more is no chart. */
const POINTS_LIMIT = 2000;

const time = { type: 'string', format: 'date-time' };

interface QualityQuery {
  from?: string;
  to?: string;
  interval: 'hour' | 'day';
  version?: string;
}

@ApiTags('quality')
@Controller('v1/predictors/:predictor/quality')
export class QualityController {
  constructor(
    private readonly catalog: PredictorCatalog,
    @Inject(WAREHOUSE) private readonly warehouse: Warehouse,
  ) {}

  @Get()
  @Scope('read', 'predictor')
  @ApiOperation({ summary: 'Per version: how much was predicted and labelled, and how much of it was right' })
  @Route({
    query: {
      from: { ...time, description: 'prediction time, inclusive; default: 30 days (hour: 2 days) before to' },
      to: { ...time, description: 'exclusive; default: now' },
      interval: { type: 'string', enum: ['hour', 'day'], default: 'day' },
      version: { type: 'string' },
    },
  })
  async series(@Param('predictor') predictor: string, @Query() query: QualityQuery): Promise<object> {
    const { interval, version } = query;
    const { from, to } = rangeOf(query);
    const request = { predictor, from, to, ...(version === undefined ? {} : { version }) };
    const [points, totals] = await Promise.all([
      readSeries(this.warehouse, { ...request, interval }),
      readTotals(this.warehouse, request),
    ]);
    // A predictor may be known only by what was recorded of it elsewhere.
    if (totals.length === 0 && (await this.catalog.find(predictor)) === null)
      await this.unlessRecorded(predictor);
    return {
      predictor,
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      interval,
      series: totals.map((total) => ({
        version: total.version,
        total: measures(total),
        points: points
          .filter((point) => point.version === total.version)
          .map((point) => ({ start: new Date(point.start).toISOString(), ...measures(point) })),
      })),
    };
  }

  private async unlessRecorded(predictor: string): Promise<void> {
    const ever = await readTotals(this.warehouse, { predictor, from: 0, to: Date.now() + DAY_MS });
    if (ever.length === 0) throw unknownPredictor(predictor);
  }
}

function rangeOf({ from, to, interval }: QualityQuery): { from: number; to: number } {
  const end = to === undefined ? Date.now() : Date.parse(to);
  const start = from === undefined ? end - DEFAULT_RANGE_MS[interval] : Date.parse(from);
  if (start >= end) throw invalidRequest([{ pointer: '?from', detail: 'must lie before to' }]);
  const points = (end - start) / (interval === 'hour' ? HOUR_MS : DAY_MS);
  if (points > POINTS_LIMIT) {
    const detail = `gives more than ${POINTS_LIMIT} points of an ${interval === 'hour' ? 'hour: ask for days, or for' : 'day: ask for'} less`;
    throw invalidRequest([{ pointer: '?from', detail }]);
  }
  return { from: start, to: end };
}

/** Every share beside the number of labels behind it. */
function measures(counts: QualityCounts): object {
  const { predictions, labelled, correct, top3, top5, reciprocalRanks, errors } = counts;
  const interval = wilson(correct, labelled);
  const share = (part: number): number | null => (labelled === 0 ? null : part / labelled);
  return {
    predictions,
    labelled,
    coverage: predictions === 0 ? null : labelled / predictions,
    accuracy: share(correct),
    accuracyInterval: interval === null ? null : [interval.low, interval.high],
    accuracyAt3: share(top3),
    accuracyAt5: share(top5),
    meanReciprocalRank: share(reciprocalRanks),
    errors,
    latencyMs: { p50: counts.latencyP50, p95: counts.latencyP95 },
  };
}

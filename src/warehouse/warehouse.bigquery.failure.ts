/** What BigQuery says when it cannot: what may pass by itself, and what to tell people. Pure. */
import type { BigQueryPlace } from './warehouse.bigquery.place.js';
import { TimedOut } from './warehouse.bigquery.retry.js';
import { UnusableWarehouse, WarehouseUnavailable } from './warehouse.js';

interface ApiFailure {
  code?: number | string;
  message?: string;
  errors?: { reason?: string; message?: string }[];
}

/** Reasons under which a request was refused that may be granted later; BigQuery sends some of them as 403. */
const PASSING_REASONS = new Set([
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'quotaExceeded',
  'jobRateLimitExceeded',
  'tableUnavailable',
  'backendError',
  'internalError',
  'jobBackendError',
  'jobInternalError',
]);
const PASSING_STATUS = new Set([408, 429, 500, 502, 503, 504]);
/** CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE of gRPC. */
const PASSING_GRPC = new Set([1, 2, 4, 8, 10, 13, 14]);
const GRPC_LAST = 16;
const NETWORK =
  /ECONNREFUSED|ECONNRESET|ETIMEDOUT|ESOCKETTIMEDOUT|EPIPE|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|socket hang up|network timeout|Premature close/;

const NO_PROJECT = /Not found: Project\b|has not been used in project|has not enabled BigQuery/i;

const failureOf = (error: unknown): ApiFailure => error ?? {};

function reasonsOf(error: unknown): string[] {
  return (failureOf(error).errors ?? []).map(({ reason }) => reason ?? '');
}

/** The same again may succeed. */
export function mayPass(error: unknown): boolean {
  if (error instanceof TimedOut) return true;
  const { code, message = '' } = failureOf(error);
  if (reasonsOf(error).some((reason) => PASSING_REASONS.has(reason))) return true;
  if (typeof code === 'number') return code <= GRPC_LAST ? PASSING_GRPC.has(code) : PASSING_STATUS.has(code);
  return NETWORK.test(`${code} ${message}`);
}

/** A job of this id is there already. */
export function isThereAlready(error: unknown): boolean {
  return failureOf(error).code === 409;
}

/** The dataset, the table or the project is not there. */
export function isMissing(error: unknown): boolean {
  const { code } = failureOf(error);
  return code === 404 || code === 5 || reasonsOf(error).includes('notFound');
}

function isDenied(error: unknown): boolean {
  const { code } = failureOf(error);
  return code === 401 || code === 403 || code === 7 || code === 16;
}

/** The failure in words that say what to do, as an error of the port. */
export function explained(error: unknown, place: BigQueryPlace): Error {
  if (error instanceof WarehouseUnavailable || error instanceof UnusableWarehouse) return error;
  const said = (failureOf(error).message ?? String(error)).split('\n', 1)[0] ?? '';
  const { project, dataset, location } = place;
  if (mayPass(error)) return new WarehouseUnavailable(`BigQuery cannot answer now (${said})`);
  if (/Could not load the default credentials|invalid_grant|invalid_rapt/.test(said)) {
    return new WarehouseUnavailable(
      `There is no Google account to ask BigQuery with (${said}). On Google Cloud the service runs as its ` +
        'service account; elsewhere run `gcloud auth application-default login`',
    );
  }
  if (reasonsOf(error).includes('bytesBilledLimitExceeded') || /bytes billed/i.test(said)) {
    return new WarehouseUnavailable(
      `BigQuery would read more than is allowed for this statement (${said}). Ask for less time, or raise ` +
        'ASSAY_BIGQUERY_MAX_GIB',
    );
  }
  if (NO_PROJECT.test(said)) {
    return new WarehouseUnavailable(
      `There is no Google Cloud project "${project}", or BigQuery is not enabled in it (${said}). Put the right ` +
        'one in ASSAY_WAREHOUSE, or run ' +
        `\`gcloud services enable bigquery.googleapis.com --project ${project}\``,
    );
  }
  if (isMissing(error)) {
    return new WarehouseUnavailable(
      `The dataset ${project}.${dataset} or a table of it is missing (${said}). It is created if the account may; ` +
        `otherwise run \`bq mk --location=${location} --dataset ${project}:${dataset}\``,
    );
  }
  if (isDenied(error)) return denied(said, place);
  return new Error(said);
}

function denied(said: string, { project, dataset, location }: BigQueryPlace): WarehouseUnavailable {
  return new WarehouseUnavailable(
    `BigQuery refuses this account (${said}). Give it roles/bigquery.jobUser on the project ${project} and ` +
      `roles/bigquery.dataEditor on the dataset ${dataset}; if the dataset is not there, run ` +
      `\`bq mk --location=${location} --dataset ${project}:${dataset}\``,
  );
}

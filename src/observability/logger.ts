/**
 * The log: lines for people on one machine, and entries for Cloud Logging and Error Reporting in the cloud.
 * Levels, contexts and the writing itself are Nest's ConsoleLogger; only the shape of an entry is ours.
 *
 * An entry is one line of JSON: https://cloud.google.com/logging/docs/structured-logging#special-payload-fields,
 * an error in it: https://cloud.google.com/error-reporting/docs/formatting-error-messages.
 */
import { ConsoleLogger, type LogLevel as NestLogLevel } from '@nestjs/common';
import type { Configuration, LogLevel } from '../configuration.js';
import type { LoggedRequest } from '../http/logged-request.js';

const NEST_LEVELS: Record<LogLevel, NestLogLevel[]> = {
  error: ['fatal', 'error'],
  warn: ['fatal', 'error', 'warn'],
  info: ['fatal', 'error', 'warn', 'log'],
  debug: ['fatal', 'error', 'warn', 'log', 'debug'],
};

const SEVERITY: Record<NestLogLevel, string> = {
  verbose: 'DEBUG',
  debug: 'DEBUG',
  log: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'CRITICAL',
};

const ERROR_EVENT = 'type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent';

const FRAMEWORK = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** Nest tells of every route and module that it maps; that is for debugging. */
class TextLogger extends ConsoleLogger {
  override log(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    if (typeof context === 'string' && FRAMEWORK.has(context))
      return this.debug(message, ...(rest as [string]));
    super.log(message, ...(rest as [string]));
  }

  protected override stringifyParams(params: Record<string, unknown>): string {
    const { traceparent } = (params as { request?: LoggedRequest }).request ?? {};
    return typeof traceparent === 'string' ? `(trace ${traceparent.slice(3, 35)})` : '';
  }
}

type Entry = Record<string, unknown>;

/** What Nest's logger knows of an entry. */
interface EntryOptions {
  context: string;
  logLevel: NestLogLevel;
  errorStack?: unknown;
  params?: Record<string, unknown>;
  error?: Error;
}

/** Where the service runs, as its log entries name it. */
export interface Deployment {
  service: string;
  version: string;
  /** Google Cloud project, null elsewhere. */
  project: string | null;
}

class EntryLogger extends TextLogger {
  constructor(
    options: ConstructorParameters<typeof ConsoleLogger>[1] & object,
    private readonly deployment: Deployment,
    private readonly activeTrace: () => string | null,
  ) {
    super(options);
  }

  protected override getJsonLogObject(message: unknown, options: EntryOptions): never {
    const { context, error, errorStack, logLevel, params } = options;
    const { request, ...labels } = (params ?? {}) as { request?: LoggedRequest };
    const stack = error?.stack ?? (typeof errorStack === 'string' ? errorStack : undefined);
    const entry: Entry = {
      severity: SEVERITY[logLevel],
      time: new Date().toISOString(),
      message: textOf(message, error),
      ...this.traceFields(request?.traceparent ?? this.activeTrace()),
      ...(request === undefined ? {} : { httpRequest: httpRequestOf(request) }),
      'logging.googleapis.com/labels': labelsOf(labels, context),
      ...(stack === undefined ? {} : this.errorFields(stack, request)),
    };
    // Nest types what its own logger writes; ours is written by the same code.
    return entry as never;
  }

  private traceFields(traceparent: string | null): Entry {
    if (traceparent === null) return {};
    const [, trace = '', spanId, flags = '0'] = traceparent.split('-');
    const { project } = this.deployment;
    return {
      'logging.googleapis.com/trace': project === null ? trace : `projects/${project}/traces/${trace}`,
      'logging.googleapis.com/spanId': spanId,
      'logging.googleapis.com/trace_sampled': (parseInt(flags, 16) & 1) === 1,
    };
  }

  private errorFields(stack: string, request: LoggedRequest | undefined): Entry {
    const { service, version } = this.deployment;
    return {
      '@type': ERROR_EVENT,
      stack_trace: stack,
      serviceContext: { service, version },
      ...(request === undefined ? {} : { context: { httpRequest: errorRequestOf(request) } }),
    };
  }
}

/** `what we did: what happened`, or what happened alone. */
function textOf(message: unknown, error: Error | undefined): string {
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  return error === undefined || error.message === text ? text : `${text}: ${error.message}`;
}

function labelsOf(params: Record<string, unknown>, context: string): Record<string, string> {
  const named = Object.entries(params).map(([name, value]) => [name, String(value)] as const);
  return Object.fromEntries([...(context === '' ? [] : [['context', context] as const]), ...named]);
}

function httpRequestOf({ method, route, status, seconds }: LoggedRequest): Entry {
  return {
    requestMethod: method,
    requestUrl: route,
    status,
    ...(seconds === undefined ? {} : { latency: `${seconds.toFixed(6)}s` }),
  };
}

function errorRequestOf({ method, route, status }: LoggedRequest): Entry {
  return { method, url: route, responseStatusCode: status };
}

export interface LoggerOptions {
  deployment: Deployment;
  /** Trace context of whatever runs now, where tracing knows it. */
  activeTrace?: () => string | null;
}

export function loggerFor(
  { logFormat, logLevel }: Pick<Configuration, 'logFormat' | 'logLevel'>,
  { deployment, activeTrace = () => null }: LoggerOptions,
): ConsoleLogger {
  const logLevels = NEST_LEVELS[logLevel];
  return logFormat === 'json'
    ? new EntryLogger({ logLevels, json: true }, deployment, activeTrace)
    : new TextLogger({ logLevels });
}

/**
 * Splits carried out by App Engine: its Admin API patches the service's `split`, and answers with an operation that
 * is asked until it is done.
 * https://cloud.google.com/appengine/docs/admin-api/reference/rest/v1/apps.services/patch
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Split } from '../event/predictor.js';
import { type GoogleApi, GoogleApiError } from '../google-api.js';
import { type TrafficControl, TrafficRefused, type TrafficTarget } from './traffic.js';

/** By what a request's version is chosen: a cookie, the caller's address, or chance. */
export type ShardBy = 'COOKIE' | 'IP' | 'RANDOM';

/** Between two questions after an operation, milliseconds; an operation takes some seconds. */
const POLL_MS = 2000;
/** After so long an operation counts as lost; what it did is read again. Milliseconds. */
const OPERATION_LIMIT_MS = 5 * 60_000;

interface Operation {
  name: string;
  done?: boolean;
  error?: { code: number; message: string };
}

interface ServiceDocument {
  split?: { shardBy?: string; allocations?: Split };
}

export class AppEngineTraffic implements TrafficControl {
  /** As documented: two decimals by address, three by cookie; gcloud takes three by chance too. */
  readonly places: number;

  constructor(
    private readonly api: GoogleApi,
    private readonly shardBy: ShardBy,
    private readonly pollMs = POLL_MS,
  ) {
    this.places = shardBy === 'IP' ? 2 : 3;
  }

  async read(target: TrafficTarget, signal: AbortSignal): Promise<Split> {
    try {
      const { split } = await this.api.ask<ServiceDocument>('GET', `/v1/${nameOf(target)}`, { signal });
      const allocations = split?.allocations ?? {};
      // Of a split over several versions the way matters too; another way is no split that we made.
      const isOurWay = Object.keys(allocations).length < 2 || split?.shardBy === this.shardBy;
      return isOurWay ? allocations : {};
    } catch (error) {
      throw refused(error, target);
    }
  }

  async write(target: TrafficTarget, shares: Split, signal: AbortSignal): Promise<void> {
    const body = { split: { shardBy: this.shardBy, allocations: shares } };
    try {
      const path = `/v1/${nameOf(target)}?updateMask=split`;
      const operation = await this.api.ask<Operation>('PATCH', path, { body, signal });
      await this.finished(operation, target, signal);
    } catch (error) {
      throw refused(error, target);
    }
  }

  private async finished(started: Operation, target: TrafficTarget, signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + OPERATION_LIMIT_MS;
    let operation = started;
    while (operation.done !== true) {
      if (Date.now() > deadline) throw new TrafficRefused(`${started.name} does not come to an end`);
      await pause(this.pollMs, undefined, { signal });
      operation = await this.api.ask<Operation>('GET', `/v1/${started.name}`, { signal });
    }
    if (operation.error !== undefined) {
      throw new TrafficRefused(
        `App Engine could not split ${target.service} of ${target.project}: ${operation.error.message}`,
      );
    }
  }
}

function nameOf({ project, service }: TrafficTarget): string {
  return `apps/${encodeURIComponent(project)}/services/${encodeURIComponent(service)}`;
}

function refused(error: unknown, { project, service }: TrafficTarget): unknown {
  if (!(error instanceof GoogleApiError)) return error;
  const { status, reason, message } = error;
  if (reason === 'SERVICE_DISABLED') {
    return new TrafficRefused(
      `the App Engine Admin API is off in project ${project}; turn it on: gcloud services enable appengine.googleapis.com --project=${project}`,
    );
  }
  if (status === 401 || status === 403) {
    return new TrafficRefused(
      `this service's account may not change the traffic of ${service}; grant it roles/appengine.serviceAdmin: gcloud projects add-iam-policy-binding ${project} --role=roles/appengine.serviceAdmin --member=serviceAccount:ACCOUNT (${message})`,
    );
  }
  if (status === 404) {
    return new TrafficRefused(
      `there is no App Engine service ${service} in project ${project}; deploy it first: gcloud app deploy --project=${project} --no-promote`,
    );
  }
  if (status === 409) {
    return new TrafficRefused(`another change of ${service} is under way; it is tried again (${message})`);
  }
  if (status === 400) {
    return new TrafficRefused(
      `App Engine refuses the split of ${service}: ${message}. Is every version deployed there? gcloud app versions list --project=${project} --service=${service}`,
    );
  }
  return new TrafficRefused(`App Engine cannot be asked about ${service}: ${message}`);
}

/**
 * The port to whoever splits a predictor's traffic outside of this service, and what it is asked for: the split that
 * follows from the predictor's events, in the versions and the precision that it knows.
 */
import type { PredictorState, Split } from '../event/predictor.js';

/** Where a version runs, as its backend says in `appEngine`. */
export interface AppEngineVersion {
  service: string;
  /** Its name there; without it the deployment's. */
  version?: string;
  /** Without it the project in which this service runs. */
  project?: string;
}

/** A service whose traffic is split by itself. */
export interface TrafficTarget {
  project: string;
  service: string;
}

/** Carries out splits. All of it may be repeated without harm. */
export interface TrafficControl {
  /** Decimal places of a share. */
  readonly places: number;

  /**
   * The shares in force, by the names that the versions have there.
   * @throws TrafficRefused
   */
  read(target: TrafficTarget, signal: AbortSignal): Promise<Split>;

  /**
   * Puts shares in force, and resolves when they are.
   * @param shares each above 0, with at most `places` decimals, 1 in sum
   * @throws TrafficRefused
   */
  write(target: TrafficTarget, shares: Split, signal: AbortSignal): Promise<void>;
}

/** Why a split could not be carried out; its message says what to do. It is tried again all the same. */
export class TrafficRefused extends Error {
  override readonly name = 'TrafficRefused';
}

export interface WantedTraffic {
  target: TrafficTarget;
  shares: Split;
}

/** Names of versions on App Engine: it is strict about them. */
const VERSION_ID = /^(?!-)[a-z\d-]{0,62}[a-z\d]$/;

/**
 * What should be in force for a predictor. Null when none of the versions with traffic says where it runs.
 * @param project the one that is meant where a backend names none
 * @throws TrafficRefused when the versions do not name one and the same service
 */
export function wantedTraffic(
  state: PredictorState,
  places: number,
  project: string | null,
): WantedTraffic | null {
  const parts = Object.entries(state.split).filter(([, share]) => share > 0);
  const placed = parts.map(([version, share]) => ({ version, share, at: placeOf(state, version) }));
  const first = placed.find(({ at }) => at !== undefined)?.at;
  if (first === undefined) return null;
  const target = { project: first.project ?? project, service: first.service };
  if (target.project === null) {
    throw new TrafficRefused(
      'the project of the App Engine service is not known: set GOOGLE_CLOUD_PROJECT, or deploy with "appEngine": {"project": …}',
    );
  }
  const shares: Split = {};
  for (const { version, share, at } of placed) {
    const name = at?.version ?? version;
    if (at?.service !== target.service || (at.project ?? project) !== target.project) {
      throw new TrafficRefused(
        `"${version}" does not run in the App Engine service ${target.service}, but other versions with traffic do: deploy it again with "appEngine": {"service": "${target.service}"}`,
      );
    }
    if (!VERSION_ID.test(name)) {
      throw new TrafficRefused(
        `"${name}" cannot be the name of a version on App Engine (lower case letters, digits and dashes): deploy it again with its name there, "appEngine": {"version": …}`,
      );
    }
    if (name in shares) throw new TrafficRefused(`two versions say that they are "${name}" on App Engine`);
    shares[name] = share;
  }
  return { target: target as TrafficTarget, shares: roundedShares(shares, places) };
}

function placeOf(state: PredictorState, version: string): AppEngineVersion | undefined {
  return state.versions.get(version)?.backend.appEngine as AppEngineVersion | undefined;
}

/**
 * Shares with few decimals that sum to 1 and are nowhere 0: the largest remainder method, in whole units of
 * 10^-places, where everybody has at least one unit.
 * @param shares all above 0, 1 in sum
 * @throws TrafficRefused when there are more versions than units
 */
export function roundedShares(shares: Split, places: number): Split {
  const units = 10 ** places;
  const names = Object.keys(shares).sort();
  if (names.length > units)
    throw new TrafficRefused(`${names.length} versions cannot share ${units} units of traffic`);
  const parts = names.map((name) => {
    const exact = (shares[name] ?? 0) * units;
    return { name, exact, given: Math.max(1, Math.floor(exact + 1e-9)) };
  });
  let left = units - parts.reduce((sum, { given }) => sum + given, 0);
  while (left !== 0) {
    const step = Math.sign(left);
    const next = parts
      .filter(({ given }) => step > 0 || given > 1)
      .sort((a, b) => step * (b.exact - b.given - (a.exact - a.given)))[0];
    if (next === undefined) break;
    next.given += step;
    left -= step;
  }
  return Object.fromEntries(parts.map(({ name, given }) => [name, Number((given / units).toFixed(places))]));
}

/** The same versions with the same shares. */
export function isSameSplit(a: Split, b: Split): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Math.abs((a[name] ?? 0) - (b[name] ?? -1)) < 1e-6)
  );
}

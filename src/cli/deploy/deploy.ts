/** Looks at everything that can be looked at here, then runs the plan, or prints it. */
import 'reflect-metadata';
import { secretsIn } from '../../environment.js';
import { checkDeployment, type Checked } from './checks.js';
import { type Finding, ok, warning } from './finding.js';
import { type DeployOptions, PARTS, planDeployment, promotion, type Settings, shellLine } from './plan.js';
import { type CloudLogin, cloudLogin, runSteps } from './run.js';

/** Exit statuses: something is wrong with the files here; a command failed. */
const WRONG = 1;
const FAILED = 2;

const MARKS = { ok: 'ok  ', warning: 'look', error: 'BAD ' };
/** Stands for the project where none is known, so that everything else can be looked at. */
const UNNAMED = 'my-project';

/** @returns the exit status */
export async function deploy(
  root: string,
  options: DeployOptions,
  print: (line: string) => void,
): Promise<number> {
  const login = await cloudLogin();
  const project = options.project ?? process.env.GOOGLE_CLOUD_PROJECT ?? login?.project ?? null;
  const checked = checkDeployment(root, project ?? UNNAMED, await cronRoutes());
  const findings: Checked['findings'] = [...checked.findings, ['gcloud', loginFindings(login, project)]];
  for (const [subject, found] of findings) {
    for (const { level, detail } of found) print(`${MARKS[level]} ${subject.padEnd(11)} ${detail}`);
  }
  const count = (level: Finding['level']): number =>
    findings.flatMap(([, found]) => found).filter((finding) => finding.level === level).length;
  const isReady = options.dryRun || (login?.account != null && project !== null);
  if (count('error') > 0 || !isReady) {
    print(`\n${count('error')} to put right${isReady ? '' : ', and gcloud to set up'}. Nothing was changed.`);
    return WRONG;
  }
  const settings = settingsOf(checked, project ?? UNNAMED, options);
  const steps = planDeployment(settings).filter(({ part }) => options.only?.includes(part) ?? true);
  if (options.dryRun) {
    print(`\nWould run, in this order:\n`);
    for (const step of steps) print(`# ${step.title}\n${shellLine(step)}\n`);
    if (!options.promote) print(`# then, when the new version is well\n${promotion(settings)}\n`);
    print('A dry run: nothing was changed.');
    return 0;
  }
  const failed = await runSteps(steps, print);
  if (failed !== null) {
    print(
      `\nStopped: ${failed.title} did not work. Put right what it says and run the same again; what is done is`,
    );
    print(
      `skipped or repeated without harm. Or go on from here: --only ${PARTS.slice(PARTS.indexOf(failed.part)).join(',')}`,
    );
    return FAILED;
  }
  print(
    options.promote
      ? '\nDeployed.'
      : `\nDeployed, without traffic. When it is well:\n  ${promotion(settings)}`,
  );
  return 0;
}

function loginFindings(login: CloudLogin | null, project: string | null): Finding[] {
  if (login === null) return [warning('gcloud is not installed: https://cloud.google.com/sdk/docs/install')];
  const found: Finding[] = [];
  if (login.account === null) found.push(warning('nobody is logged in: gcloud auth login'));
  if (project === null) found.push(warning(`no project is named, ${UNNAMED} stands in for it: --project`));
  return found.length === 0 ? [ok(`${login.account}, project ${project}`)] : found;
}

function settingsOf(checked: Checked, project: string, options: DeployOptions): Settings {
  const { environment, app, indexes } = checked;
  const store = environment.ASSAY_STORE ?? '';
  const [, dataProject = project, dataset = 'assay'] =
    /^bigquery:([^.]+)\.(\w+)$/.exec(environment.ASSAY_WAREHOUSE ?? '') ?? [];
  const account = options.account ?? app?.service_account ?? `assay@${project}.iam.gserviceaccount.com`;
  return {
    project,
    region: options.region,
    location: environment.ASSAY_BIGQUERY_LOCATION ?? 'EU',
    database: /^firestore:[^/]+\/(.+)$/.exec(store)?.[1] ?? '(default)',
    dataset: { project: dataProject, name: dataset },
    secrets: Object.values(environment).flatMap((value) => secretsIn(value ?? '')),
    service: app?.service ?? 'default',
    account,
    version: options.name ?? versionName(new Date()),
    promote: options.promote,
    splitsTraffic: environment.ASSAY_TRAFFIC?.startsWith('appengine') === true,
    store,
    indexes,
  };
}

function versionName(now: Date): string {
  return `v${now.toISOString().slice(0, 19).replace(/[-:]/g, '').toLowerCase()}`;
}

/** The paths under which the service answers to cron, from the routes that its controller declares. */
async function cronRoutes(): Promise<Set<string>> {
  const { CronController } = await import('../../projection/cron.controller.js');
  const pathOf = (target: object): string => String(Reflect.getMetadata('path', target));
  const handlers = Object.entries(Object.getOwnPropertyDescriptors(CronController.prototype))
    .map(([, { value }]) => value as object)
    .filter((value) => typeof value === 'function' && Reflect.hasMetadata('path', value));
  return new Set(handlers.map((handler) => `/${pathOf(CronController)}/${pathOf(handler)}`));
}

/** The examples for release tools: their shape, and that what they ask for is what the service answers. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import {
  type Answer,
  call,
  type CommandResult,
  eventually,
  type Folder,
  type RunningService,
  startService,
  temporaryFolder,
} from '../given.js';
import { hook, SECRET } from '../webhooks/receiver.js';
import { firstKey, opening, release, tell } from './releases.js';
import * as schemas from './schemas.js';

type Verdict = 'promote' | 'rollback' | 'insufficient';

/** The predictor on which the service has come to a verdict. */
const PREDICTORS: Record<Verdict, string> = { promote: 'good', rollback: 'bad', insufficient: 'open' };
const VERDICTS = Object.entries(PREDICTORS) as Array<[Verdict, string]>;

const read = (path: string): string => readFileSync(join('examples', path), 'utf8');
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- YAML of others, held to its schema first
const documents = (path: string): any[] => parseAllDocuments(read(path)).map((document) => document.toJS());

let folder: Folder;
let service: RunningService;
let key: string;
let receiver: ChildProcess;
let received = '';
let receiverUrl: string;

beforeAll(async () => {
  folder = temporaryFolder();
  const port = await freePort();
  receiverUrl = `http://127.0.0.1:${port}/`;
  receiver = spawn(process.execPath, ['examples/webhook-receiver/receiver.mjs'], {
    env: { PORT: String(port), WEBHOOK_SECRET: SECRET },
  });
  for (const stream of [receiver.stdout, receiver.stderr]) {
    stream?.on('data', (chunk: Buffer) => (received += chunk.toString()));
  }
  service = await startService(folder.path, {
    ASSAY_WEBHOOKS: JSON.stringify([hook('example', receiverUrl)]),
  });
  key = await firstKey(service);
  await tell(service, key, [
    ...release('good', 0.6, 0.85),
    ...release('bad', 0.8, 0.5),
    ...opening('open', Date.now()),
  ]);
  shims();
}, 120_000);

afterAll(async () => {
  receiver.kill();
  await service.stop();
  folder.remove();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

const ask = (path: string, options: Parameters<typeof call>[2] = {}): Promise<Answer> =>
  call(service.url, path, { ...options, headers: { authorization: `Bearer ${key}`, ...options.headers } });

/** In the place of docker and gh: the command of the image, run here and without waiting; what gh was given. */
function shims(): void {
  mkdirSync(join(folder.path, 'bin'));
  const docker = `#!/usr/bin/env bash
while [ "$1" != "$ASSAY_IMAGE" ]; do shift; done
shift
cd '${resolve('.')}'
exec "\${@/#5h/0s}"
`;
  const gh = `#!/usr/bin/env bash\nprintf '%s ' "$@" > '${folder.path}/gh'\ncat "\${@: -1}" >> '${folder.path}/gh'\n`;
  for (const [name, script] of Object.entries({ docker, gh })) {
    writeFileSync(join(folder.path, 'bin', name), script);
    chmodSync(join(folder.path, 'bin', name), 0o755);
  }
}

/** Runs a script as a pipeline would. */
async function bash(script: string, environment: Record<string, string> = {}): Promise<CommandResult> {
  const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
    cwd: folder.path,
    env: {
      PATH: `${join(folder.path, 'bin')}:${process.env.PATH}`,
      NO_COLOR: '1',
      ASSAY_SERVER: service.url,
      ASSAY_KEY: key,
      ASSAY_IMAGE: 'assay:test',
      ...environment,
    },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end();
  const status = await new Promise<number | null>((done) => child.once('close', done));
  return { status, stdout, stderr };
}

const splitOf = async (predictor: string) => (await ask(`/v1/predictors/${predictor}`)).body.split;

describe('curl', () => {
  const gate = (predictor: string, more: Record<string, string> = {}) =>
    bash(`'${resolve('examples/curl/gate.sh')}' ${predictor} 0`, more);

  it.each(VERDICTS)('ensures that %s has its exit status', async (verdict, predictor) => {
    const { status, stdout } = await gate(predictor);
    expect(JSON.parse(stdout)).toMatchObject({ predictor, verdict });
    expect(status).toBe({ promote: 0, rollback: 1, insufficient: 2 }[verdict]);
  });

  it('ensures that what is no answer is an error', async () => {
    const unknown = await gate('nobody');
    expect(unknown.status).toBe(3);
    expect(JSON.parse(unknown.stdout).detail).toContain('There is no predictor "nobody"');
    expect(await gate('good', { ASSAY_KEY: 'assay_wrong' })).toMatchObject({ status: 3 });
    expect(await gate('good', { ASSAY_SERVER: 'http://127.0.0.1:9' })).toMatchObject({ status: 3 });
    expect(await bash(`'${resolve('examples/curl/gate.sh')}'`)).toMatchObject({ status: 3 });
  });

  it('ensures that it waits for as long as it was told', async () => {
    const { status } = await bash(`'${resolve('examples/curl/gate.sh')}' open 2`);
    expect(status).toBe(2);
  });
});

describe('Argo Rollouts', () => {
  const templates = documents('argo-rollouts/analysis-templates.yaml');

  it('ensures that the templates and the rollout have the shape that it reads', () => {
    expect(templates.flatMap((document) => schemas.errorsIn(schemas.analysisTemplate, document))).toEqual([]);
    const [document] = documents('argo-rollouts/rollout.yaml');
    expect(schemas.errorsIn(schemas.rollout, document)).toEqual([]);
    const { canary } = document.spec.strategy;
    const used = [canary.analysis, ...canary.steps.flatMap((step: object) => Object.values(step))]
      .flatMap(({ templates: names }) => names ?? [])
      .map(({ templateName }) => templateName);
    expect(used.sort()).toEqual(templates.map(({ metadata }) => metadata.name).sort());
  });

  const PHASES: Record<string, Record<Verdict, string>> = {
    'no-rollback': { promote: 'Successful', rollback: 'Failed', insufficient: 'Successful' },
    promote: { promote: 'Successful', rollback: 'Failed', insufficient: 'Inconclusive' },
  };

  it.each(VERDICTS)('ensures that %s is measured as what it is', async (verdict, predictor) => {
    for (const { spec } of templates) {
      const values = { predictor, version: 'v2', server: service.url, key };
      expect(spec.args.map(({ name }: { name: string }) => name).sort()).toEqual(Object.keys(values).sort());
      const [metric] = spec.metrics;
      const filled = JSON.parse(
        JSON.stringify(metric).replaceAll(
          /\{\{args\.(\w+)\}\}/g,
          (_, name: string) => values[name as keyof typeof values],
        ),
      );
      const { url, headers, jsonPath } = filled.provider.web;
      const answer = await fetch(url, {
        headers: headers.map((header: { key: string; value: string }) => [header.key, header.value]),
      });
      expect(answer.status).toBe(200);
      const result = valueAt(await answer.json(), jsonPath);
      expect(phaseOf(filled, result)).toBe(PHASES[metric.name]?.[verdict]);
      // The next release, whose canary has not begun: an error of the measurement.
      const next = await fetch(url.replace('version=v2', 'version=v3'), {
        headers: { authorization: `Bearer ${key}` },
      });
      expect(next.status).toBe(409);
    }
  });

  /** The path as Kubernetes reads it, as far as it is used. */
  function valueAt(document: unknown, jsonPath: string): unknown {
    const steps = jsonPath.slice('{$.'.length, -1).split('.');
    return steps.reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], document);
  }

  interface Conditions {
    successCondition?: string;
    failureCondition?: string;
  }

  function phaseOf({ successCondition, failureCondition }: Conditions, result: unknown): string {
    const holds = (condition: string): boolean => {
      const [, wanted] = /^result == "(\w+)"$/.exec(condition) ?? [];
      if (wanted === undefined) throw new Error(`this test does not know the condition ${condition}`);
      return result === wanted;
    };
    if (failureCondition !== undefined && holds(failureCondition)) return 'Failed';
    if (successCondition === undefined || holds(successCondition)) return 'Successful';
    return failureCondition === undefined ? 'Failed' : 'Inconclusive';
  }
});

describe('Flagger', () => {
  const [canary] = documents('flagger/canary.yaml');

  it('ensures that the canary has the shape that it reads', () => {
    expect(schemas.errorsIn(schemas.flaggerCanary, canary)).toEqual([]);
  });

  it.each(VERDICTS)('ensures that %s lets it go on, back, or wait', async (verdict, predictor) => {
    expect(await answers(predictor, 'v2')).toEqual({
      'confirm-promotion': verdict === 'promote',
      rollback: verdict === 'rollback',
    });
  });

  it.each(VERDICTS)('ensures that %s of the last release lets the next one wait', async (_, predictor) => {
    expect(await answers(predictor, 'v3')).toEqual({ 'confirm-promotion': false, rollback: false });
  });

  /** Whether each webhook was answered with yes. */
  async function answers(predictor: string, version: string): Promise<Record<string, boolean>> {
    const isYes: Record<string, boolean> = {};
    for (const { type, url } of canary.spec.analysis.webhooks) {
      const given = url.replace('${ASSAY_KEY}', key).replace('${VERSION}', version);
      const asked = new URL(given.replace('/industry/', `/${predictor}/`));
      const credentials = Buffer.from(`${asked.username}:${asked.password}`).toString('base64');
      // As it sends it: Go makes a header of what stands in front of the host.
      const answer = await fetch(new URL(`${asked.pathname}${asked.search}`, service.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Basic ${credentials}` },
        body: JSON.stringify({ name: 'industry-classifier', namespace: 'test', phase: 'Progressing' }),
      });
      expect([200, 409, 425]).toContain(answer.status);
      isYes[type] = answer.status <= 202;
    }
    return isYes;
  }
});

describe('Cloud Deploy', () => {
  it('ensures that its files have the shape that they are read in, and fit together', () => {
    const [skaffold] = documents('cloud-deploy/skaffold.yaml');
    const [job] = documents('cloud-deploy/verify-job.yaml');
    const [pipeline, target] = documents('cloud-deploy/clouddeploy.yaml');
    expect(schemas.errorsIn(schemas.skaffold, skaffold)).toEqual([]);
    expect(schemas.errorsIn(schemas.job, job)).toEqual([]);
    expect(schemas.errorsIn(schemas.pipeline, pipeline)).toEqual([]);
    expect(schemas.errorsIn(schemas.target, target)).toEqual([]);
    const [{ container, executionMode }] = skaffold.verify;
    expect(readdirSync('examples/cloud-deploy')).toContain(executionMode.kubernetesCluster.jobManifestPath);
    expect(job.spec.template.spec.containers[0].name).toBe(container.name);
    expect(pipeline.serialPipeline.stages[0].targetId).toBe(target.metadata.name);
  });

  it.each(VERDICTS)('ensures that %s ends the container as it should', async (verdict, predictor) => {
    const [skaffold] = documents('cloud-deploy/skaffold.yaml');
    const { command, args } = skaffold.verify[0].container;
    const words = [...command, ...args].map(
      (word: string) => ({ industry: predictor, '5h': '0s' })[word] ?? word,
    );
    const { status } = await bash(`cd '${resolve('.')}' && ${words.join(' ')}`);
    expect(status).toBe({ promote: 0, rollback: 1, insufficient: 2 }[verdict]);
  });
});

describe('GitHub Actions', () => {
  const workflow = parse(read('github-actions/release.yml'));
  const script = (job: string, step: number): string => workflow.jobs[job].steps[step].run;

  it('ensures that the workflow has the shape that it reads, and hands everything to scripts as variables', () => {
    expect(schemas.errorsIn(schemas.workflow, workflow)).toEqual([]);
    const runs = Object.values(workflow.jobs as Record<string, { steps: Array<{ run: string }> }>).flatMap(
      ({ steps }) => steps.map(({ run }) => run),
    );
    expect(runs.filter((run) => run.includes('${{'))).toEqual([]);
  });

  it.each(VERDICTS)('ensures that %s is told, and goes on when it is one', async (verdict, predictor) => {
    const files = { GITHUB_STEP_SUMMARY: `${verdict}.md`, GITHUB_OUTPUT: `${verdict}.out` };
    const { status } = await bash(script('verdict', 0), { ...files, PREDICTOR: predictor });
    const code = { promote: 0, rollback: 1, insufficient: 2 }[verdict];
    expect(status === 0).toBe(code <= 1);
    expect(readFileSync(join(folder.path, `${verdict}.out`), 'utf8')).toBe(`status=${code}\n`);
    const summary = readFileSync(join(folder.path, `${verdict}.md`), 'utf8');
    expect(summary).toMatch(new RegExp(`^### ${predictor}: .* ${verdict} v2`));
    expect(await bash(script('verdict', 1), { PULL_REQUEST: '17' })).toMatchObject({ status: 0 });
    expect(readFileSync(join(folder.path, 'gh'), 'utf8')).toBe(
      `pr comment 17 --body-file verdict.md ${summary}`,
    );
  });

  it('ensures that a canary is started, and taken back when that is the verdict', async () => {
    await deployFirst('fresh');
    const release = { PREDICTOR: 'fresh', VERSION: 'v2', URL: 'http://127.0.0.1:9/' };
    expect(await bash(script('canary', 0), release)).toMatchObject({ status: 0 });
    expect(await splitOf('fresh')).toEqual({ v1: 0.8, v2: 0.2 });
    const finish = { ...release, GITHUB_REPOSITORY: 'o/r', GITHUB_RUN_ID: '1' };
    expect((await bash(script('finish', 0), { ...finish, STATUS: '1' })).status).not.toBe(0);
    expect(await splitOf('fresh')).toEqual({ v1: 1 });
  });

  it('ensures that a canary is promoted when that is the verdict', async () => {
    const finish = {
      PREDICTOR: 'good',
      VERSION: 'v2',
      GITHUB_REPOSITORY: 'o/r',
      GITHUB_RUN_ID: '1',
      STATUS: '0',
    };
    expect(await bash(script('finish', 0), finish)).toMatchObject({ status: 0 });
    expect(await splitOf('good')).toEqual({ v2: 1 });
  });
});

async function deployFirst(predictor: string): Promise<void> {
  const backend = { kind: 'constant', candidates: [{ label: 'a' }] };
  const answer = await ask(`/v1/predictors/${predictor}/deployments`, { json: { version: 'v1', backend } });
  expect(answer.status).toBe(201);
}

describe('GitLab CI', () => {
  const { stages, '.assay': hidden, ...jobs } = parse(read('gitlab-ci/release.gitlab-ci.yml'));
  /** The lines of a job, one script as the runner makes it. */
  const script = (job: string): string =>
    jobs[job].script
      .join('\n')
      .replace('/app/', `${resolve('.')}/`)
      .replace('5h', '0s');

  it('ensures that every job has the shape that it reads', () => {
    expect(stages).toEqual(['canary', 'verdict', 'finish']);
    expect(Object.keys(hidden).sort()).toEqual(['resource_group', 'rules']);
    for (const job of Object.values(jobs)) expect(schemas.errorsIn(schemas.gitlabJob, job)).toEqual([]);
  });

  it.each([
    ['rollback', 'bad', 1],
    ['insufficient', 'open', 2],
  ])('ensures that %s fails the job', async (_, predictor, wanted) => {
    expect(await bash(script('await-verdict'), { PREDICTOR: predictor })).toMatchObject({ status: wanted });
  });

  it('ensures that a canary is started and promoted', async () => {
    await deployFirst('other');
    const release = { PREDICTOR: 'other', VERSION: 'v2', URL: 'http://127.0.0.1:9/', CI_PIPELINE_ID: '1' };
    expect(await bash(script('start-canary'), release)).toMatchObject({ status: 0 });
    expect(await bash(script('promote'), release)).toMatchObject({ status: 0 });
    expect(await splitOf('other')).toEqual({ v2: 1 });
  });

  it('ensures that a canary is taken back for a rollback, and for nothing else', async () => {
    const open = { PREDICTOR: 'open', VERSION: 'v2', CI_PIPELINE_ID: '1' };
    expect((await bash(script('take-back'), open)).status).not.toBe(0);
    expect(await splitOf('open')).toEqual({ v1: 0.5, v2: 0.5 });
    expect(await bash(script('take-back'), { ...open, PREDICTOR: 'bad' })).toMatchObject({ status: 0 });
    expect(await splitOf('bad')).toEqual({ v1: 1 });
  });
});

describe('the receiver of webhooks', () => {
  it('ensures that it prints what it is told, once, and takes nothing that is not signed', async () => {
    const printed = await eventually(
      () => Promise.resolve(received),
      (text) => text.includes('assay.predictor.rolled_back bad'),
    );
    for (const line of [
      /^assay\.predictor\.canary_judged good promote v2/m,
      /^assay\.predictor\.canary_judged bad rollback v2/m,
      /^assay\.predictor\.promoted other +pipeline 1$/m,
    ]) {
      expect(printed).toMatch(line);
    }
    const event = JSON.stringify({ type: 'assay.predictor.promoted', data: { predictor: 'forged' } });
    const forged = await fetch(receiverUrl, {
      method: 'POST',
      headers: {
        'webhook-id': 'x',
        'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
        'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')}`,
      },
      body: event,
    });
    expect(forged.status).toBe(401);
    expect(received).not.toContain('forged');
    const lines = received.trim().split('\n');
    expect(new Set(lines).size).toBe(lines.length);
  });
});

it('ensures that every example is told of in the README beside it', () => {
  const readme = read('README.md');
  const folders = readdirSync('examples', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.length).toBeGreaterThan(6);
  const files = folders.flatMap(({ name }) =>
    readdirSync(join('examples', name)).map((file) => `${name}/${file}`),
  );
  expect(files.filter((file) => !readme.includes(`(${file})`))).toEqual([]);
});

/** Runs the steps of a plan one after the other, and stops at the first that fails. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { shellLine, type Step } from './plan.js';

export interface Ran {
  status: number | null;
  /** What it printed, standard output and errors together. */
  output: string;
}

/** @returns status null when there is no such program */
export function run(
  command: readonly string[],
  options: { input?: string; environment?: Record<string, string>; echo?: boolean } = {},
): Promise<Ran> {
  const [program = '', ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, { env: { ...process.env, ...options.environment } });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output += chunk.toString();
      if (options.echo === true) process.stdout.write(chunk);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    child.once('error', (failure) => resolve({ status: null, output: failure.message }));
    child.once('close', (status) => resolve({ status, output }));
  });
}

/** @returns the step that failed, null when none did */
export async function runSteps(steps: readonly Step[], print: (line: string) => void): Promise<Step | null> {
  for (const [index, step] of steps.entries()) {
    print(`\n[${index + 1}/${steps.length}] ${step.title}`);
    if (await wasDone(step)) {
      print('  done before');
      continue;
    }
    print(`  ${shellLine(step)}`);
    const { status, output } = await run(step.command, {
      echo: true,
      ...(step.environment === undefined ? {} : { environment: step.environment }),
      ...(step.randomInput === true ? { input: randomBytes(32).toString('base64url') } : {}),
    });
    if (status === 0) continue;
    if (status === null) print(`  ${step.command[0]} cannot be started: ${output}`);
    if (step.doneBefore?.test(output) === true) print('  done before');
    else return step;
  }
  return null;
}

async function wasDone({ unless, environment }: Step): Promise<boolean> {
  if (unless === undefined) return false;
  const { status, output } = await run(unless.command, environment === undefined ? {} : { environment });
  return status === 0 && (unless.prints !== true || /"id"/.test(output));
}

export interface CloudLogin {
  account: string | null;
  project: string | null;
}

/** What gcloud is set to; null where it is not installed. Asks nobody but gcloud's own settings. */
export async function cloudLogin(): Promise<CloudLogin | null> {
  const { status, output } = await run(['gcloud', 'config', 'list', '--format=json']);
  if (status !== 0) return null;
  const start = output.indexOf('{');
  try {
    const { core } = JSON.parse(output.slice(start, output.lastIndexOf('}') + 1)) as {
      core?: { account?: string; project?: string };
    };
    return { account: core?.account ?? null, project: core?.project ?? null };
  } catch {
    return { account: null, project: null };
  }
}

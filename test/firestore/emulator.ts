/** Google's Firestore emulator, where this machine has it: found, started for one test file, stopped after it. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { resolve } from 'node:path';

const JAR = 'platform/cloud-firestore-emulator/cloud-firestore-emulator.jar';
const MAIN = 'com.google.cloud.datastore.emulator.firestore.CloudFirestore';
/** A cold start on a busy machine takes some seconds. */
const START_LIMIT_MS = 40_000;

export interface FirestoreServer {
  /** host:port */
  host: string;
  stop(): Promise<void>;
}

/** The emulator's jar, or null where it or Java is missing. */
export function emulatorJar(): string | null {
  if (!answers('java', ['-version'])) return null;
  const named = process.env.FIRESTORE_EMULATOR_JAR;
  if (named !== undefined) return existsSync(named) ? named : null;
  const usual = [
    '/usr/lib/google-cloud-sdk',
    '/opt/google-cloud-sdk',
    `${process.env.HOME}/google-cloud-sdk`,
  ];
  const roots = usual.some((root) => existsSync(`${root}/${JAR}`)) ? usual : [sdkRoot()];
  return roots.map((root) => `${root}/${JAR}`).find((path) => existsSync(path)) ?? null;
}

function answers(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function sdkRoot(): string {
  try {
    const format = '--format=value(installation.sdk_root)';
    return execFileSync('gcloud', ['info', format], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return '';
  }
}

export async function startEmulator(jar: string): Promise<FirestoreServer> {
  const port = await freePort();
  const rules = resolve('deploy/firestore/firestore.rules');
  const java = spawn(
    'java',
    ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx512m', '-cp', jar, MAIN, 'start'].concat([
      `--host=127.0.0.1`,
      `--port=${port}`,
      `--rules=${rules}`,
    ]),
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let printed = '';
  java.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  java.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const ended = new Promise<void>((done) => java.once('exit', () => done()));
  const stop = async (): Promise<void> => {
    java.kill('SIGTERM');
    await ended;
  };
  await new Promise<void>((ready, failed) => {
    const timer = setTimeout(() => {
      void stop();
      failed(new Error(`the emulator did not start:\n${printed}`));
    }, START_LIMIT_MS);
    const look = (): void => {
      if (!printed.includes('running')) return;
      clearTimeout(timer);
      ready();
    };
    java.stdout.on('data', look);
    java.stderr.on('data', look);
    java.once('exit', (code) => failed(new Error(`the emulator ended with ${code}:\n${printed}`)));
  });
  return { host: `127.0.0.1:${port}`, stop };
}

function freePort(): Promise<number> {
  return new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => found(port));
    });
  });
}

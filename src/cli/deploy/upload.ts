/**
 * What `gcloud app deploy` would upload: the files that .gcloudignore leaves, within App Engine's limits and without
 * anything secret among them.
 * https://cloud.google.com/appengine/docs/standard/quotas
 */
import ignore, { type Ignore } from 'ignore';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { error, type Finding, ok } from './finding.js';

const FILES_LIMIT = 10_000;
const FILE_BYTES_LIMIT = 32 * 1024 * 1024;
/** Larger files are not read for secrets. */
const READ_LIMIT = 1024 * 1024;

/** Names of files that hold secrets, or what was to stay on this machine. */
const SECRET_NAMES =
  /(^|\/)(\.env(\..*)?|subject-secret|id_(rsa|ed25519)|\.netrc|[^/]*(credentials|service-account)[^/]*\.json|[^/]*\.(pem|key|p12|pfx|db|duckdb|sqlite))$/i;
const SECRET_TEXTS: Array<[RegExp, string]> = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----\s*(\\n)?[A-Za-z0-9+/=]{20}/, 'a private key'],
  [/"private_key_id"\s*:\s*"[0-9a-f]{20}/, 'a key of a service account'],
  [/(?:^|[/:])_(authToken|password|auth)\s*=\s*(?!\$\{)\S{8}/m, 'a token of a package registry'],
  [/\bAIza[0-9A-Za-z_-]{35}\b/, 'an API key of Google'],
];

export interface UploadFile {
  /** From the root, with slashes. */
  path: string;
  bytes: number;
}

/** @param ignoreFile `.gcloudignore` or `.dockerignore` */
export function uploadedFiles(root: string, ignoreFile: string): UploadFile[] {
  const rules = rulesOf(root, ignoreFile);
  const found: UploadFile[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (rules.ignores(entry.isDirectory() ? `${path}/` : path)) continue;
      if (entry.isDirectory()) walk(path);
      else found.push({ path, bytes: statSync(join(root, path)).size });
    }
  };
  walk('');
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function rulesOf(root: string, ignoreFile: string): Ignore {
  const rules = ignore();
  const add = (name: string): void => {
    if (!existsSync(join(root, name))) return;
    for (const line of readFileSync(join(root, name), 'utf8').split('\n')) {
      const included = /^#!include:(\S+)/.exec(line)?.[1];
      if (included === undefined) rules.add(line);
      else add(included);
    }
  };
  add(ignoreFile);
  return rules;
}

/** @param needed files without which the service does not run there */
export function checkUpload(root: string, needed: readonly string[]): Finding[] {
  if (!existsSync(join(root, '.gcloudignore'))) {
    return [error('.gcloudignore is missing: everything here would be uploaded, data and all')];
  }
  const files = uploadedFiles(root, '.gcloudignore');
  const found: Finding[] = [];
  for (const path of needed.filter((name) => !files.some((file) => file.path === name))) {
    found.push(
      error(
        existsSync(join(root, path))
          ? `.gcloudignore leaves out ${path}, without which the service does not run`
          : `${path} is not there: npm run build`,
      ),
    );
  }
  if (files.length > FILES_LIMIT) {
    found.push(error(`${files.length} files would be uploaded, App Engine takes ${FILES_LIMIT}`));
  }
  for (const { path, bytes } of files) {
    if (bytes > FILE_BYTES_LIMIT) found.push(error(`${path} is larger than the 32 MB that App Engine takes`));
    const secret = secretIn(root, path, bytes);
    if (secret !== null)
      found.push(error(`${path} would be uploaded and ${secret}: add it to .gcloudignore`));
  }
  if (found.length > 0) return found;
  const megabytes = files.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
  return [ok(`${files.length} files, ${megabytes.toFixed(1)} MB, nothing secret among them`)];
}

function secretIn(root: string, path: string, bytes: number): string | null {
  if (SECRET_NAMES.test(path)) return 'looks by its name as if it had to stay here';
  if (bytes > READ_LIMIT) return null;
  const text = readFileSync(join(root, path), 'utf8');
  const found = SECRET_TEXTS.find(([pattern]) => pattern.test(text));
  return found === undefined ? null : `holds ${found[1]}`;
}

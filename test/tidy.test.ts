/** What neither linter nor import rules see: names, sizes, doc comments, and that the documents tell everything. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import ts from 'typescript';
import { VARIABLES } from '#assay/configuration.variables.js';
import { assay, call, type Folder, type RunningService, startService, temporaryFolder } from './given.js';

const LINES_LIMIT = 300;
/** Names that say nothing about what is inside. */
const EMPTY_NAMES = /^(utils?|common|helpers?|shared|core|libs?|managers?|misc)$/i;
/** What others build on, and the formulas: nothing there may go without a word. */
const EXPLAINED = [
  'src/store/event-store.ts',
  'src/warehouse/warehouse.ts',
  'src/serving/backend.ts',
  'src/serving/split.ts',
  'src/quality/intervals.ts',
  ...filesUnder('src/verdict').filter((path) => !/(cells|judge|canary\.controller)\.ts$/.test(path)),
];

function filesUnder(folder: string, ending = '.ts'): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map(({ parentPath, name }) => `${parentPath}/${name}`.split(sep).join('/'))
    .filter((path) => !path.includes('/node_modules/'))
    .sort();
}

const read = (path: string): string => readFileSync(path, 'utf8');
const parse = (path: string): ts.SourceFile =>
  ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true);

describe('the source', () => {
  const sources = filesUnder('src');

  it('ensures that no file or folder has a name that says nothing', () => {
    const named = ['src', 'test', 'bench']
      .flatMap((folder) => filesUnder(folder))
      .filter((path) =>
        path.split('/').some((part) => part.split('.').some((word) => EMPTY_NAMES.test(word))),
      );
    expect(named).toEqual([]);
  });

  it('ensures that every file opens with a comment that says what it is for', () => {
    const silent = sources.filter((path) => !/^(#!.*\n)?\/\*\*/.test(read(path)));
    expect(silent).toEqual([]);
  });

  it(`ensures that no file has more than ${LINES_LIMIT} lines of code`, () => {
    const long = sources.map((path) => [path, linesOfCode(path)] as const);
    expect(long.filter(([, lines]) => lines > LINES_LIMIT)).toEqual([]);
    expect(long.find(([path]) => path === 'src/app.module.ts')?.[1]).toBeGreaterThan(50);
  });

  it('ensures that ports and formulas explain everything they export', () => {
    expect(EXPLAINED.length).toBeGreaterThan(10);
    expect(EXPLAINED.flatMap(unexplained)).toEqual([]);
  });
});

/** Lines on which a token stands: neither blank nor comment. */
function linesOfCode(path: string): number {
  const source = parse(path);
  const lines = new Set<number>();
  const visit = (node: ts.Node): void => {
    if (node.getChildCount(source) > 0) return node.getChildren(source).forEach(visit);
    if (ts.isJSDoc(node) || node.getWidth(source) === 0) return;
    const from = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
    const to = source.getLineAndCharacterOfPosition(node.getEnd()).line;
    for (let line = from; line <= to; line++) lines.add(line);
  };
  visit(source);
  return lines.size;
}

/** Exported classes, interfaces and functions without a doc comment. */
function unexplained(path: string): string[] {
  const source = parse(path);
  return source.statements
    .filter(
      (statement) =>
        (ts.isClassDeclaration(statement) ||
          ts.isInterfaceDeclaration(statement) ||
          ts.isFunctionDeclaration(statement)) &&
        ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true,
    )
    .filter((statement) => ts.getJSDocCommentsAndTags(statement).length === 0)
    .map((statement) => `${path}: ${statement.getText(source).split('\n', 1)[0]}`);
}

describe('the documents', () => {
  let folder: Folder;
  let service: RunningService;
  const api = read('docs/api.md');
  const readme = read('README.md');

  beforeAll(async () => {
    folder = temporaryFolder();
    service = await startService(folder.path);
  }, 60_000);

  afterAll(async () => {
    await service.stop();
    folder.remove();
  });

  it('ensures that the README names every variable and every command', async () => {
    const { stdout } = await assay(['--help'], { PATH: process.env.PATH ?? '' });
    const commands = [...stdout.matchAll(/^ {2}([a-z]+)(?: \[options\])? {2,}/gm)]
      .map(([, name]) => name as string)
      .filter((name) => name !== 'help');
    expect(commands).toContain('serve');
    const missing = [
      ...VARIABLES.map(({ name }) => name),
      'ASSAY_SERVER',
      'ASSAY_KEY',
      ...commands.map((name) => `assay ${name}`),
    ].filter((word) => !readme.includes(word));
    expect(missing).toEqual([]);
  });

  it('ensures that docs/api.md describes every route that is served, and none that is not', async () => {
    const { body } = await call(service.url, '/openapi.json');
    const served = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(served.length).toBeGreaterThan(15);
    expect(served.filter((route) => !api.includes(`\`${route}\``))).toEqual([]);
    const told = [...api.matchAll(/^\| `((?:GET|POST|PUT|DELETE) \/v1[^`?]*)`/gm)].map(([, route]) => route);
    expect(told.filter((route) => !served.includes(route as string))).toEqual([]);
  });

  it('ensures that docs/api.md lists every problem and every type of event', () => {
    const codes = [...read('src/problem.ts').matchAll(/^ {2}'?([a-z-]+)'?: \[\d{3}, /gm)].map(
      ([, code]) => code,
    );
    const types = [
      'src/event/prediction.ts',
      'src/event/predictor.ts',
      'src/event/access.ts',
      'src/event/webhook.ts',
    ].flatMap((path) => [...read(path).matchAll(/= '(assay\.[a-z._]+)'/g)].map(([, type]) => type));
    expect(codes.length).toBeGreaterThan(15);
    expect(types.length).toBeGreaterThan(8);
    const missing = [...codes, ...types].filter(
      (word) => !new RegExp(`\`(urn:assay:problem:)?${word as string}\``).test(api),
    );
    expect(missing).toEqual([]);
  });

  it('ensures that every decision is linked, and every link in the documents leads somewhere', () => {
    const documents = ['README.md', ...filesUnder('docs', '.md')];
    const decisions = readdirSync('docs/decisions').filter((name) => /^\d{4}-.*\.md$/.test(name));
    expect(decisions.length).toBeGreaterThan(1);
    const index = read('docs/decisions/README.md') + read('docs/architecture.md');
    expect(decisions.filter((name) => !index.includes(name))).toEqual([]);
    expect(documents.flatMap(brokenLinks)).toEqual([]);
  });
});

/** Relative links to files that are not there. */
function brokenLinks(document: string): string[] {
  return [...read(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(([, target]) => target as string)
    .filter((target) => !existsSync(join(dirname(document), target)))
    .map((target) => `${document} -> ${target}`);
}

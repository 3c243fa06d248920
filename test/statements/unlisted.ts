/**
 * Statements that exist in src/ and are not in the list of those that are proven. Found by reading the source:
 * what is exported as a statement, and whatever has SQL in it, must be within reach of the list.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import ts from 'typescript';

const SOURCE = 'src';
/** What is not for BigQuery: the other engine's own files and the event store; and the port. */
const ELSEWHERE = /^src\/(store\/|warehouse\/warehouse(\.duckdb.*)?\.ts$)/;
/** Exported for the other engine alone. */
const NOT_SENT = new Set(['src/warehouse/digest.ts eventBucketsStatement']);

const STATEMENT = /\b(Statement|StorageStatement)\b/;
const DIALECT = /\b(Dialect|StorageDialect)\b/;
/** How SQL begins. */
const SQL =
  /\b(SELECT\s|INSERT INTO|DELETE FROM|CREATE (OR REPLACE )?(TABLE|VIEW)|DROP (TABLE|VIEW)|ALTER TABLE|MERGE\s|UPDATE\s)/;

/** `file name`: one declaration at the top of a file. */
type Key = string;

interface Declared {
  node: ts.Node;
  isStatement: boolean;
}

interface Module {
  declared: Map<string, Declared>;
  /** Names that come from other files of ours. */
  imported: Map<string, Key>;
}

/** Exported statements, and declarations with SQL in them, that the file with the list does not reach. */
export function unlistedStatements(list: string): Key[] {
  const modules = readModules(list);
  const reached = reachableFrom(list, modules);
  return [...modules]
    .filter(([path]) => path.startsWith(`${SOURCE}/`) && !ELSEWHERE.test(path))
    .flatMap(([path, { declared }]) =>
      [...declared]
        .filter(([, { isStatement, node }]) => isStatement || hasSql(node))
        .map(([name]) => `${path} ${name}`),
    )
    .filter((key) => !reached.has(key) && !NOT_SENT.has(key));
}

function readModules(list: string): Map<string, Module> {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${SOURCE}/${name.split(sep).join('/')}`);
  return new Map([...files, list].map((path) => [path, moduleOf(path)]));
}

const parsed = new Map<string, ts.SourceFile>();

function parse(path: string): ts.SourceFile {
  const source =
    parsed.get(path) ?? ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  parsed.set(path, source);
  return source;
}

function moduleOf(path: string): Module {
  const declared = new Map<string, Declared>();
  const imported = new Map<string, Key>();
  for (const statement of parse(path).statements) {
    const isExported = ts.canHaveModifiers(statement) && isExport(statement);
    if (ts.isImportDeclaration(statement)) {
      for (const [name, key] of importsOf(statement, path)) imported.set(name, key);
    } else if (ts.isFunctionDeclaration(statement) && statement.name !== undefined) {
      declared.set(statement.name.text, {
        node: statement,
        isStatement: isExported && givesStatement(statement),
      });
    } else if (ts.isVariableStatement(statement)) {
      for (const one of statement.declarationList.declarations) {
        declared.set(one.name.getText(), { node: one, isStatement: isExported && isStatementVariable(one) });
      }
    } else if (ts.isClassDeclaration(statement) && statement.name !== undefined) {
      declared.set(statement.name.text, { node: statement, isStatement: false });
    }
  }
  return { declared, imported };
}

const isExport = (node: ts.HasModifiers): boolean =>
  ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;

function importsOf(statement: ts.ImportDeclaration, path: string): [string, Key][] {
  const from = (statement.moduleSpecifier as ts.StringLiteral).text.replace(/\.js$/, '.ts');
  const file = from.startsWith('#assay/')
    ? from.replace('#assay', SOURCE)
    : normalize(join(dirname(path), from));
  const names = statement.importClause?.namedBindings;
  if (names === undefined || !ts.isNamedImports(names)) return [];
  return names.elements.map((one) => [
    one.name.text,
    `${file.split(sep).join('/')} ${(one.propertyName ?? one.name).text}`,
  ]);
}

/** A function that returns a statement, or the text of one for a dialect. */
function givesStatement({ type, parameters }: ts.SignatureDeclaration): boolean {
  if (STATEMENT.test(type?.getText() ?? '')) return true;
  return type?.getText() === 'string' && parameters.some((one) => DIALECT.test(one.type?.getText() ?? ''));
}

function isStatementVariable({ type, initializer }: ts.VariableDeclaration): boolean {
  if (STATEMENT.test(type?.getText() ?? '')) return true;
  return initializer !== undefined && ts.isArrowFunction(initializer) && givesStatement(initializer);
}

function reachableFrom(list: string, modules: Map<string, Module>): Set<Key> {
  const reached = new Set<Key>();
  const waiting = [...(modules.get(list)?.declared.keys() ?? [])].map((name) => `${list} ${name}`);
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    if (reached.has(key)) continue;
    reached.add(key);
    const [path, name] = key.split(' ') as [string, string];
    const module = modules.get(path);
    const declared = module?.declared.get(name);
    if (module === undefined || declared === undefined) continue;
    for (const used of namesIn(declared.node)) {
      const found = module.declared.has(used) ? `${path} ${used}` : module.imported.get(used);
      if (found !== undefined) waiting.push(found);
    }
  }
  return reached;
}

function namesIn(node: ts.Node): Set<string> {
  const names = new Set<string>();
  const visit = (one: ts.Node): void => {
    if (ts.isIdentifier(one)) names.add(one.text);
    ts.forEachChild(one, visit);
  };
  visit(node);
  return names;
}

/** Whether SQL is written in a text of it, and not only in its comments. */
function hasSql(node: ts.Node): boolean {
  if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
    return SQL.test(node.text);
  }
  return ts.forEachChild(node, (child) => hasSql(child) || undefined) ?? false;
}

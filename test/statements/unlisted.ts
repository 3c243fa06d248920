/**
 * Statements that exist in src/ and are not in the list of those that are proven. Found by reading the source:
 * what is exported as a statement must be within reach of the list, and what is asked of a warehouse must be
 * such an export.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import ts from 'typescript';

const SOURCE = 'src';
/** The other engine's own files, and the port. */
const ELSEWHERE = /^src\/warehouse\/warehouse(\.duckdb.*)?\.ts$/;
/** Exported for the other engine alone. */
const NOT_SENT = new Set(['src/warehouse/digest.ts eventBucketsStatement']);

const STATEMENT = /\b(Statement|StorageStatement)\b/;
const DIALECT = /\b(Dialect|StorageDialect)\b/;

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

/** Exported statements that the file with the list does not reach, as `file name`. */
export function unlistedStatements(list: string): Key[] {
  const modules = readModules(list);
  const reached = reachableFrom(list, modules);
  return [...modules]
    .filter(([path]) => path.startsWith(`${SOURCE}/`) && !ELSEWHERE.test(path))
    .flatMap(([path, { declared }]) =>
      [...declared].filter(([, { isStatement }]) => isStatement).map(([name]) => `${path} ${name}`),
    )
    .filter((key) => !reached.has(key) && !NOT_SENT.has(key));
}

/** Places where a warehouse is asked something that is not an exported statement. */
export function unnamedQuestions(list: string): string[] {
  const modules = readModules(list);
  return [...modules]
    .filter(([path]) => path.startsWith(`${SOURCE}/`) && !ELSEWHERE.test(path))
    .flatMap(([path, module]) =>
      questionsIn(parse(path))
        .filter((asked) => !isNamed(asked, path, module, modules))
        .map((asked) => `${path}: ${asked.getText().split('\n', 1)[0]}`),
    );
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

/** First arguments of all calls `warehouse.query(..)`. */
function questionsIn(source: ts.SourceFile): ts.Expression[] {
  const asked: ts.Expression[] = [];
  const visit = (node: ts.Node): void => {
    if (
      ts.isCallExpression(node) &&
      ts.isPropertyAccessExpression(node.expression) &&
      node.expression.name.text === 'query' &&
      /warehouse$/i.test(node.expression.expression.getText()) &&
      node.arguments[0] !== undefined
    ) {
      asked.push(node.arguments[0]);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return asked;
}

/** Whether it is an exported statement, or a call of a function that gives one. */
function isNamed(asked: ts.Expression, path: string, module: Module, modules: Map<string, Module>): boolean {
  const named = ts.isCallExpression(asked) ? asked.expression : asked;
  if (!ts.isIdentifier(named)) return false;
  const key = module.imported.get(named.text) ?? `${path} ${named.text}`;
  const [file, name] = key.split(' ') as [string, string];
  return modules.get(file)?.declared.get(name)?.isStatement === true;
}

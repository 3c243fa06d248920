/**
 * What BigQuery refuses, or makes expensive, although it is correct GoogleSQL: rules of its storage and of its
 * planner, which ZetaSQL does not know. Each with the page that says so; docs.cloud.google.com/bigquery in front.
 */
import {
  child,
  children,
  conjuncts,
  functionOf,
  isCall,
  type Node,
  ofKind,
  type ResolvedColumn,
  within,
} from '../googlesql/resolved.js';
import { typeName } from '../googlesql/values.js';
import { definedName, isDefinition } from './catalogue.js';
import { BIGQUERY_FUNCTIONS } from './functions.js';
import type { SentStatement } from './statements.js';

/** A statement with what the analyser made of it. */
export interface Analysed extends SentStatement {
  node: Node;
}

/** Tables that must be asked for a part: the column by which they are cut. */
export type FilteredTables = ReadonlyMap<string, string>;

export interface Rule {
  name: string;
  /** Path of the page under docs.cloud.google.com/bigquery/, or where else it is said. */
  source: string;
  /** What is wrong with the statement, each in a few words. */
  broken(statement: Analysed, filtered: FilteredTables): string[];
}

const COLUMNS_SORTED_BY = 4;
const SORTABLE = /^(BIGNUMERIC|BOOL|DATE|DATETIME|GEOGRAPHY|INT64|NUMERIC|RANGE.*|STRING|TIMESTAMP)$/;
/** What may be asked in one statement, bytes, and what a view may be defined by, characters. */
const STATEMENT_BYTES = 1_000_000;
const VIEW_CHARACTERS = 256_000;
const RESERVED_PREFIXES = /^(_PARTITION|_TABLE_|_FILE_|_ROW_TIMESTAMP|__ROOT__|_COLIDENTIFIER)/i;

export const RULES: readonly Rule[] = [
  {
    name: 'a table is partitioned by one column of time, or by ranges of an integer',
    source: 'docs/reference/standard-sql/data-definition-language#partition_expression',
    broken: ({ node }) => {
      const partitions = children(node, 'partitionByList');
      if (partitions.length > 1) return ['more than one expression'];
      return partitions
        .filter((expression) => !isPartition(expression))
        .map(() => 'not an expression of a legal kind');
    },
  },
  {
    name: 'only a partitioned table can ask for a filter on its partitions',
    source: 'docs/managing-partitioned-tables#require-filter',
    broken: ({ node }) =>
      requiresFilter(node) && children(node, 'partitionByList').length === 0 ? ['it has no partitions'] : [],
  },
  {
    name: `a table is clustered by up to ${COLUMNS_SORTED_BY} columns that can be sorted`,
    source: 'docs/creating-clustered-tables#limitations',
    broken: ({ node }) => {
      const sorted = children(node, 'clusterByList');
      const columns = sorted.map((one) => columnOf(one));
      const names = columns.map((column) => column?.name ?? '');
      return [
        ...(sorted.length > COLUMNS_SORTED_BY ? [`${sorted.length} columns`] : []),
        ...(new Set(names).size < names.length ? ['the same column twice'] : []),
        ...columns
          .filter((column) => column === undefined || !SORTABLE.test(typeName(column.type)))
          .map((column) =>
            column === undefined ? 'not a column' : `${column.name} is ${typeName(column.type)}`,
          ),
      ];
    },
  },
  {
    name: 'a table that asks for it is read with a filter of constants on its partitions',
    source: 'docs/querying-partitioned-tables#use_a_constant_filter_expression',
    broken: ({ node }, filtered) => {
      const bounded = new Set(boundedScans(node, filtered));
      const target = node.kind === 'InsertStmt' ? child(node, 'tableScan')?.fields.table : undefined;
      return ofKind(node, 'TableScan')
        .concat(scanOfDml(node))
        .filter(({ fields }) => fields.table !== target && filtered.has(tableOf(fields)))
        .filter(({ fields }) => !bounded.has(fields.table))
        .map(({ fields }) => `${tableOf(fields)} is read without one on ${filtered.get(tableOf(fields))}`);
    },
  },
  {
    name: 'a statement is shorter than 1 MB, a view than 256,000 characters',
    source: 'quotas#query_jobs, quotas#view_limits',
    broken: ({ sql, node }) => [
      ...(Buffer.byteLength(sql) > STATEMENT_BYTES ? [`${Buffer.byteLength(sql)} bytes`] : []),
      ...(node.kind === 'CreateViewStmt' && sql.length > VIEW_CHARACTERS ? [`${sql.length} characters`] : []),
    ],
  },
  {
    name: 'a subquery that reads tables looks at nothing outside of it',
    source: 'the error "Correlated subqueries that reference other tables are not supported"',
    broken: ({ node }) =>
      ofKind(node, 'SubqueryExpr')
        .filter((subquery) => children(subquery, 'parameterList').length > 0 && readsTables(subquery))
        .map(() => 'a correlated subquery over a table'),
  },
  {
    name: 'an outer join compares columns of both sides for equality, and no join looks into a table',
    source: 'the error "LEFT OUTER JOIN cannot be used without a condition that is an equality of fields"',
    broken: ({ node }) =>
      ofKind(node, 'JoinScan').flatMap((join) => {
        const condition = child(join, 'joinExpr');
        if (condition === undefined) return isOuter(join) ? ['an outer join without a condition'] : [];
        return [
          ...(isOuter(join) && !conjuncts(condition).some((one) => isCall(one, '$equal'))
            ? ['an outer join without an equality']
            : []),
          ...(readsTables(condition) ? ['a subquery in the condition of a join'] : []),
        ];
      }),
  },
  {
    name: 'sets of rows are put together as BigQuery can',
    source: 'docs/reference/standard-sql/query-syntax#set_operators',
    broken: ({ node }) =>
      ofKind(node, 'SetOperationScan')
        .map(({ fields }) => String(fields.opType))
        .filter((operation) => /^(INTERSECT|EXCEPT)_ALL$/.test(operation)),
  },
  {
    name: 'every function is one of BigQuery',
    source: 'docs/reference/standard-sql/functions-all',
    broken: ({ node }) => [
      ...new Set(
        within(node)
          .filter((one) => isCall(one))
          .map(functionOf)
          .filter((name) => !name.startsWith('$') && !BIGQUERY_FUNCTIONS.has(name)),
      ),
    ],
  },
  {
    name: 'every parameter that is sent is asked for',
    source: 'a mistake of ours, more likely than not',
    broken: ({ node, parameters }) => {
      const asked = new Set(ofKind(node, 'Parameter').map(({ fields }) => String(fields.name).toLowerCase()));
      return Object.keys(parameters).filter((name) => !asked.has(name.toLowerCase()));
    },
  },
  {
    name: 'every column of a table or view has a name of its own, and not a reserved one',
    source: 'docs/schemas#column_names',
    broken: ({ node }) => {
      if (!isDefinition(node)) return [];
      const names = columnsIn(node.fields.columnDefinitionList).map(({ name }) => name);
      const lower = names.map((name) => name.toLowerCase());
      return [
        ...names.filter(
          (name) => !/^[A-Za-z_][A-Za-z0-9_]{0,299}$/.test(name) || RESERVED_PREFIXES.test(name),
        ),
        ...lower.filter((name, at) => lower.indexOf(name) !== at),
      ];
    },
  },
  {
    name: 'rows are inserted into the columns of their names',
    source: 'a mistake of ours: columns of one type change places unnoticed',
    broken: ({ node }) => {
      if (node.kind !== 'InsertStmt') return [];
      const into = columnsIn(node.fields.insertColumnList).map(({ name }) => name);
      const from = columnsIn(node.fields.queryOutputColumnList).map(({ name }) => name);
      if (from.length === 0 || from.some((name) => name.startsWith('$'))) return [];
      return into
        .filter((name, at) => from[at] !== name)
        .map((name) => `${name} is filled from another column`);
    },
  },
];

/** Every breach of a rule, with the rule's name. */
export function breaches(statement: Analysed, filtered: FilteredTables): string[] {
  return RULES.flatMap((rule) =>
    rule.broken(statement, filtered).map((what) => `${statement.name}: ${what} (${rule.name})`),
  );
}

/** Tables that may only be read with a filter, among those that the statements define. */
export function filteredTables(statements: readonly { node: Node }[]): FilteredTables {
  return new Map(
    statements
      .filter(({ node }) => isDefinition(node) && requiresFilter(node))
      .map(({ node }) => [
        definedName(node),
        partitionColumn(children(node, 'partitionByList')[0])?.name ?? '',
      ]),
  );
}

function requiresFilter(node: Node): boolean {
  return children(node, 'optionList').some(({ fields }) => {
    const literal = child({ kind: null, fields }, 'value');
    const value = literal?.fields.value as { value?: { boolValue?: boolean } } | undefined;
    return fields.name === 'require_partition_filter' && value?.value?.boolValue === true;
  });
}

function columnOf(expression: Node): ResolvedColumn | undefined {
  return expression.kind === 'ColumnRef' ? (expression.fields.column as ResolvedColumn) : undefined;
}

/** The column behind a partition expression. */
function partitionColumn(expression: Node | undefined): ResolvedColumn | undefined {
  if (expression === undefined) return undefined;
  if (!isCall(expression)) return columnOf(expression);
  const [first] = children(expression, 'argumentList');
  return first && columnOf(first);
}

/** By function, the type of its column; `''` is the column itself. */
const PARTITIONS: Record<string, RegExp> = {
  '': /^DATE$/,
  date: /^(TIMESTAMP|DATETIME)$/,
  timestamp_trunc: /^TIMESTAMP$/,
  datetime_trunc: /^DATETIME$/,
  date_trunc: /^DATE$/,
  range_bucket: /^INT64$/,
};

function isPartition(expression: Node): boolean {
  const column = partitionColumn(expression);
  const type = PARTITIONS[isCall(expression) ? functionOf(expression) : ''];
  return column !== undefined && type?.test(typeName(column.type)) === true;
}

const tableOf = (fields: Record<string, unknown>): string =>
  (fields.table as { name?: string } | undefined)?.name ?? '';

/** DELETE and UPDATE keep the table they change in a field that says no class. */
function scanOfDml(node: Node): Node[] {
  return ['DeleteStmt', 'UpdateStmt'].includes(node.kind ?? '') ? children(node, 'tableScan') : [];
}

/** The `table` of each scan that stands right under a filter by which partitions are left out. */
function boundedScans(node: Node, filtered: FilteredTables): unknown[] {
  const filters = [...ofKind(node, 'FilterScan'), ...(scanOfDml(node).length > 0 ? [node] : [])];
  return filters.flatMap((filter) => {
    const scan = child(filter, filter === node ? 'tableScan' : 'inputScan');
    const condition = child(filter, filter === node ? 'whereExpr' : 'filterExpr');
    if (scan === undefined || condition === undefined) return [];
    const column = filtered.get(tableOf(scan.fields));
    return conjuncts(condition).some((one) => isBound(one, column)) ? [scan.fields.table] : [];
  });
}

/** A comparison of the column itself with what is known before anything is read. */
function isBound(condition: Node, column: string | undefined): boolean {
  if (
    !isCall(condition) ||
    !/^\$(equal|greater|less|greater_or_equal|less_or_equal|between|in)$/.test(functionOf(condition))
  ) {
    return false;
  }
  const sides = children(condition, 'argumentList');
  const own = sides.filter((side) => columnOf(side)?.name === column);
  return own.length === 1 && sides.every((side) => own.includes(side) || isConstant(side));
}

const isConstant = (expression: Node): boolean =>
  within(expression).every(({ kind }) => kind !== 'ColumnRef' && kind !== 'SubqueryExpr');

const readsTables = (node: Node): boolean => ofKind(node, 'TableScan').length > 0;

const isOuter = ({ fields }: Node): boolean => ['LEFT', 'RIGHT', 'FULL'].includes(fields.joinType as string);

const columnsIn = (list: unknown): { name: string }[] =>
  Array.isArray(list) ? (list as { name: string }[]) : [];

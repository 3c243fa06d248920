/** Which tables and views there are after a statement, learnt from what the analyser made of it. */
import type { Node } from '../googlesql/resolved.js';
import type { SqlType } from '../googlesql/values.js';
import { type Catalogue, columnsOf } from '../googlesql/zetasql.js';

/** Kinds of statements that leave a table or a view behind. */
const TABLES = ['CreateTableStmt', 'CreateTableAsSelectStmt'];

export function isDefinition({ kind }: Node): boolean {
  return kind === 'CreateViewStmt' || TABLES.includes(kind ?? '');
}

/** Name of the table or view that a statement defines. */
export function definedName(statement: Node): string {
  return (statement.fields.namePath as string[]).join('.');
}

/** The catalogue after the statement. */
export function after(catalogue: Catalogue, statement: Node): Catalogue {
  if (!isDefinition(statement)) return catalogue;
  const columns = columnsOf(statement.fields.columnDefinitionList as { name: string; type: SqlType }[]);
  return new Map([...catalogue, [definedName(statement), columns]]);
}

/** Names and types of what a statement leaves behind or answers, as text for the ledger. */
import type { Node } from '../googlesql/resolved.js';
import { type SqlType, typeName } from '../googlesql/values.js';
import { isDefinition } from './catalogue.js';

/** `name TYPE` of each column of the table or view that is defined, or of the rows that are answered. */
export function columnsOfStatement(node: Node): string[] {
  if (isDefinition(node)) {
    const defined = node.fields.columnDefinitionList as { name: string; type: SqlType }[];
    return defined.map(({ name, type }) => `${name} ${typeName(type)}`);
  }
  if (node.kind !== 'QueryStmt') return [];
  const answered = node.fields.outputColumnList as { name: string; column: { type: SqlType } }[];
  return answered.map(({ name, column }) => `${name} ${typeName(column.type)}`);
}

/** The ledger of all statements: each name, and its columns under it. */
export function ledger(statements: readonly { name: string; node: Node }[]): string {
  return statements
    .map(({ name, node }) => ({ name, columns: columnsOfStatement(node) }))
    .filter(({ columns }) => columns.length > 0)
    .map(({ name, columns }) => `${name}\n${columns.map((column) => `  ${column}\n`).join('')}`)
    .join('\n');
}

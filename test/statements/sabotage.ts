/** What would be noticed if a statement did not fit the others any more. */
import { ofKind } from '../googlesql/resolved.js';
import { type Column, scalar, typeName } from '../googlesql/values.js';
import { type Catalogue, StatementRefused, type ZetaSql } from '../googlesql/zetasql.js';
import { after, definedName, isDefinition } from './catalogue.js';
import { columnsOfStatement } from './columns.js';
import { type Analysed, breaches, type FilteredTables } from './storage-rules.js';

export type Change = (column: Column) => Column;

export const renamed: Change = ({ name, type }) => ({ name: `${name}_x`, type });

/** Another type, that nothing turns into the old one by itself. */
export const retyped: Change = ({ name, type }) => ({
  name,
  type: scalar(['STRING', 'JSON'].includes(typeName(type)) ? 'INT64' : 'STRING'),
});

/**
 * The first statement that is refused, breaks a rule, or has other columns itself when a column of a table is
 * another one; null when nobody notices. Only statements are looked at that read the table, or what is made of it.
 */
export async function firstToNotice(
  zetasql: ZetaSql,
  statements: readonly Analysed[],
  filtered: FilteredTables,
  [table, column]: readonly [string, string],
  change: Change,
): Promise<string | null> {
  let catalogue: Catalogue = new Map();
  const affected = new Set<string>();
  for (const statement of statements) {
    const { name, sql, parameters, node } = statement;
    const isAffected = [...affected].some((one) => sql.includes(`\`${one}\``));
    let seen = node;
    if (isAffected) {
      try {
        seen = await zetasql.analyse(sql, catalogue, parameters);
      } catch (error) {
        if (error instanceof StatementRefused) return name;
        throw error;
      }
      if (breaches({ ...statement, node: seen }, filtered).length > 0) return name;
      if (String(columnsOfStatement(seen)) !== String(columnsOfStatement(node))) return name;
    }
    if (!isDefinition(seen)) continue;
    if (isAffected) affected.add(definedName(seen));
    catalogue = after(catalogue, seen);
    if (definedName(seen) === table && !isAffected) {
      affected.add(table);
      const columns = (catalogue.get(table) ?? []).map((one) => (one.name === column ? change(one) : one));
      catalogue = new Map([...catalogue, [table, columns]]);
    }
  }
  return null;
}

/** The tables that statements create, each with its columns; not those of the next generation. */
export function tableColumns(
  statements: readonly Analysed[],
  catalogue: Catalogue,
): (readonly [string, string])[] {
  return statements
    .filter(({ node, name }) => /^CreateTable/.test(node.kind ?? '') && !name.startsWith('derive-'))
    .map(({ node }) => definedName(node))
    .flatMap((table) => (catalogue.get(table) ?? []).map(({ name }) => [table, name] as const));
}

/** Names of the parameters that a statement asks for. */
export function parametersOf({ node }: Analysed): string[] {
  return [...new Set(ofKind(node, 'Parameter').map(({ fields }) => String(fields.name)))];
}

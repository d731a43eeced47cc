/**
 * The checkout's own sources, parsed by the compiler into what the architecture test asks about: imports, exports,
 * functions, how long each is and whether it is documented. One parse, then plain records.
 */

import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  isBindingElement,
  isCallExpression,
  isExportAssignment,
  isExportDeclaration,
  isFunctionLikeDeclaration,
  isIdentifier,
  isImportDeclaration,
  isNewExpression,
  isPropertyAccessExpression,
  isStringLiteral,
  isVariableStatement,
  type Node,
  type Statement,
  SyntaxKind,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/sync";

/** The checkout's folder, without a slash at the end. */
export const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** One import or re-export of another module. */
export interface ModuleImport {
  /** A path from the checkout for our own modules, else the package's name. */
  readonly from: string;
  readonly isOwn: boolean;
  readonly typeOnly: boolean;
  readonly line: number;
}

/** One name that a module exports and declares itself. */
export interface ExportedName {
  /** "default" for a default export. */
  readonly name: string;
  readonly documented: boolean;
  readonly line: number;
}

/** One function, method or arrow of more than one line. */
export interface FunctionLength {
  readonly name: string;
  readonly lines: number;
  readonly line: number;
}

/** One source file. */
export interface ModuleSource {
  /** From the checkout, such as "features/reader.ts". */
  readonly path: string;
  readonly text: string;
  readonly lineCount: number;
  readonly imports: readonly ModuleImport[];
  readonly exports: readonly ExportedName[];
  readonly functions: readonly FunctionLength[];
  /** Reads of the clock or of chance: "Date.now", "new Date()", "Math.random", "performance.now". */
  readonly impurities: readonly { readonly name: string; readonly line: number }[];
  /** True when the file has nothing but re-exports. */
  readonly reexportsOnly: boolean;
}

/** Parses every TypeScript file that tsconfig.json names. */
export function readSourceTree(): readonly ModuleSource[] {
  const compiler = new API({ cwd: CHECKOUT });
  try {
    const config = `${CHECKOUT}/tsconfig.json`;
    const { program } = compiler.updateSnapshot({ openProjects: [config] }).getProject(config)!;
    return program
      .getSourceFileNames()
      .filter((file) => file.startsWith(`${CHECKOUT}/`) && !file.includes("/node_modules/"))
      .map((file) => readModule(file, program.getSourceFile(file)!.statements));
  } finally {
    compiler.close();
  }
}

function readModule(file: string, statements: readonly Statement[]): ModuleSource {
  const text = readFileSync(file, "utf8");
  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length;
  const imports: ModuleImport[] = [];
  const functions: FunctionLength[] = [];
  const impurities: { name: string; line: number }[] = [];
  const visit = (node: Node): void => {
    const line = lineAt(node.getStart());
    const specifier = specifierOf(node);
    if (specifier !== undefined) imports.push({ ...origin(file, specifier), typeOnly: isTypeOnly(node), line });
    const impurity = impurityOf(node);
    if (impurity !== undefined) impurities.push({ name: impurity, line });
    const lines = lineAt(node.end) - line + 1;
    if (isFunctionLikeDeclaration(node) && !isTestBody(node)) functions.push({ name: nameOf(node), lines, line });
    node.forEachChild(visit);
  };
  for (const statement of statements) visit(statement);
  return Object.freeze({
    path: relative(CHECKOUT, file),
    text,
    lineCount: text.split("\n").length - 1,
    imports,
    exports: statements.flatMap((statement, i) => exportsOf(statement, i === 0, text, lineAt)),
    functions,
    impurities,
    reexportsOnly: statements.every((statement) => isExportDeclaration(statement)),
  });
}

function specifierOf(node: Node): string | undefined {
  const named = isImportDeclaration(node) || isExportDeclaration(node) ? node.moduleSpecifier : undefined;
  const dynamic =
    isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword ? node.arguments[0] : undefined;
  const specifier = named ?? dynamic;
  return specifier !== undefined && isStringLiteral(specifier) ? specifier.text : undefined;
}

function origin(file: string, specifier: string): Pick<ModuleImport, "from" | "isOwn"> {
  if (specifier.startsWith(".")) return { from: relative(CHECKOUT, resolve(dirname(file), specifier)), isOwn: true };
  const words = specifier.split("/");
  return { from: words.slice(0, specifier.startsWith("@") ? 2 : 1).join("/"), isOwn: false };
}

function isTypeOnly(node: Node): boolean {
  return /^(import|export)\s+type\s/.test(node.getText());
}

function impurityOf(node: Node): string | undefined {
  if (isPropertyAccessExpression(node)) {
    const name = node.getText();
    return ["Date.now", "Math.random", "performance.now"].includes(name) ? name : undefined;
  }
  const isBareDate = isNewExpression(node) && node.getText() === "new Date()";
  return isBareDate ? "new Date()" : undefined;
}

/** The bodies of `describe` enclose tests and are as long as these are many. */
function isTestBody(node: Node): boolean {
  const { parent } = node;
  return isCallExpression(parent) && /^describe\b/.test(parent.expression.getText());
}

function nameOf(node: Node): string {
  const own = (node as { name?: Node }).name ?? (node.parent as { name?: Node }).name;
  return own?.getText() ?? "(anonymous)";
}

function exportsOf(
  statement: Statement,
  isFirst: boolean,
  text: string,
  lineAt: (offset: number) => number,
): readonly ExportedName[] {
  const line = lineAt(statement.getStart());
  if (isExportAssignment(statement)) return [{ name: "default", documented: true, line }];
  const modifiers = ((statement as { modifiers?: readonly Node[] }).modifiers ?? []).map((one) => one.kind);
  if (!modifiers.includes(SyntaxKind.ExportKeyword)) return [];
  if (modifiers.includes(SyntaxKind.DefaultKeyword)) return [{ name: "default", documented: true, line }];
  const docstrings = text.slice(statement.pos, statement.getStart()).match(/\/\*\*/g)?.length ?? 0;
  // The first statement's first comment is the file's.
  const documented = docstrings > (isFirst ? 1 : 0);
  return declaredNames(statement).map((name) => ({ name, documented, line }));
}

function declaredNames(statement: Statement): readonly string[] {
  if (!isVariableStatement(statement)) return [(statement as unknown as { name: Node }).name.getText()];
  return statement.declarationList.declarations.flatMap(({ name }) =>
    isIdentifier(name) ? [name.text] : [...name.elements].filter(isBindingElement).map((one) => one.getText()),
  );
}

// The source tree as the structure checks see it: parsed files and what each of them imports.
//
// Owns: finding and parsing the files, and resolving their imports within src/. Judges nothing.
// The parser is TypeScript's own, so that comments, strings and templates are never mistaken for code.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

/**
 * @typedef {object} Import
 * @property {string} specifier as written
 * @property {string | null} target path from the root ("src/base/bytes.ts"), or null for a package
 * @property {"import" | "worker"} kind "worker": new URL("./x.js", import.meta.url), which starts a program of its own
 * @property {number} line
 *
 * @typedef {object} SourceFile
 * @property {string} path from the root, with forward slashes
 * @property {string} text
 * @property {ts.SourceFile} syntax
 * @property {Import[]} imports
 */

/** Reads the tree below `root`. Folders that do not exist are empty. */
export function readTree(root) {
  const sources = list(root, "src", /\.ts$/).map((file) => parse(root, file));
  return {
    root,
    sources,
    tests: list(root, "test", /\.ts$/).map((file) => parse(root, file)),
    scripts: list(root, "scripts", /\.mjs$/).map((file) => parse(root, file)),
    native: list(root, "native", /\.[ch]$/).map((file) => ({ path: file, text: readFileSync(path.join(root, file), "utf8") })),
    manifest: readManifest(root),
  };
}

/** Files below `folder` whose name matches, from the root, sorted. */
function list(root, folder, pattern) {
  const directory = path.join(root, folder);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)).split(path.sep).join("/"))
    .sort();
}

function readManifest(root) {
  const file = path.join(root, "package.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
}

function parse(root, file) {
  const text = readFileSync(path.join(root, file), "utf8");
  const syntax = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  return { path: file, text, syntax, imports: findImports(file, syntax) };
}

/** Line of a node, from 1. */
export function lineOf(syntax, node) {
  return syntax.getLineAndCharacterOfPosition(node.getStart(syntax)).line + 1;
}

/** Calls `visit` for every node, parents first. */
export function walk(node, visit) {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** Every import: static, re-export, type, dynamic with a literal, and worker entries. */
function findImports(file, syntax) {
  const imports = [];
  walk(syntax, (node) => {
    const specifier = specifierOf(node);
    if (specifier !== null) imports.push({ specifier, target: resolve(file, specifier), kind: "import", line: lineOf(syntax, node) });
    const worker = workerEntryOf(node);
    if (worker !== null) imports.push({ specifier: worker, target: resolve(file, worker), kind: "worker", line: lineOf(syntax, node) });
  });
  return imports;
}

function specifierOf(node) {
  const literal = (candidate) => (candidate !== undefined && ts.isStringLiteralLike(candidate) ? candidate.text : null);
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return literal(node.moduleSpecifier);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return literal(node.argument.literal);
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return literal(node.arguments[0]);
  return null;
}

/** The path in `new URL("./x.js", import.meta.url)`; other files than modules (a page, a picture) are not meant. */
function workerEntryOf(node) {
  if (!ts.isNewExpression(node) || !ts.isIdentifier(node.expression) || node.expression.text !== "URL") return null;
  const [first, second] = node.arguments ?? [];
  if (first === undefined || second === undefined || !ts.isStringLiteralLike(first)) return null;
  return second.getText() === "import.meta.url" && /\.[jt]s$/.test(first.text) ? first.text : null;
}

function resolve(file, specifier) {
  if (specifier.startsWith("#src/")) return toSource(`src/${specifier.slice("#src/".length)}`);
  if (!specifier.startsWith(".")) return null;
  return toSource(path.posix.join(path.posix.dirname(file), specifier));
}

const toSource = (file) => file.replace(/\.js$/, ".ts");

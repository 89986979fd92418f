// The sans-io rule: base/, format/ and core/ have no I/O, timer, clock, randomness or promise.
//
// Owns: the list of what breaks it. Time and identifiers come to these folders as arguments.

import ts from "typescript";
import { lineOf, walk } from "./source.mjs";

const pureFolders = ["src/base/", "src/format/", "src/core/"];

const bannedModules = new Set(
  [
    ["child_process", "cluster", "crypto", "dgram", "dns", "fs", "http", "http2", "https", "inspector", "net", "perf_hooks"],
    ["readline", "timers", "tls", "worker_threads"],
  ].flat(),
);

/** Globals that may not be mentioned at all, in values or in types. */
const bannedGlobals = new Set(
  ["Promise", "fetch", "performance", "queueMicrotask", "setImmediate", "setInterval", "setTimeout"],
);

const bannedMembers = new Map([
  ["Date", new Set(["now"])],
  ["Math", new Set(["random"])],
  ["process", new Set(["nextTick", "hrtime"])],
  ["crypto", new Set(["getRandomValues", "randomUUID"])],
  ["globalThis", new Set([...bannedGlobals, "crypto"])],
]);

export function checkPurity(tree) {
  const files = tree.sources.filter((file) => pureFolders.some((folder) => file.path.startsWith(folder)));
  const errors = files.flatMap((file) => [...impureImports(file), ...impureMentions(file)]);
  return { name: "purity", count: files.length, unit: "files", errors };
}

function impureImports(file) {
  return file.imports
    .filter(({ specifier }) => bannedModules.has(specifier.replace(/^node:/, "").split("/")[0]))
    .map(({ specifier, line }) => ({ file: file.path, line, message: `${specifier} in a sans-io folder` }));
}

function impureMentions(file) {
  const errors = [];
  walk(file.syntax, (node) => {
    const what = impureMention(node);
    if (what !== null) errors.push({ file: file.path, line: lineOf(file.syntax, node), message: `${what} in a sans-io folder` });
  });
  return errors;
}

function impureMention(node) {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const owner = node.expression.text;
    return bannedMembers.get(owner)?.has(node.name.text) === true ? `${owner}.${node.name.text}` : null;
  }
  if (ts.isIdentifier(node)) return bannedGlobals.has(node.text) && isReference(node) ? node.text : null;
  if (ts.isNewExpression(node) && node.expression.getText() === "Date" && (node.arguments?.length ?? 0) === 0) return "new Date()";
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return "async";
  if (ts.isAwaitExpression(node)) return "await";
  return null;
}

/** Whether the identifier stands for the variable or type of that name, not for a member that happens to be called so. */
function isReference(node) {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent)) return parent.left === node;
  const names = [ts.isPropertyAssignment, ts.isPropertySignature, ts.isPropertyDeclaration, ts.isMethodDeclaration, ts.isMethodSignature];
  return !(names.some((is) => is(parent)) && parent.name === node);
}

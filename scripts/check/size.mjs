// Sizes and names: where a file or a function has become two, and names that say nothing.

import path from "node:path";
import ts from "typescript";
import { lineOf, walk } from "./source.mjs";

export const fileLinesMax = 600;
export const functionLinesMax = 70;

const bannedNames = new Set(["common", "helper", "helpers", "types", "util", "utils"]);

export function checkFileLength(tree) {
  const files = [...tree.sources, ...tree.tests, ...tree.scripts, ...tree.native];
  const errors = files.flatMap((file) => {
    const lines = file.text.replace(/\n$/, "").split("\n").length;
    if (lines <= fileLinesMax) return [];
    return [{ file: file.path, line: fileLinesMax + 1, message: `${lines} lines; ${fileLinesMax} are the end: this is two concepts` }];
  });
  return { name: "file length", count: files.length, unit: "files", errors };
}

/** Tests are exempt: the body of a suite is a list, not a function to be understood at once. */
export function checkFunctionLength(tree) {
  const errors = [];
  let count = 0;
  for (const file of [...tree.sources, ...tree.scripts]) {
    walk(file.syntax, (node) => {
      if (!ts.isFunctionLike(node) || node.body === undefined) return;
      count += 1;
      const line = lineOf(file.syntax, node);
      const lines = file.syntax.getLineAndCharacterOfPosition(node.end).line + 2 - line;
      if (lines <= functionLinesMax) return;
      const name = node.name?.getText(file.syntax) ?? "function";
      errors.push({ file: file.path, line, message: `${name} has ${lines} lines; ${functionLinesMax} are the end` });
    });
  }
  return { name: "function length", count, unit: "functions", errors };
}

export function checkNames(tree) {
  const files = [...tree.sources, ...tree.tests, ...tree.scripts, ...tree.native];
  const errors = files.flatMap((file) => {
    const banned = file.path.split("/").find((part) => bannedNames.has(path.basename(part).split(".")[0].toLowerCase()));
    if (banned === undefined) return [];
    return [{ file: file.path, line: 1, message: `"${banned}" says nothing: name it after the one concept it holds` }];
  });
  return { name: "names", count: files.length, unit: "files", errors };
}

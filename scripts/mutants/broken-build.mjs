// A build of its own to break: the compiled tree in a temporary directory, with edits of the TypeScript source compiled in.
//
// Owns: the copy, and the rule that each edit's text stands in its source exactly once. It never touches the clone.
// What is only read is linked; what is loaded as code is copied, for a module's address is that behind the link.

import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "../setup.mjs";

const copied = ["package.json", "dist", "build", "prebuilds", "scripts"];
const linked = ["node_modules", "src", "test", "native", "docs", "tsconfig.base.json"];

/** Also gone when the command is interrupted. */
const builds = new Set();
process.once("exit", () => {
  for (const directory of builds) rmSync(directory, { recursive: true, force: true });
});

/** The directory of a fresh copy. */
export function copyBuild() {
  // A temporary directory may itself be a link, and modules know their real address.
  const directory = mkdtempSync(path.join(realpathSync(tmpdir()), "ringwall-mutant-"));
  builds.add(directory);
  for (const name of copied) if (existsSync(path.join(root, name))) cpSync(path.join(root, name), path.join(directory, name), { recursive: true, preserveTimestamps: true });
  for (const name of linked) if (existsSync(path.join(root, name))) symlinkSync(path.join(root, name), path.join(directory, name));
  return directory;
}

export function discardBuild(directory) {
  rmSync(directory, { recursive: true, force: true });
  builds.delete(directory);
}

/** Compiles the mutant's edits into the build. Null, or why it can't be done. */
export async function breakBuild(directory, mutant) {
  const broken = editedSources(mutant);
  if (typeof broken === "string") return broken;
  // Only now: a clone without dependencies has none until setup.
  const { default: typescript } = await import("typescript");
  const { config } = typescript.readConfigFile(path.join(root, "tsconfig.base.json"), typescript.sys.readFile);
  const { options } = typescript.convertCompilerOptionsFromJson(config.compilerOptions, root);
  // One file alone does not show the compiler that its package is of modules.
  options.module = typescript.ModuleKind.ESNext;
  options.moduleResolution = typescript.ModuleResolutionKind.Bundler;
  // A comment changed is nothing changed.
  options.removeComments = true;
  const compile = (text, file) => typescript.transpileModule(text, { compilerOptions: options, fileName: path.join(root, file), reportDiagnostics: true });
  for (const [file, { before, after }] of broken) {
    const { outputText, diagnostics = [] } = compile(after, file);
    if (diagnostics.length > 0) return `${file}: ${typescript.flattenDiagnosticMessageText(diagnostics[0].messageText, " ")}`;
    if (outputText === compile(before, file).outputText) return `${file}: the edit changes nothing that is compiled`;
    writeFileSync(path.join(directory, outputOf(file)), outputText);
  }
  return null;
}

/** Makes the build sound again. */
export function mendBuild(directory, { edits }) {
  for (const { file } of edits) if (existsSync(path.join(root, outputOf(file)))) copyFileSync(path.join(root, outputOf(file)), path.join(directory, outputOf(file)));
}

function outputOf(file) {
  return file.replace(/^src\//, "dist/").replace(/\.ts$/, ".js");
}

/** Source files before and after the mutant's edits, by path; or why an edit does not apply. */
export function editedSources({ edits }) {
  const sources = new Map();
  for (const { file, find, replace } of edits) {
    const full = path.join(root, file);
    if (!sources.has(file)) {
      if (!existsSync(full)) return `${file}: there is no such file`;
      const text = readFileSync(full, "utf8");
      sources.set(file, { before: text, after: text });
    }
    const source = sources.get(file);
    const count = source.before.split(find).length - 1;
    if (count !== 1) return `${file}: its text is there ${count} times, not once: ${JSON.stringify(find)}`;
    // A function: "$" in the replacement means itself.
    source.after = source.after.replace(find, () => replace);
  }
  return sources;
}

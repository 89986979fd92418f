// The layer rule: imports between the folders of src/ only go down.
//
// Owns: the table, and what a file may import by where it lies. Type-only imports count like any other.

/** From the top down. A folder imports itself and every lower row; folders of one row do not import each other. */
export const rows = [
  ["cli", "dashboard"],
  ["archive", "columns", "ship"],
  ["repair", "thread"],
  ["log", "recovery"],
  ["metrics"],
  ["storage"],
  ["core"],
  ["format"],
  ["base"],
  ["native"],
];

/** What a row's neighbours may nevertheless import: the log asks recovery for its verdict, never the reverse. */
const sameRowAllowed = new Set(["log→recovery"]);

/** Implementations behind one contract: none may know another, and only the choice between them knows all. */
const backends = new Set(["uring", "fs", "sim"]);
const backendChoice = "src/storage/choose.ts";

/** Files directly in src/: what users import. */
const publicEntries = new Set(["src/index.ts", "src/testing.ts"]);

export function checkLayers(tree) {
  const errors = [];
  let count = 0;
  for (const file of tree.sources) {
    const where = placeOf(file.path);
    if (where.kind === "stray") errors.push({ file: file.path, line: 1, message: where.message });
    for (const { target, line } of file.imports) {
      if (target === null) continue;
      count += 1;
      const message = target.startsWith("src/") ? violation(where, placeOf(target)) : `${target} lies outside src/`;
      if (message !== null) errors.push({ file: file.path, line, message });
    }
  }
  return { name: "layers", count, unit: "imports", errors };
}

function placeOf(file) {
  const [, folder, ...rest] = file.split("/");
  if (rest.length === 0) {
    if (publicEntries.has(file)) return { kind: "entry", file };
    return { kind: "stray", file, message: "only public entries lie directly in src/: move this file into the folder of its layer" };
  }
  const row = rows.findIndex((folders) => folders.includes(folder));
  if (row < 0) return { kind: "stray", file, message: `src/${folder}/ is not in the layer table` };
  return { kind: "layer", file, folder, row, backend: rest.length > 1 && folder === "storage" && backends.has(rest[0]) ? rest[0] : null };
}

/** Why `from` must not import `to`, or null. */
function violation(from, to) {
  // A stray file is an error of its own; what it imports can't be judged.
  if (from.kind === "stray" || to.kind === "stray") return null;
  if (to.kind === "entry") return from.kind === "entry" ? null : `${to.file} is for users: import what is needed from where it is`;
  if (from.kind === "entry") return null;
  if (from.folder === "storage" && to.backend !== null && to.backend !== from.backend && from.file !== backendChoice) {
    return `${from.backend === null ? from.file : `storage/${from.backend}`} must not import storage/${to.backend}: only ${backendChoice} knows the backends`;
  }
  if (to.folder === from.folder || to.row > from.row || sameRowAllowed.has(`${from.folder}→${to.folder}`)) return null;
  return `${from.folder}/ must not import ${to.folder}/: imports only go down (${to.row === from.row ? "both are in one row" : "it is above"})`;
}

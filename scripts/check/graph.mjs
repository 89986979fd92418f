// The import graph: no cycles, and no file that nobody reaches.
//
// Owns: both searches over the graph, and what counts as an entry. Type-only imports are edges too.

import { existsSync } from "node:fs";
import path from "node:path";

/** Started by `npm start`; package.json names it only inside a command line. */
const demoEntry = "src/cli/demo/main.ts";

/** Every cycle is reported once, at its first file, by a shortest way around. */
export function checkCycles(tree) {
  const edges = edgesOf(tree, (edge) => edge.kind === "import");
  const errors = [];
  const reported = new Set();
  for (const file of tree.sources) {
    if (reported.has(file.path)) continue;
    const cycle = shortestCycle(file.path, edges);
    if (cycle === null) continue;
    for (const member of cycle) reported.add(member);
    const first = file.imports.find(({ target }) => target === cycle[1 % cycle.length]);
    errors.push({ file: file.path, line: first?.line ?? 1, message: `import cycle: ${[...cycle, file.path].join(" → ")}` });
  }
  return { name: "cycles", count: tree.sources.length, unit: "files", errors };
}

/** A way from `start` back to itself, breadth first; null if there is none. The result starts with `start`. */
function shortestCycle(start, edges) {
  const cameFrom = new Map();
  const queue = [start];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const next of edges.get(at) ?? []) {
      if (next === start) return wayTo(at, start, cameFrom);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, at);
      queue.push(next);
    }
  }
  return null;
}

function wayTo(end, start, cameFrom) {
  const way = [end];
  while (way[0] !== start) way.unshift(cameFrom.get(way[0]));
  return way;
}

/** Every source must be reached from what package.json exposes, the demo, or a worker entry of a reached file. */
export function checkDeadFiles(tree) {
  const entries = entriesOf(tree);
  if (!entries.includes("src/index.ts")) {
    return { name: "dead files", count: 0, unit: "files", errors: [], note: "not judged: there is no src/index.ts yet" };
  }
  const edges = edgesOf(tree, () => true);
  const reached = new Set(entries);
  for (const file of reached) for (const next of edges.get(file) ?? []) reached.add(next);
  const errors = tree.sources
    .filter((file) => !reached.has(file.path))
    .map((file) => ({ file: file.path, line: 1, message: "dead file: no public entry reaches it" }));
  return { name: "dead files", count: tree.sources.length, unit: "files", errors };
}

/** Sources behind `exports` and `bin` of package.json, and the demo; those that exist. */
export function entriesOf(tree) {
  const outputs = [...strings(tree.manifest.exports), ...strings(tree.manifest.bin)];
  const sources = outputs
    .map((output) => path.posix.normalize(output))
    .filter((output) => output.startsWith("dist/") && output.endsWith(".js"))
    .map((output) => output.replace(/^dist\//, "src/").replace(/\.js$/, ".ts"));
  return [...new Set([...sources, demoEntry])].filter((source) => existsSync(path.join(tree.root, source)));
}

/** All strings in a value of package.json, however deep its conditions are nested. */
function strings(value) {
  if (typeof value === "string") return [value];
  return value !== null && typeof value === "object" ? Object.values(value).flatMap(strings) : [];
}

function edgesOf(tree, wanted) {
  const known = new Set(tree.sources.map((file) => file.path));
  return new Map(
    tree.sources.map((file) => [
      file.path,
      file.imports.filter((edge) => wanted(edge) && known.has(edge.target)).map((edge) => edge.target),
    ]),
  );
}

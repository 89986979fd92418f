// All structure checks over one tree: what `npm run check` prints and test/structure asserts.

import { checkCycles, checkDeadFiles } from "./graph.mjs";
import { checkLayers } from "./layers.mjs";
import { checkPurity } from "./purity.mjs";
import { checkFileLength, checkFunctionLength, checkNames } from "./size.mjs";
import { readTree } from "./source.mjs";

const checks = [checkLayers, checkPurity, checkCycles, checkDeadFiles, checkFileLength, checkFunctionLength, checkNames];

/** Runs every check over the tree below `root`. */
export function checkStructure(root) {
  const tree = readTree(root);
  return checks.map((check) => {
    const started = performance.now();
    const result = check(tree);
    return { ...result, seconds: (performance.now() - started) / 1000 };
  });
}

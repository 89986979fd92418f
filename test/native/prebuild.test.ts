// What was built loads under every C library: it needs none.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { skip } from "./addon.js";

test("prebuild: needs no library and asks only for Node-API and, weakly, libuv", { skip }, () => {
  const script = fileURLToPath(new URL("../../../scripts/check-prebuilds.mjs", import.meta.url));
  const result = spawnSync(process.execPath, [script, process.arch], { encoding: "utf8" });
  assert.equal(result.stderr, "");
  assert.equal(result.status, 0);
});

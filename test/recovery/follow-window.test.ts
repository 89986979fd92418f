// The stretch of a segment file that a follower has in memory, where the disk does not give all of it.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { segmentName } from "#src/format/names.js";
import { FollowWindow } from "#src/recovery/follow-window.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { FailingFiles } from "./failing-files.js";

const page = 4096;

test("a page that can't be read is zeros, what lies around it is there, and behind the file's end are zeros", async (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-window-"));
  t.after(() => { fs.rmSync(directory, { recursive: true }); });
  const file = path.join(directory, segmentName(1));
  fs.writeFileSync(file, Buffer.concat([1, 2, 3].map((value) => Buffer.alloc(page, value))));
  const files = new FailingFiles(nodeFileSystem());
  files.failReads(file, page + 512, page + 1024);
  const window = new FollowWindow(files, directory, 64 * 1024);
  assert.equal(await window.load(1, 0, 4 * page), true);
  const seen = [0, 1, 2, 3].map((at) => new Set(window.memory.bytes.subarray(at * page, (at + 1) * page)));
  assert.deepEqual(seen, [[1], [0], [3], [0]].map((values) => new Set(values)));
  assert.equal(await window.load(2, 0, page), false);
  await window.close();
});

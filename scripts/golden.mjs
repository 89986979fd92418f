// Builds the golden directories: `node scripts/golden.mjs [directory]`, by default test/golden/v<format version>.
//
// Two logs of this version's format, which every later version must open: one closed, one as a crash leaves it. Content,
// clock and uuid are fixed, so that building them again changes nothing but what the code writes differently.
// Run it once per format version, before its release; never over the directories of a version that was released.
// Segment files are almost all zeros: each file is kept gzipped.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { formatVersion } from "#src/format/version.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import { fsStorage } from "#src/storage/fs/fs-storage.js";
import { root } from "./setup.mjs";

const sizes = { segmentBytes: 1024 * 1024, bufferBytes: 16 * 1024, bufferCount: 4, lanes: 2 };
const firstMillis = Date.UTC(2026, 0, 1);

let millis = firstMillis;

/** A second between one operation and the next. */
function tick() {
  millis += 1000;
}

/** Timers never fire, so that no beacon comes in between. */
function fixedStorage() {
  const storage = fsStorage();
  return {
    ...storage,
    clock: { ...storage.clock, now: () => millis, after: () => () => undefined },
    randomUuid: () => Uint8Array.from({ length: 16 }, (_, index) => 16 * index + index),
    probe: async () => ({ flushMethod: "dsync", alignment: 4096, micros: {} }),
  };
}

async function withLog(directory, body) {
  const log = await Log.openOn({ storage: fixedStorage(), reason: "golden" }, directory, resolveOptions(sizes));
  await body(log);
  return log;
}

/** Something of everything that the format has. */
async function write(log) {
  const orders = log.partition("orders", { lane: 0 });
  const names = log.partition("Namen: ä 日本 😀", { lane: 0 });
  log.partition("new in a batch", { lane: 0 });
  const other = log.partition("on another lane", { lane: 1 });
  for (let seq = 1; seq <= 20; seq++) {
    tick();
    await orders.append(`order ${seq}`);
  }
  tick();
  await names.append("");
  tick();
  await names.append(Uint8Array.from({ length: 256 }, (_, index) => index));
  tick();
  await orders.truncate(15);
  for (let seq = 16; seq <= 18; seq++) {
    tick();
    await orders.append(`order ${seq}, anew`);
  }
  tick();
  await orders.trim(4);
  log.rotate();
  // In fragments over several blocks, and batches over partitions and blocks.
  tick();
  await orders.append("x".repeat(50_000));
  tick();
  await log.write([{ partition: "orders", data: "atomic 1" }, { partition: "Namen: ä 日本 😀", data: "atomic 2" }, { partition: "new in a batch", data: "atomic 3" }]);
  tick();
  await names.appendBatch(Array.from({ length: 30 }, (_, index) => `${index}`.padEnd(1000, "b")));
  tick();
  await other.append("alone");
  tick();
  await other.truncate(0);
  tick();
  await other.append("instead");
}

/** What is on disk when the process ends here: every file but the lock. */
function keep(directory, target) {
  fs.rmSync(target, { recursive: true, force: true });
  for (const entry of fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(directory, file);
    if (!entry.isFile() || name.startsWith("lock")) continue;
    fs.mkdirSync(path.dirname(path.join(target, name)), { recursive: true });
    fs.writeFileSync(path.join(target, `${name}.gz`), gzipSync(fs.readFileSync(file), { level: 9 }));
  }
}

async function build(target) {
  millis = firstMillis;
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-golden-"));
  try {
    const closed = path.join(scratch, "closed");
    await (await withLog(closed, write)).close();
    // A second epoch, so that a log of several is there too.
    await (await withLog(closed, async (log) => {
      tick();
      await log.partition("orders").append("second epoch");
    })).close();
    keep(closed, path.join(target, "closed"));

    millis = firstMillis;
    const unclean = path.join(scratch, "unclean");
    await (await withLog(unclean, write)).close();
    const log = await withLog(unclean, async (open) => {
      tick();
      await open.partition("orders").append("second epoch, never closed");
      tick();
      await open.partition("orders").append("the last one acknowledged");
    });
    keep(unclean, path.join(target, "unclean"));
    await log.close();
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
}

if (process.argv[1] !== undefined && path.basename(process.argv[1]) === "golden.mjs") {
  await build(path.resolve(process.argv[2] ?? path.join(root, `test/golden/v${formatVersion}`)));
}

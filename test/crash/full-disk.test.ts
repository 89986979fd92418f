// A writer that dies while its disk is full, by the refusal or killed: the log opens on the full disk or says that it is full, and with space everything
// acknowledged is there.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { Log, RingwallError } from "#src/index.js";
import { backends } from "./backends.js";
import { Disk, diskRefusal, makeImage } from "./disk.js";
import { History } from "./history.js";
import { optionSets, type OptionSet } from "./option-sets.js";
import { Tally } from "./tally.js";
import { onTeardown } from "./teardown.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-full-"));
onTeardown(() => fs.rmSync(root, { recursive: true, force: true }));
const usual = optionSets[0] as OptionSet;
const refusal = diskRefusal("ext4");
const mebibyte = 1024 * 1024;

/** Takes every free byte of the file system. */
function fill(file: string): void {
  const descriptor = fs.openSync(file, "w");
  try {
    for (let bytes = mebibyte; bytes >= 1024; ) {
      try {
        fs.writeSync(descriptor, Buffer.alloc(bytes, 1));
      } catch {
        bytes /= 2;
      }
    }
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

describe("dead on a full disk", refusal === null ? {} : { skip: refusal }, () => {
  for (const backend of backends) {
    test(`${backend}: reopened while it is full and with space again, nothing acknowledged is lost`, async (t) => {
      const image = path.join(root, `${backend}.image`);
      await makeImage(image, "ext4", 24 * mebibyte);
      const disk = new Disk(image);
      await disk.mount();
      const ballast = path.join(disk.mountPoint, "ballast");
      const tally = new Tally();
      // A writer that is refused ends as it is, without closing anything.
      const history = new History({ directory: disk.directory, seed: 11, set: usual, tally, failuresAllowed: ["RINGWALL_DISK_FULL"] });
      const refusals: string[] = [];
      for (let round = 0; round < 3; round++) {
        const writer = history.start(backend);
        await writer.open();
        fill(ballast);
        // It goes on in what it had prepared, and then is refused, or is killed in the middle of it.
        const timer = setTimeout(() => writer.kill(), 150);
        const ended = await history.finish(writer);
        clearTimeout(timer);
        refusals.push(ended.failure?.code ?? "killed");
        await history.check("read-only", backend);
        try {
          const log = await Log.open(disk.directory, { ...usual.options, backend });
          await log.close();
        } catch (error) {
          assert.ok(error instanceof RingwallError && error.code === "RINGWALL_DISK_FULL", String(error));
          refusals.push("open refused");
        }
        await history.check("read-only", backend);
        fs.rmSync(ballast);
        await history.check("writable", backend);
      }
      t.diagnostic(`${refusals.join(", ")}; ${String(tally)}`);
      assert.ok(tally.acknowledgedRecords > 0);
      await disk.detach();
    });
  }
});

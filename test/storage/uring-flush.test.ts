// What the io_uring writer asks the kernel for before it delivers a write, seen in the ring's entries, and what it makes
// of a kernel that does less than it was asked for.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { entryFlag, fsyncDataOnly, writeDsync } from "#src/storage/uring/kernel-interface.js";
import { binding } from "../native/addon.js";
import { skip } from "../native/uring.js";
import { unit, WatchedWriter, type Meddler } from "./watched-ring.js";

type Method = "dsync" | "linked" | "separate";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-flush-"));
after(() => fs.rmSync(directory, { recursive: true, force: true }));
const blockBytes = 4 * unit;
/** IOSQE_IO_HARDLINK: behind it a sync returns 0 after a short write. */
const hardLink = 8;

/** Of the file that the latest `writeOne` writes. */
let target = "";

/** Writes one block; the file's content comes back with what was seen. */
async function writeOne(method: Method, meddle?: Meddler): Promise<{ readonly watched: WatchedWriter; readonly content: Buffer }> {
  const watched = new WatchedWriter(binding(), method, meddle);
  const { writer } = watched;
  target = path.join(directory, `segment-${String(Math.random()).slice(2)}`);
  fs.writeFileSync(target, Buffer.alloc(8 * unit));
  const file = await writer.openFile(target);
  for (let index = 0; index < blockBytes / 4; index++) writer.memory.words[index] = index + 1;
  writer.write(file, unit, 0, blockBytes, 0);
  await watched.delivered(1);
  await writer.close();
  return { watched, content: contentNow() };
}

function contentNow(): Buffer {
  return fs.readFileSync(target).subarray(unit, unit + blockBytes);
}

/** What went in, as words: "write 16384", "sync". */
function words({ taken }: WatchedWriter): string[] {
  return taken.map(({ kind, bytes }) => (kind === "sync" ? "sync" : `write ${bytes}`));
}

function demandWhole(content: Buffer): void {
  for (let index = 0; index < blockBytes / 4; index++) assert.equal(content.readUInt32LE(index * 4), index + 1, `word ${index}`);
}

/** Each entry asks for its flush as its method does, and none went in behind the acknowledgement. */
function demandFlushed(watched: WatchedWriter, method: Method): void {
  for (const entry of watched.taken) {
    assert.equal(entry.delivered, 0, "delivered before everything was asked for");
    assert.equal(entry.flags & hardLink, 0);
    if (entry.kind === "sync") assert.equal(entry.operationFlags, fsyncDataOnly);
    else assert.equal(entry.operationFlags, method === "dsync" ? writeDsync : 0);
  }
}

describe("flushes that the kernel is asked for", { skip }, () => {
  const usual: Readonly<Record<Method, string[]>> = { dsync: ["write 16384"], linked: ["write 16384", "sync"], separate: ["write 16384", "sync"] };
  for (const method of ["dsync", "linked", "separate"] as const) {
    test(`${method}: a write is delivered when it and its flush are through`, async () => {
      const together: number[] = [];
      const { watched, content } = await writeOne(method, (entries) => void together.push(entries.length));
      assert.deepEqual(watched.errors, [null]);
      assert.deepEqual(words(watched), usual[method]);
      assert.deepEqual(together, method === "separate" ? [1, 1] : [usual[method].length]);
      assert.equal((watched.taken[0]?.flags ?? 0) & entryFlag.link, method === "linked" ? entryFlag.link : 0);
      demandFlushed(watched, method);
      demandWhole(content);
    });

    test(`${method}: of a short write the rest is written and flushed before it is delivered`, async () => {
      const { watched, content } = await writeOne(method, ([first], call) => void (call === 0 && first?.shorten(unit)));
      assert.deepEqual(watched.errors, [null]);
      const rest = method === "linked" ? ["sync", "write 12288", "sync"] : method === "dsync" ? ["write 12288"] : ["write 12288", "sync"];
      assert.deepEqual(words(watched), ["write 16384", ...rest]);
      demandFlushed(watched, method);
      demandWhole(content);
    });

    test(`${method}: a write that fails is told`, async () => {
      const { watched } = await writeOne(method, ([first]) => void first?.spoil());
      assert.equal(watched.errors[0]?.code, "RINGWALL_IO");
      assert.equal(watched.taken.filter(({ kind }) => kind === "write").length, 1);
    });
  }

  for (const method of ["linked", "separate"] as const) {
    test(`${method}: a sync that fails is told, and not tried again`, async () => {
      let spoiled = 0;
      const { watched } = await writeOne(method, (entries) => {
        // One only: a second one would succeed, and prove nothing.
        for (const entry of entries) if (entry.kind === "sync" && spoiled++ === 0) entry.spoil();
        return undefined;
      });
      assert.equal(watched.errors[0]?.code, "RINGWALL_IO");
      assert.deepEqual(words(watched), ["write 16384", "sync"]);
    });
  }

  for (const method of ["dsync", "linked", "separate"] as const) {
    test(`${method}: parts that are written together are one write, and all are delivered behind its flush, also after a short one`, async () => {
      const watched = new WatchedWriter(binding(), method, ([first], call) => void (call === 0 && first?.shorten(1)));
      const { writer } = watched;
      target = path.join(directory, `segment-${String(Math.random()).slice(2)}`);
      fs.writeFileSync(target, Buffer.alloc(8 * unit));
      const file = await writer.openFile(target);
      for (let index = 0; index < blockBytes / 4; index++) writer.memory.words[index] = index + 1;
      writer.writeTogether(file, unit, [0, 1, 2, 3].map((part) => ({ start: part * unit, bytes: unit, token: part })));
      await watched.delivered(4);
      await writer.close();
      assert.deepEqual(watched.errors, [null, null, null, null]);
      // Of a vector the entry's length is its number of parts.
      const rest = method === "linked" ? ["sync", "write 3", "sync"] : method === "dsync" ? ["write 3"] : ["write 3", "sync"];
      assert.deepEqual(words(watched), ["write 4", ...rest]);
      demandFlushed(watched, method);
      demandWhole(contentNow());
    });
  }

  test("linked: where the kernel takes a write without its sync, the sync goes in when the write is through", async () => {
    const { watched, content } = await writeOne("linked", (_entries, call) => {
      if (call === 0) return 1;
      demandWhole(contentNow());
      return undefined;
    });
    assert.deepEqual(watched.errors, [null]);
    assert.deepEqual(words(watched), ["write 16384", "sync"]);
    demandWhole(content);
  });
});

// Scanning: the same bytes as reading, whatever is cached; and past the page cache where nothing is.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { loadNative, type NativeBinding } from "#src/native/binding.js";
import { pageMemory } from "#src/storage/page-memory.js";
import { scanningFileSystem } from "#src/storage/scan-file.js";

const directory = mkdtempSync(path.join(tmpdir(), "ringwall-scan-"));
after(() => rmSync(directory, { recursive: true }));

const mebibyte = 1024 * 1024;
const native = loadNative();

function fileOf(name: string, bytes: number): { readonly file: string; readonly content: Buffer } {
  const file = path.join(directory, name);
  const content = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) content.writeUInt32LE((at * 2654435761) >>> 0, at);
  writeFileSync(file, content);
  const descriptor = openSync(file, "r+");
  fsyncSync(descriptor);
  closeSync(descriptor);
  return { file, content };
}

/** Throws the file out of the page cache. */
function drop(file: string): void {
  execFileSync("dd", [`if=${file}`, "iflag=nocache", "count=0", "status=none"]);
}

function cachedPages(binding: NativeBinding, file: string, bytes: number): number {
  const descriptor = openSync(file, "r");
  try {
    return binding.cachedPages(descriptor, 0, 0, bytes);
  } finally {
    closeSync(descriptor);
  }
}

async function scan(file: string, into: Uint8Array, position: number): Promise<Uint8Array> {
  const opened = await scanningFileSystem().open(file, "scan");
  try {
    return into.subarray(0, await opened.readAt(into, position));
  } finally {
    await opened.close();
    await opened.close();
  }
}

test("every place and length, cached and not: the bytes of the file, and fewer at its end only", async () => {
  const { file, content } = fileOf("odd", 5 * mebibyte + 1234);
  const memory = new Uint8Array(pageMemory(8 * mebibyte));
  const places = [[0, 4], [0, 8], [1, 4], [4, 4], [5, 1], [2.5, 1.5], [6, 1]].map((place) => place.map((mebibytes) => mebibytes * mebibyte) as [number, number]);
  places.push([100, 2 * mebibyte], [4096, 2 * mebibyte + 8], [5 * mebibyte + 1234, mebibyte], [0, 10]);
  for (const [position, bytes] of places) {
    for (const isCached of [false, true]) {
      if (!isCached) drop(file);
      memory.fill(0xee);
      const read = await scan(file, memory.subarray(0, bytes), position);
      assert.ok(Buffer.from(read).equals(content.subarray(position, position + bytes)), `${String(bytes)} at ${String(position)}, ${isCached ? "cached" : "not cached"}`);
      assert.ok(memory.subarray(bytes).every((byte) => byte === 0xee), "nothing behind it is touched");
    }
  }
  const unaligned = new Uint8Array(memory.buffer, 8, 2 * mebibyte);
  drop(file);
  assert.ok(Buffer.from(await scan(file, unaligned, 0)).equals(content.subarray(0, 2 * mebibyte)));
});

test("a file that shrinks under the scan gives what is left", async () => {
  const { file, content } = fileOf("shrinking", 4 * mebibyte);
  const opened = await scanningFileSystem().open(file, "scan");
  truncateSync(file, 2 * mebibyte + 4096);
  drop(file);
  const into = new Uint8Array(pageMemory(4 * mebibyte));
  assert.equal(await opened.readAt(into, 0), 2 * mebibyte + 4096);
  assert.ok(Buffer.from(into.subarray(0, 2 * mebibyte + 4096)).equals(content.subarray(0, 2 * mebibyte + 4096)));
  await opened.close();
  await assert.rejects(opened.readAt(into, 0), { code: "RINGWALL_CLOSED" });
});

test("what is not cached is read past the cache, and what is cached out of it", { skip: native.kind === "absent" ? native.reason : false }, async (t) => {
  const { binding } = native as Extract<typeof native, { kind: "loaded" }>;
  const { file } = fileOf("cold", 8 * mebibyte);
  const pages = cachedPages(binding, file, 8 * mebibyte);
  if (pages < 0) return t.skip(`cachestat: errno ${String(-pages)}: before Linux 6.5`);
  assert.equal(pages, 2048);
  const into = new Uint8Array(pageMemory(4 * mebibyte));
  drop(file);
  await scan(file, into, 0);
  assert.ok(cachedPages(binding, file, 8 * mebibyte) < 64, "the scan brought nothing into the cache");
});

test("a file that is not there is NOT_FOUND", async () => {
  await assert.rejects(scanningFileSystem().open(path.join(directory, "none"), "scan"), { code: "RINGWALL_NOT_FOUND" });
});

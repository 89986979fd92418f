// The superblock file: what can be read from it after damage and crashes, and the order in which it is written.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { crc32c } from "#src/base/crc32c.js";
import type { Superblock } from "#src/format/superblock.js";
import { createSuperblock, readSuperblock, writeSuperblock } from "#src/recovery/superblock-file.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import type { FileSystem } from "#src/storage/storage.js";
import { FailingFiles } from "./failing-files.js";

const files = nodeFileSystem();
const page = 4096;

function superblock(sequence: number): Superblock {
  const lane = { epoch: sequence, state: "open", epochSegment: 3, epochOffset: 8192, epochBlock: 17, horizon: 16, firstSegment: 2, blocksInFlightMax: 4 } as const;
  return { uuid: new Uint8Array(16).fill(9), sequence, alignment: page, flushMethod: "dsync", created: 1, lanes: [lane, { ...lane, state: "closed" }] };
}

async function inDirectory(body: (directory: string, file: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), "ringwall-superblock-"));
  try {
    await body(directory, path.join(directory, "superblock"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A disk that stops after `left` more operations on files: the next write is cut at `cut` bytes, or no sector of it is right, and everything after fails. */
function stopping(left: number, cut: number | "garbled"): { files: FileSystem; trace: string[] } {
  const trace: string[] = [];
  const stop = new Error("power failed");
  let rest = left;
  return {
    trace,
    files: {
      ...files,
      open: async (name, mode) => {
        const file = await files.open(name, mode);
        return {
          path: name,
          size: () => file.size(),
          readAt: (into, position) => file.readAt(into, position),
          close: () => file.close(),
          writeAt: async (bytes, position) => {
            if (rest < 0) throw stop;
            trace.push(`write ${String(position / page)}`);
            if (rest-- === 0) {
              await file.writeAt(cut === "garbled" ? bytes.slice().fill(0x5a) : bytes.subarray(0, cut), position);
              rest = -1;
              throw stop;
            }
            await file.writeAt(bytes, position);
          },
          sync: async () => {
            if (rest < 0 || rest-- === 0) throw stop;
            trace.push("sync");
            await file.sync();
          },
        };
      },
    },
  };
}

test("what was created is read, and what was changed after it", async () => {
  await inDirectory(async (directory) => {
    await createSuperblock(files, directory, superblock(1));
    assert.deepEqual(await readSuperblock(files, directory), { kind: "valid", superblock: superblock(1), damagedCopies: [] });
    await writeSuperblock(files, directory, superblock(2));
    assert.deepEqual((await readSuperblock(files, directory)).superblock, superblock(2));
  });
});

test("a change is durable in one pair of copies before the other pair is touched", async () => {
  await inDirectory(async (directory) => {
    await createSuperblock(files, directory, superblock(1));
    const { files: watched, trace } = stopping(100, 0);
    await writeSuperblock(watched, directory, superblock(2));
    assert.deepEqual(trace, ["write 0", "sync", "write 2", "sync"]);
  });
});

test("power fails at any step of a change, with any part of the write on disk: one whole generation is left, and the next change heals it", async () => {
  await inDirectory(async (directory) => {
    for (let step = 0; step < 4; step++) {
      for (let cut = 0; cut <= 2 * page; cut += 512) {
        rmSync(path.join(directory, "superblock"), { force: true });
        await createSuperblock(files, directory, superblock(1));
        await assert.rejects(writeSuperblock(stopping(step, cut).files, directory, superblock(2)), /power failed/);
        const first = (await readSuperblock(files, directory)).superblock.sequence;
        assert.ok(first === 1 || first === 2);
        // A second crash, with the pair that survived the first one now going first or second.
        await assert.rejects(writeSuperblock(stopping(0, cut).files, directory, superblock(3)), /power failed/);
        const second = (await readSuperblock(files, directory)).superblock.sequence;
        assert.ok(second >= first, `step ${String(step)} cut ${String(cut)}: ${String(second)} after ${String(first)}`);
        await writeSuperblock(files, directory, superblock(4));
        assert.deepEqual(await readSuperblock(files, directory), { kind: "valid", superblock: superblock(4), damagedCopies: [] });
      }
    }
  });
});

test("power fails between the pairs of a change, and again in the next one's first write, of which no sector is right: the newer generation is left", async () => {
  await inDirectory(async (directory) => {
    await createSuperblock(files, directory, superblock(1));
    // One pair has generation 2, the other still 1.
    await assert.rejects(writeSuperblock(stopping(2, 0).files, directory, superblock(2)), /power failed/);
    await assert.rejects(writeSuperblock(stopping(0, "garbled").files, directory, superblock(3)), /power failed/);
    const { superblock: left, damagedCopies } = await readSuperblock(files, directory);
    assert.deepEqual([left.sequence, damagedCopies.length], [2, 2]);
    await writeSuperblock(files, directory, superblock(4));
    assert.deepEqual((await readSuperblock(files, directory)).damagedCopies, []);
  });
});

test("any one of the four copies is enough", async () => {
  await inDirectory(async (directory, file) => {
    await createSuperblock(files, directory, superblock(1));
    const good = readFileSync(file);
    for (let kept = 0; kept < 4; kept++) {
      const bytes = Buffer.alloc(4 * page, 0x5a);
      good.copy(bytes, kept * page, kept * page, (kept + 1) * page);
      writeFileSync(file, bytes);
      const read = await readSuperblock(files, directory);
      assert.deepEqual([read.superblock, read.damagedCopies], [superblock(1), [0, 1, 2, 3].filter((copy) => copy !== kept)]);
    }
  });
});

test("unreadable sectors cost their copies only", async () => {
  await inDirectory(async (directory, file) => {
    await createSuperblock(files, directory, superblock(1));
    const failing = new FailingFiles(files);
    failing.failReads(file, 0, 2 * page + 1);
    assert.deepEqual((await readSuperblock(failing, directory)).damagedCopies, [0, 1, 2]);
    failing.failReads(file, 0, 4 * page);
    await assert.rejects(readSuperblock(failing, directory), { code: "RINGWALL_DAMAGED", message: /none of the four copies.*can be read/ });
  });
});

test("verdicts: missing, foreign, newer, damaged; each with place and remedy", async () => {
  await inDirectory(async (directory, file) => {
    await assert.rejects(readSuperblock(files, directory), { code: "RINGWALL_NOT_FOUND" });
    writeFileSync(file, "something else");
    await assert.rejects(readSuperblock(files, directory), { code: "RINGWALL_NOT_A_LOG", place: { path: file } });
    await createSuperblock(files, directory, superblock(1));
    const good = readFileSync(file);
    for (let copy = 0; copy < 4; copy++) good[copy * page + 200] = 0xff;
    writeFileSync(file, good);
    await assert.rejects(readSuperblock(files, directory), { code: "RINGWALL_DAMAGED", message: /copy.*ringwall repair/ });
    truncateSync(file, 3000);
    await assert.rejects(readSuperblock(files, directory), { code: "RINGWALL_NOT_A_LOG" });
    for (let copy = 0; copy < 4; copy++) {
      good.writeUInt32LE(2, copy * page + 12);
      good.writeUInt32LE(crc32c(good.subarray(copy * page, (copy + 1) * page), 0, 12), copy * page + 8);
    }
    writeFileSync(file, good);
    await assert.rejects(readSuperblock(files, directory), { code: "RINGWALL_NEWER_FORMAT", message: /version 2.*newer version/ });
  });
});

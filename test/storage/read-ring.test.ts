// What only a ring can meet: completions that come late, short or not at all, a kernel that takes no entry, an end in the middle.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { NativeBinding } from "#src/native/binding.js";
import type { ReadRequest } from "#src/storage/node-files.js";
import { openReadRing, slotBytes, type ReadRing } from "#src/storage/uring/read-ring.js";
import { entryWords } from "#src/storage/uring/kernel-interface.js";
import { UringReads } from "#src/storage/uring/uring-reads.js";
import { holdings } from "../leaks/holdings.js";
import { binding } from "../native/addon.js";
import { skip } from "../native/uring.js";

const eagain = 11;
const noDescriptor = 0x7fff_ffff;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-read-ring-"));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

const content = Buffer.from(Uint32Array.from({ length: 512 * 1024 }, (_, index) => index * 2654435761).buffer);
const target = path.join(directory, "content");
fs.writeFileSync(target, content);
const descriptor = fs.openSync(target, "r");
after(() => fs.closeSync(descriptor));

let fifos = 0;
/** Reads from it stay in flight until something is written. */
function openFifo(): number {
  const fifo = path.join(directory, `fifo-${String(++fifos)}`);
  execFileSync("mkfifo", [fifo]);
  return fs.openSync(fifo, "r+");
}

/** Looks at the entries that go in together, or alters them; a number is what the kernel answers instead of taking them. */
type Meddler = (entries: readonly Uint32Array[], call: number) => number | undefined;

function meddled(meddle: Meddler): NativeBinding {
  const native = binding();
  let words = new Uint32Array(0);
  let at = 0;
  let calls = 0;
  return {
    ...native,
    ringMap: (ring, bytes, offset) => {
      const mapped = native.ringMap(ring, bytes, offset);
      if (offset !== 0 && typeof mapped !== "number") words = new Uint32Array(mapped);
      return mapped;
    },
    ringEnter: (ring, count, wait, flags) => {
      if (count === 0) return native.ringEnter(ring, count, wait, flags);
      const entries = Array.from({ length: count }, (_, index) => words.subarray(((at + index) * entryWords) % words.length, (((at + index) * entryWords) % words.length) + entryWords));
      const answer = meddle(entries, calls++);
      if (answer !== undefined && answer < 0) return answer;
      const taken = native.ringEnter(ring, answer ?? count, wait, flags);
      at += Math.max(0, taken);
      return taken;
    },
  };
}

function open(native: NativeBinding = binding(), registeredBuffers = true): ReadRing {
  const verdict = openReadRing(native, { registeredBuffers });
  if (verdict.kind === "refused") throw new Error(verdict.reason);
  return verdict.ring;
}

function request(position: number, bytes: number, from: number = descriptor): ReadRequest {
  return { descriptor: from, path: target, into: new Uint8Array(bytes), position };
}

async function demand(ring: ReadRing, position: number, bytes: number): Promise<void> {
  const wanted = request(position, bytes);
  assert.equal(await ring.read(wanted), Math.max(0, Math.min(bytes, content.length - position)));
  assert.ok(Buffer.from(wanted.into).equals(Buffer.concat([content.subarray(position, position + bytes)], bytes)), `${String(bytes)} at ${String(position)}`);
}

describe("read ring", { skip }, () => {
  for (const isRegistered of [true, false]) {
    test(`memory ${isRegistered ? "" : "not "}registered: more reads at once than slots, up to a whole slot, and across the end`, async () => {
      const ring = open(binding(), isRegistered);
      assert.ok(ring.notes.includes(isRegistered ? "registered buffers: on" : "registered buffers: off: not wanted"), ring.notes.join());
      await Promise.all(Array.from({ length: 300 }, (_, index) => demand(ring, index * 7919, 1 + ((index * 3571) % slotBytes))));
      await demand(ring, content.length - 5, 10);
      await demand(ring, content.length + 5, 10);
      await ring.close();
    });
  }

  test("reads that are asked for in one turn, are one submission", async () => {
    const submissions: number[] = [];
    const ring = open(meddled((entries) => void submissions.push(entries.length)));
    const fifo = openFifo();
    const read = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) assert.equal(await ring.read(request(0, 1, fifo)), 1);
    };
    const readers = Array.from({ length: 8 }, read);
    await Promise.resolve();
    await Promise.resolve();
    assert.deepEqual(submissions, [8]);
    fs.writeSync(fifo, Buffer.alloc(24));
    await Promise.all(readers);
    assert.equal(submissions.reduce((sum, entries) => sum + entries, 0), 24);
    await ring.close();
    fs.closeSync(fifo);
  });

  test("of a short read the rest is read, and a submission that is refused is done without the ring", async () => {
    const asked: number[][] = [];
    const ring = open(meddled((entries, call) => {
      asked.push(entries.map((words) => words[6] as number));
      if (call === 0) (entries[0] as Uint32Array)[6] = 1000;
      return call === 2 ? -eagain : undefined;
    }));
    await demand(ring, 4096, 8192);
    assert.deepEqual(asked, [[8192], [7192]]);
    await Promise.all([demand(ring, 0, 100), demand(ring, 1000, 100)]);
    await Promise.all([demand(ring, 0, 100), demand(ring, 1000, 100)]);
    assert.deepEqual(asked.slice(2), [[100, 100], [100, 100]]);
    await ring.close();
  });

  test("a kernel that takes some entries only: the others are done without the ring, each read once", async () => {
    const ring = open(meddled((_entries, call) => (call === 0 ? 3 : undefined)));
    await Promise.all(Array.from({ length: 8 }, (_, index) => demand(ring, index * 5000, 3000)));
    await demand(ring, 77, 3000);
    await ring.close();
  });

  test("a read that the device fails is RINGWALL_IO with its place, and the next one works", async () => {
    const ring = open(meddled((entries, call) => void (call === 0 && ((entries[0] as Uint32Array)[1] = noDescriptor))));
    await assert.rejects(ring.read(request(4096, 100)), (error: Error & { code?: string; place?: object }) => {
      assert.equal(error.code, "RINGWALL_IO");
      assert.match(error.message, /read 100 bytes.*EBADF/s);
      assert.deepEqual(error.place, { path: target, offset: 4096 });
      return true;
    });
    await demand(ring, 4096, 100);
    await ring.close();
  });

  test("slots that are all in flight make the others wait, and closing waits for all of them", async () => {
    const ring = open();
    const fifo = openFifo();
    const reads = Array.from({ length: 40 }, () => ring.read(request(0, 1, fifo)));
    let isClosed = false;
    const closing = ring.close().then(() => (isClosed = true));
    // By libuv's threads now, without a slot.
    await demand(ring, 0, 5000);
    assert.equal(isClosed, false);
    fs.writeSync(fifo, Buffer.alloc(40, 9));
    assert.deepEqual(await Promise.all(reads), new Array(40).fill(1));
    await closing;
    fs.closeSync(fifo);
  });

  test("a ring that is refused: reads come by node:fs, and a note says why", async () => {
    const reads = new UringReads({ ...binding(), readAt: () => -eagain, ringSetup: () => -12 }, { registeredBuffers: true });
    assert.deepEqual(reads.notes, []);
    const wanted = request(5000, 5000);
    assert.equal(await reads.way.wait(wanted), 5000);
    assert.ok(content.subarray(5000, 10000).equals(wanted.into));
    assert.deepEqual(reads.notes, ["reads: node:fs: io_uring_setup: ENOMEM"]);
    await reads.close();
  });

  test("memory that may not be registered: reads go through the ring without, and a note says why", async () => {
    const reads = new UringReads({ ...binding(), readAt: () => -eagain, ringRegisterBuffers: () => -12 }, { registeredBuffers: true });
    const wanted = request(5000, 5000);
    assert.equal(await reads.way.wait(wanted), 5000);
    assert.ok(content.subarray(5000, 10000).equals(wanted.into));
    assert.match(reads.notes.join(), /reads: registered buffers: off: ENOMEM/);
    await reads.close();
    assert.equal(await reads.way.wait(wanted), 5000, "without a ring once it is closed");
  });

  test("a Worker is terminated with reads in flight: its ring is gone and the process goes on", async () => {
    const program = fileURLToPath(new URL("read-ring-worker.js", import.meta.url));
    const fifo = openFifo();
    const before = await holdings();
    for (let round = 0; round < 4; round++) {
      const worker = new Worker(program, { workerData: { fifo } });
      await once(worker, "message");
      assert.ok((await holdings()).rings > before.rings);
      await worker.terminate();
      // Whatever a read of the dead still brings must not land anywhere.
      fs.writeSync(fifo, Buffer.alloc(4096, 7));
      fs.readSync(fifo, Buffer.alloc(4096));
    }
    assert.equal((await holdings()).rings, before.rings);
    fs.closeSync(fifo);
  });
});

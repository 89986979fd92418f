// A page that the kernel could not write back while other blocks of the same file were on their way: the block whose page it is
// must hear of it, whoever else does. The kernel tells each open file once: docs/DURABILITY.md, "Who hears of a failed flush".

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { chooseStorage } from "#src/storage/choose.js";
import type { RingwallError } from "#src/base/errors.js";
import { noteOf } from "#src/storage/features.js";
import type { WriterFlush } from "#src/storage/storage.js";
import { backends, type Backend } from "./backends.js";
import { FailingDisk, failingDiskRefusal } from "./failing-disk.js";
import { onTeardown } from "./teardown.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-writeback-"));
onTeardown(() => fs.rmSync(root, { recursive: true, force: true }));
const refusal = failingDiskRefusal();
const options = refusal === null ? {} : { skip: refusal };
const eio = os.constants.errno.EIO;

const blocks = 4;
const blockBytes = 4096;
/** Blocks lie apart, so that the device gets them one by one. */
const strideBytes = 256 * 1024;
const rounds = 12;

interface Round {
  readonly backend: Backend;
  readonly flush: WriterFlush;
  readonly round: number;
}

interface Outcome {
  /** Of each block. */
  readonly errors: readonly (RingwallError | null)[];
  /** Of three syncs at once after all blocks. */
  readonly syncs: readonly PromiseSettledResult<void>[];
}

/** Writes blocks at once to a fresh file while the device refuses one of them. */
async function writeAtOnce(disk: FailingDisk, { backend, flush, round }: Round): Promise<Outcome> {
  const target = path.join(disk.disk.mountPoint, "file");
  const descriptor = fs.openSync(target, "w");
  fs.writeSync(descriptor, Buffer.alloc(blocks * strideBytes));
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
  const { storage } = chooseStorage({ backend });
  const errors = new Array<RingwallError | null>(blocks).fill(null);
  let left = blocks;
  let settle = (): void => undefined;
  const done = new Promise<void>((resolve) => (settle = resolve));
  const writer = storage.createWriter({
    bufferBytes: blockBytes, bufferCount: blocks, writesInFlight: blocks, flush,
    // Smaller than the device's sectors: io_uring goes through the page cache as node:fs does.
    alignment: 512,
    onWritten: (token, error) => {
      errors[token] = error;
      if (--left === 0) settle();
    },
    onBatchEnd: () => undefined,
  });
  const file = await writer.openFile(target);
  if (backend === "uring") assert.ok(writer.features.some(({ name, isOn }) => name === "direct I/O" && !isOn), writer.features.map(noteOf).join());
  await disk.device.command({ kind: "refuse", word: "victim", errno: eio });
  for (let block = 0; block < blocks; block++) {
    const text = block === round % blocks ? "victim" : "other";
    writer.memory.bytes.fill(0, block * blockBytes, (block + 1) * blockBytes);
    writer.memory.bytes.set(Buffer.from(`${text} ${round}`), block * blockBytes);
  }
  for (let block = 0; block < blocks; block++) writer.write(file, block * strideBytes, block * blockBytes, blockBytes, block);
  await done;
  const syncs = await Promise.allSettled([1, 2, 3].map(() => writer.syncFile(file)));
  await storage.close();
  return { errors, syncs };
}

describe("writeback fails under one of several blocks in flight", options, () => {
  for (const backend of backends) {
    for (const flush of ["dsync", "linked", "separate"] as const) {
      test(`${backend}, ${flush}: the block whose page is lost is reported, ${rounds} times of ${rounds}`, async (t) => {
        const disk = await FailingDisk.mount(path.join(root, `${backend}-${flush}`));
        const silent: string[] = [];
        let reported = 0;
        for (let round = 0; round < rounds; round++) {
          const { errors } = await writeAtOnce(disk, { backend, flush, round });
          reported += errors.filter((error) => error !== null).length;
          if (errors[round % blocks] === null) silent.push(`round ${round}: block ${round % blocks} was called durable; ${errors.filter((error) => error !== null).length} others were told`);
        }
        t.diagnostic(`${reported} of ${rounds * blocks} blocks were reported`);
        await disk.unmount();
        assert.deepEqual(silent, []);
      });
    }

    test(`${backend}, never: every sync that was asked for at once tells of the lost page`, async () => {
      const disk = await FailingDisk.mount(path.join(root, `${backend}-never`));
      for (let round = 0; round < rounds; round++) {
        const { errors, syncs } = await writeAtOnce(disk, { backend, flush: "never", round });
        assert.ok(errors.every((error) => error === null), "without a flush nobody knows yet");
        assert.deepEqual(syncs.map(({ status }) => status), ["rejected", "rejected", "rejected"], `round ${round}`);
      }
      await disk.unmount();
    });
  }
});

// What the portable writer asks the system for before it delivers a write.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import type { RingwallError } from "#src/base/errors.js";
import { dsyncReachesMedia } from "#src/storage/fs/fs-writer.js";
import { chooseStorage } from "#src/storage/choose.js";
import type { BlockWriter } from "#src/storage/storage.js";

const unit = 4096;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-flush-"));
after(() => fs.rmSync(directory, { recursive: true, force: true }));
const { fdatasync, writev } = fs;
after(() => {
  fs.fdatasync = fdatasync;
  fs.writev = writev;
});
const noDescriptor = 0x7fff_ffff;

interface Written {
  readonly target: string;
  readonly writer: BlockWriter;
  readonly error: RingwallError | null;
}

async function writeOne(flush: "dsync" | "separate"): Promise<Written> {
  const target = path.join(directory, `segment-${String(Math.random()).slice(2)}`);
  fs.writeFileSync(target, Buffer.alloc(4 * unit));
  let deliver: (error: RingwallError | null) => void = () => undefined;
  const delivered = new Promise<RingwallError | null>((resolve) => (deliver = resolve));
  const writer = chooseStorage({ backend: "fs" }).storage.createWriter({
    bufferBytes: 4 * unit, bufferCount: 1, writesInFlight: 1, alignment: unit, flush,
    onWritten: (_token, error) => deliver(error),
    onBatchEnd: () => undefined,
  });
  const file = await writer.openFile(target);
  writer.memory.bytes.fill(7);
  writer.write(file, 0, 0, 4 * unit, 0);
  return { target, writer, error: await delivered };
}

function contentOf(descriptor: number): Buffer {
  const content = Buffer.alloc(fs.fstatSync(descriptor).size);
  fs.readSync(descriptor, content, 0, content.length, 0);
  return content;
}

test("dsync: the file is open with O_DSYNC", { skip: dsyncReachesMedia && fs.existsSync("/proc/self/fdinfo") ? false : "not Linux, or no /proc" }, async () => {
  const { target, writer, error } = await writeOne("dsync");
  assert.equal(error, null);
  const descriptors = fs.readdirSync("/proc/self/fd").filter((name) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${name}`) === fs.realpathSync(target);
    } catch {
      // The descriptor of this listing itself.
      return false;
    }
  });
  assert.equal(descriptors.length, 1);
  const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${descriptors[0]}`, "utf8"))?.[1] ?? "", 8);
  assert.equal(flags & fs.constants.O_DSYNC, fs.constants.O_DSYNC);
  await writer.close();
});

test("separate: delivered when the sync behind the whole write is through", async () => {
  const order: string[] = [];
  fs.fdatasync = ((descriptor: number, done: (error: NodeJS.ErrnoException | null) => void) => {
    assert.ok(contentOf(descriptor).every((byte) => byte === 7), "all of it is written");
    order.push("sync");
    fdatasync(descriptor, (error) => {
      order.push("synced");
      done(error);
    });
  }) as typeof fs.fdatasync;
  const { writer, error } = await writeOne("separate");
  assert.equal(error, null);
  assert.deepEqual(order, ["sync", "synced"]);
  await writer.close();
});

test("separate: a sync that fails is told, and not tried again", async () => {
  let calls = 0;
  fs.fdatasync = ((descriptor: number, done: (error: NodeJS.ErrnoException | null) => void) => {
    // The first fails, as every number that is no descriptor; a second one would succeed, and prove nothing.
    fdatasync(calls++ === 0 ? noDescriptor : descriptor, done);
  }) as typeof fs.fdatasync;
  const { writer, error } = await writeOne("separate");
  assert.equal(error?.code, "RINGWALL_IO");
  assert.equal(calls, 1);
  await writer.close();
});

test("parts written together: of a short write the rest follows, wherever it was cut, and all are delivered behind the last", async () => {
  for (const cut of [unit, unit + 1, 2 * unit - 8, 3 * unit]) {
    const target = path.join(directory, `together-${String(cut)}`);
    fs.writeFileSync(target, Buffer.alloc(4 * unit));
    let calls = 0;
    fs.writev = ((descriptor: number, parts: readonly Uint8Array[], position: number, done: (error: NodeJS.ErrnoException | null, written: number) => void) => {
      const less = Buffer.concat(parts).subarray(0, calls++ === 0 ? cut : 4 * unit);
      writev(descriptor, [less], position, done);
    }) as typeof fs.writev;
    const errors: (RingwallError | null)[] = [];
    await new Promise<void>((resolve) => {
      const writer = chooseStorage({ backend: "fs" }).storage.createWriter({
        bufferBytes: unit, bufferCount: 4, writesInFlight: 1, alignment: unit, flush: "dsync",
        onWritten: (_token, error) => {
          assert.equal(calls, 2);
          if (errors.push(error) === 4) resolve(writer.close());
        },
        onBatchEnd: () => undefined,
      });
      writer.memory.bytes.forEach((_, index, bytes) => (bytes[index] = 1 + (index >>> 12)));
      void writer.openFile(target).then((file) => writer.writeTogether(file, 0, [3, 1, 0, 2].map((token) => ({ start: token * unit, bytes: unit, token }))));
    });
    assert.deepEqual(errors, [null, null, null, null]);
    assert.ok(fs.readFileSync(target).equals(Buffer.concat([4, 2, 1, 3].map((value) => Buffer.alloc(unit, value)))), `cut at ${String(cut)}`);
  }
});

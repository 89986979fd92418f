// Backups on other disks: clones where the filesystem shares blocks, a full one, and one that is not the log's.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Log, RingwallError } from "#src/index.js";
import { verifyLog } from "#src/cli/verify/verify-log.js";
import { Disk, diskRefusal, makeImage, type FileSystemKind } from "./disk.js";
import { onTeardown } from "./teardown.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-backup-"));
onTeardown(() => fs.rmSync(root, { recursive: true, force: true }));
const mebibyte = 1024 * 1024;
const records = 4000;

function payload(at: number): string {
  return `${at} `.padEnd(2000, "-");
}

async function withFilledLog(directory: string, body: (log: Log) => Promise<void>): Promise<void> {
  const log = await Log.open(directory, { segmentBytes: mebibyte, bufferBytes: 64 * 1024 });
  try {
    for (let at = 1; at <= records; at += 200) await Promise.all(Array.from({ length: 200 }, (_, more) => log.partition("p").append(payload(at + more))));
    await body(log);
  } finally {
    await log.close();
  }
}

async function demandWhole(directory: string): Promise<void> {
  const { findings } = await verifyLog({ directory, backend: "fs", isProgressWanted: false });
  assert.deepEqual(findings, []);
  const log = await Log.open(directory, { readOnly: true });
  let due = 1;
  for await (const { data } of log.partition("p").read()) assert.equal(Buffer.from(data).toString(), payload(due++));
  assert.equal(due, records + 1);
  await log.close();
}

for (const kind of ["ext4", "xfs", "btrfs"] as FileSystemKind[]) {
  const refusal = diskRefusal(kind);
  test(`${kind}: ${kind === "ext4" ? "copies" : "clones"} beside the log`, refusal === null ? {} : { skip: refusal }, async () => {
    const image = path.join(root, kind);
    await makeImage(image, kind);
    const disk = new Disk(image);
    await disk.mount();
    const [here, there] = [path.join(disk.mountPoint, "copy"), path.join(root, `${kind}-copy`)];
    await withFilledLog(disk.directory, async (log) => {
      const beside = await log.backup(here);
      if (kind === "ext4") assert.equal(beside.clonedBytes, 0);
      else assert.ok(beside.clonedBytes >= 6 * mebibyte && beside.copiedBytes < 2 * mebibyte, JSON.stringify(beside));
      const elsewhere = await log.backup(there);
      assert.equal(elsewhere.clonedBytes, 0);
      assert.ok(elsewhere.copiedBytes > 6 * mebibyte);
    });
    // What the writer does afterwards to its own files is its own.
    const log = await Log.open(disk.directory, { segmentBytes: mebibyte, create: false });
    await log.partition("p").trim(records + 1);
    for (let at = 0; at < 20; at++) await log.partition("q").append(Buffer.alloc(100_000, 7));
    await log.close();
    for (const copy of [here, there]) await demandWhole(copy);
    await disk.unmount();
  });
}

const refusal = diskRefusal("ext4");
test("a full target: RINGWALL_DISK_FULL, nothing is left there, and with space it goes", refusal === null ? {} : { skip: refusal }, async () => {
  const image = path.join(root, "full");
  await makeImage(image, "ext4", 24 * mebibyte);
  const disk = new Disk(image);
  await disk.mount();
  const ballast = path.join(disk.mountPoint, "ballast");
  const { bavail, bsize } = fs.statfsSync(disk.mountPoint);
  fs.writeFileSync(ballast, Buffer.alloc(bavail * bsize - 4 * mebibyte, 1));
  const target = path.join(disk.mountPoint, "copy");
  await withFilledLog(path.join(root, "source"), async (log) => {
    await assert.rejects(log.backup(target), (error) => error instanceof RingwallError && error.code === "RINGWALL_DISK_FULL");
    assert.ok(!fs.existsSync(target));
    fs.rmSync(ballast);
    await log.backup(target);
  });
  await demandWhole(target);
  await disk.unmount();
});

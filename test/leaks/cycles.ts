// One life of a log over and over: opened, written, read, closed, and now and then refused or opened anew from nothing.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { Log, type LogOptions } from "#src/index.js";

export interface CycleOptions {
  readonly backend: "uring" | "fs";
  /** A directory of the caller's; the logs lie in it. */
  readonly root: string;
  readonly from: number;
  readonly cycles: number;
}

const bufferBytes = 256 * 1024;
const bufferCount = 4;
const options: LogOptions = { segmentBytes: 1024 * 1024, bufferBytes, bufferCount };
/** What a cycle would leave if it never gave its buffers back: much more than V8's heap moves. */
export const buffersBytes = bufferBytes * bufferCount;

/** A log lives so long; its successor begins from nothing. */
const cyclesPerLog = 100;

export async function runCycles({ backend, root, from, cycles }: CycleOptions): Promise<void> {
  for (let cycle = from; cycle < from + cycles; cycle++) {
    const directory = path.join(root, `log-${String(Math.floor(cycle / cyclesPerLog))}`);
    await liveOnce(directory, backend, cycle);
    if (cycle % cyclesPerLog === cyclesPerLog - 1) fs.rmSync(directory, { recursive: true });
  }
}

async function liveOnce(directory: string, backend: "uring" | "fs", cycle: number): Promise<void> {
  const log = await Log.open(directory, { backend, ...options });
  const partition = log.partition("p");
  const appends = Array.from({ length: 5 }, (_, index) => partition.append(`${String(cycle)} ${String(index)}`));
  await partition.appendBatch(["a", "b"]);
  await Promise.all(appends);
  assert.ok(await partition.get(partition.lastSeq));
  if (cycle % 10 === 0) {
    await partition.append(new Uint8Array(300_000));
    await assert.rejects(Log.open(directory, { backend, ...options }), { code: "RINGWALL_LOCKED" });
    const reader = await Log.open(directory, { backend, readOnly: true });
    for await (const batch of reader.partition("p").readBatches()) assert.ok(batch.length > 0);
    await reader.close();
    await partition.trim(partition.lastSeq);
    log.rotate();
  }
  await log.close();
}

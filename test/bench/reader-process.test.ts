// The process that `bench read` reads in: what goes wrong there is said here, and nobody waits for a process that is gone.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { startReader, type ReaderRequest } from "#src/cli/bench/suites/reader-process.js";
import { writeAndClose } from "#src/cli/bench/unclean-log.js";
import { withDirectory } from "./run-bench.js";

const never = new AbortController().signal;

function requestFor(directory: string): ReaderRequest {
  return { directory, options: { backend: "fs" }, recordBytes: 100, way: "readBatches", heapBytes: 0 };
}

async function writeLog(directory: string): Promise<void> {
  await writeAndClose({ directory, bytes: 10_000, recordBytes: 100, options: { backend: "fs" } });
}

test("a log that can't be opened: the error of the process is the error of the bench", async () => {
  await withDirectory(async (below) => {
    await assert.rejects(startReader(requestFor(path.join(below, "nothing")), never), /the reading process: .*nothing/);
  });
});

test("records of another size than asked for fail the round", async () => {
  await withDirectory(async (directory) => {
    await writeLog(directory);
    const reader = await startReader({ ...requestFor(directory), recordBytes: 99 }, never);
    await assert.rejects(reader.order({ kind: "round", seconds: 0.01 }), /records of 99 bytes came as/);
    await reader.end({ kind: "close" });
  });
});

test("a process that was killed: the order under way is refused, and the next, and to end it is nothing", async () => {
  await withDirectory(async (directory) => {
    await writeLog(directory);
    const reader = await startReader(requestFor(directory), never);
    const round = assert.rejects(reader.order({ kind: "round", seconds: 3600 }), /the reading process ended/);
    process.kill(reader.pid, "SIGKILL");
    await round;
    await assert.rejects(reader.order({ kind: "round", seconds: 0.01 }), /the reading process ended/);
    await reader.end({ kind: "close" });
  });
});

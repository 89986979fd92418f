// A process of its own for one scenario: `child.js <backend> <scenario> <directory>`. Prints one JSON line as its answer.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { RingwallError } from "#src/base/errors.js";
import { chooseStorage } from "#src/storage/choose.js";
import type { BlockWriter, Storage } from "#src/storage/storage.js";

const [, , backend = "auto", scenario = "", directory = ""] = process.argv;
const unit = 4096;

const scenarios: Readonly<Record<string, (storage: Storage) => Promise<unknown>>> = {
  "write-and-leave": writeAndLeave,
  "read-and-leave": readAndLeave,
  "idle-cpu": idleCpu,
  "write-until-refused": writeUntilRefused,
  "gather-until-refused": gatherUntilRefused,
  "hold-lock": holdLock,
  "try-lock": tryLock,
  "lock-in-worker": lockInWorker,
};

function answer(value: unknown): void {
  fs.writeSync(1, `${JSON.stringify(value)}\n`);
}

/** A writer on a zeroed file, and a promise for each of its completions. */
async function openWriter(storage: Storage, units: number): Promise<(position: number, bytes: number) => Promise<RingwallError | null>> {
  const target = path.join(directory, "segment");
  if (!fs.existsSync(target)) fs.writeFileSync(target, Buffer.alloc(units * unit));
  let resolve: (error: RingwallError | null) => void = () => undefined;
  const writer: BlockWriter = storage.createWriter({
    bufferBytes: 1024 * unit, bufferCount: 1, writesInFlight: 4, alignment: unit, flush: "dsync",
    onWritten: (_token, error) => resolve(error),
    onBatchEnd: () => undefined,
  });
  const file = await writer.openFile(target);
  return (position, bytes) => {
    return new Promise((done) => {
      resolve = done;
      writer.memory.bytes.fill(5);
      writer.write(file, position, 0, bytes, 0);
    });
  };
}

/** Ends by itself, though nothing is closed. */
async function writeAndLeave(storage: Storage): Promise<unknown> {
  const write = await openWriter(storage, 4);
  const errors = [await write(0, unit), await write(unit, unit)];
  // The last write is under way when the script is through: the loop must see it home.
  void write(2 * unit, 2 * unit).then((error) => answer({ last: error }));
  return { errors };
}

/** Ends by itself, though nothing is closed: after the reads, which are not in the page cache, and not before. */
async function readAndLeave(storage: Storage): Promise<unknown> {
  const target = path.join(directory, "read");
  fs.writeFileSync(target, Buffer.alloc(4096 * unit, 3));
  execFileSync("sync", [target]);
  execFileSync("dd", [`if=${target}`, "iflag=nocache", "count=0", "status=none"]);
  const file = await storage.files.open(target, "read");
  const first = await file.readAt(new Uint8Array(unit), 0);
  // Under way when the script is through: too far away to be read ahead.
  void file.readAt(new Uint8Array(2 * unit), 4000 * unit).then((bytes) => answer({ last: bytes }));
  return { first };
}

async function idleCpu(storage: Storage): Promise<unknown> {
  const write = await openWriter(storage, 1);
  await write(0, unit);
  const before = process.cpuUsage();
  // The measured second itself: a timer that keeps the loop turning exactly once.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const used = process.cpuUsage(before);
  return { micros: used.user + used.system };
}

/** For a small filesystem or a file size limit: one write that goes beyond it. */
async function writeUntilRefused(storage: Storage): Promise<unknown> {
  const target = path.join(directory, "segment");
  fs.writeFileSync(target, "");
  const error = await (await openWriter(storage, 0))(0, 1024 * unit);
  return { code: error?.code, message: error?.message, bytes: fs.statSync(target).size };
}

/** Parts written together, the limit inside one of them. */
async function gatherUntilRefused(storage: Storage): Promise<unknown> {
  const target = path.join(directory, "segment");
  fs.writeFileSync(target, "");
  const errors: (RingwallError | null)[] = [];
  await new Promise<void>((resolve) => {
    const writer = storage.createWriter({
      bufferBytes: 64 * unit, bufferCount: 4, writesInFlight: 1, alignment: unit, flush: "dsync",
      onWritten: (token, error) => {
        errors[token] = error;
        if (Object.keys(errors).length === 4) resolve();
      },
      onBatchEnd: () => undefined,
    });
    writer.memory.bytes.forEach((_, index, bytes) => (bytes[index] = 1 + (index >>> 12)));
    // Out of order in the memory.
    void writer.openFile(target).then((file) => writer.writeTogether(file, 0, [2, 0, 3, 1].map((token) => ({ start: token * 64 * unit, bytes: (token + 1) * unit, token }))));
  });
  return { codes: errors.map((error) => error?.code), first: [...new Set(fs.readFileSync(target))], bytes: fs.statSync(target).size };
}

/** Holds the lock until it is killed. */
async function holdLock(storage: Storage): Promise<unknown> {
  await storage.lock(directory);
  setInterval(() => undefined, 1_000_000);
  return { pid: process.pid };
}

async function tryLock(storage: Storage): Promise<unknown> {
  try {
    const release = await storage.lock(directory);
    // Held for some turns, so that another winner would be seen.
    const holders = fs.readdirSync(directory).filter((name) => name.startsWith("held"));
    fs.writeFileSync(path.join(directory, `held-${String(process.pid)}`), "");
    await new Promise((resolve) => setImmediate(resolve));
    fs.rmSync(path.join(directory, `held-${String(process.pid)}`));
    await release();
    return { won: true, holders };
  } catch (error) {
    return error instanceof RingwallError ? { code: error.code, message: error.message } : { message: String(error) };
  }
}

async function lockInWorker(storage: Storage): Promise<unknown> {
  const release = await storage.lock(directory);
  const worker = new Worker(new URL(import.meta.url), { argv: [backend, "try-lock", directory], stdout: true });
  const result = await new Promise<unknown>((resolve, reject) => worker.on("message", resolve).on("error", reject));
  await worker.terminate();
  await release();
  return result;
}

async function main(): Promise<void> {
  const run = scenarios[scenario];
  if (run === undefined) throw new Error(`no scenario ${scenario}`);
  const result = await run(chooseStorage({ backend: backend as "auto" | "uring" | "fs" }).storage);
  const { parentPort } = await import("node:worker_threads");
  if (parentPort === null) answer(result);
  else parentPort.postMessage(result);
}

await main();

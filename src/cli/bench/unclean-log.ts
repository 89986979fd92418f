// Logs to recover: one that was closed, and one whose writer was killed in a process of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { laneDirectoryName, segmentName } from "../../format/names.js";
import { Log } from "../../thread/log.js";
import { resolveOptions, type LogOptions } from "../../log/options.js";
import { bytesText } from "../quantities.js";
import { CommandError } from "../report-failure.js";
import { makePayloads } from "./payloads.js";

export interface FillRequest {
  readonly directory: string;
  /** Of payload, in all. */
  readonly bytes: number;
  readonly recordBytes: number;
  readonly options: LogOptions;
}

/** What the writer says once everything is durable; before it, lines of how many bytes it has written. */
export const writtenMark = "written";

const filesAtOnce = 4;
const progressBytes = 64 * 1024 ** 2;

export async function writeAndClose(request: FillRequest): Promise<void> {
  const log = await Log.open(request.directory, request.options);
  try {
    await fill(log, request);
  } finally {
    await log.close();
  }
}

/** Appends `bytes`; durable when it resolves. `onProgress` gets the bytes appended so far, now and then. */
export async function fill(log: Log, { bytes, recordBytes }: FillRequest, onProgress: (bytes: number) => void = () => undefined): Promise<void> {
  const partition = log.partition("bench");
  const payloads = makePayloads(recordBytes);
  const count = Math.ceil(bytes / recordBytes);
  const every = Math.max(1, Math.floor(progressBytes / recordBytes));
  for (let record = 0; record < count; record++) {
    // The last record's block says that all before it is durable, whatever the log's mode: damage to it is no torn tail then.
    if (record === count - 1) await log.sync();
    if (log.needDrain) await log.drain();
    partition.enqueue(payloads[record % payloads.length] as Uint8Array);
    if (record % every === every - 1) onProgress(record * recordBytes);
  }
  await log.sync();
}

/**
 * A new log whose segment files have their full size from the start: nothing writes zeros ahead of the tail then, which would be as
 * much again as is to be written. They are holes, so that this costs nothing.
 */
export async function layOut({ directory, bytes, recordBytes, options }: FillRequest): Promise<void> {
  const log = await Log.open(directory, options);
  await log.close();
  const lane = path.join(directory, laneDirectoryName(0));
  const { segmentBytes } = resolveOptions(options);
  const count = Math.ceil(oneSegmentFor(bytes, recordBytes) / segmentBytes);
  for (let segment = 1; segment <= count; segment++) {
    const file = path.join(lane, segmentName(segment));
    fs.closeSync(fs.openSync(file, "a"));
    fs.truncateSync(file, segmentBytes);
  }
}

/** As `writeAndClose`, but nothing is closed: the writing process is killed once all is durable. */
export async function writeAndKill(request: FillRequest, signal: AbortSignal, onProgress: (text: string) => void = () => undefined): Promise<void> {
  const program = fileURLToPath(new URL("./unclean-writer.js", import.meta.url));
  const writer = spawn(process.execPath, [program, JSON.stringify(request)], { stdio: ["ignore", "pipe", "inherit"] });
  const kill = (): void => { writer.kill("SIGKILL"); };
  signal.addEventListener("abort", kill);
  let isWritten = false;
  createInterface(writer.stdout).on("line", (line) => {
    isWritten = line === writtenMark;
    if (isWritten) kill();
    else onProgress(`${bytesText(Number(line))} of ${bytesText(request.bytes)} written`);
  });
  try {
    await once(writer, "close");
    if (!isWritten && !signal.aborted) throw new CommandError("the writing process ended before everything was written: see its message above", "WRITER");
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
  }
}

/** Recovery reads past the page cache what is not in it. */
export async function readThroughCache(directory: string): Promise<void> {
  const names = await fs.promises.readdir(directory);
  const readSome = async (): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      for await (const chunk of fs.createReadStream(path.join(directory, name), { highWaterMark: 4 * 1024 * 1024 })) void chunk;
    }
  };
  // One after the other keeps a fast device idle for most of the time.
  await Promise.all(Array.from({ length: filesAtOnce }, readSome));
}

/** Size of a segment with room for every record with its frame, and for blocks' headers and padding. */
export function oneSegmentFor(bytes: number, recordBytes: number): number {
  const framed = Math.ceil(bytes / recordBytes) * (recordBytes + 32);
  return Math.ceil((framed * 1.1 + 16 * 1024 ** 2) / 4096) * 4096;
}

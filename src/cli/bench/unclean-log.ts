// Logs to recover: one that was closed, and one whose writer was killed in a process of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Log } from "../../thread/log.js";
import type { LogOptions } from "../../log/options.js";
import { CommandError } from "../report-failure.js";
import { makePayloads } from "./payloads.js";

export interface FillRequest {
  readonly directory: string;
  /** Of payload, in all. */
  readonly bytes: number;
  readonly recordBytes: number;
  readonly options: LogOptions;
}

/** What the writer says once everything is durable. */
export const writtenMark = "written\n";

export async function writeAndClose(request: FillRequest): Promise<void> {
  const log = await Log.open(request.directory, request.options);
  try {
    await fill(log, request);
  } finally {
    await log.close();
  }
}

/** Appends `bytes`; durable when it resolves. */
export async function fill(log: Log, { bytes, recordBytes }: FillRequest): Promise<void> {
  const partition = log.partition("bench");
  const payloads = makePayloads(recordBytes);
  const count = Math.ceil(bytes / recordBytes);
  for (let record = 0; record < count; record++) {
    if (log.needDrain) await log.drain();
    partition.enqueue(payloads[record % payloads.length] as Uint8Array);
  }
  await log.sync();
}

/** As `writeAndClose`, but nothing is closed: the writing process is killed once all is durable. */
export async function writeAndKill(request: FillRequest, signal: AbortSignal): Promise<void> {
  const program = fileURLToPath(new URL("./unclean-writer.js", import.meta.url));
  const writer = spawn(process.execPath, [program, JSON.stringify(request)], { stdio: ["ignore", "pipe", "inherit"] });
  const kill = (): void => { writer.kill("SIGKILL"); };
  signal.addEventListener("abort", kill);
  let said = "";
  writer.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (said.endsWith(writtenMark)) kill();
  });
  try {
    await once(writer, "close");
    if (said !== writtenMark) throw new CommandError("the writing process ended before everything was written: see its message above", "WRITER");
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
  }
}

/** Size of a segment with room for every record with its frame, and for blocks' headers and padding. */
export function oneSegmentFor(bytes: number, recordBytes: number): number {
  const framed = Math.ceil(bytes / recordBytes) * (recordBytes + 32);
  return Math.ceil((framed * 1.1 + 16 * 1024 ** 2) / 4096) * 4096;
}

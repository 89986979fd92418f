// Runs one job of docs/fio/ringwall.fio and reads what fio says of it.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { CommandError } from "../../report-failure.js";
import type { Quantiles } from "../samples.js";

export interface FioRequest {
  readonly job: "write-1m" | "write-1m-dsync" | "write-4k-dsync" | "read-1m" | "randread-4k" | "randread-4k-deep";
  /** Exists. fio's file is left in it. */
  readonly directory: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly engine: "io_uring" | "libaio";
  readonly signal: AbortSignal;
}

export interface FioFigures {
  readonly megabytesPerSecond: number;
  readonly operationsPerSecond: number;
  /** From the call to completion: fio's `lat`, for its `clat` begins when the system call that submits has returned. */
  readonly micros: Quantiles;
}

interface FioSide {
  readonly bw_bytes: number;
  readonly iops: number;
  readonly lat_ns: { readonly max: number; readonly percentile?: Readonly<Record<string, number>> };
}

const jobFile = fileURLToPath(new URL("../../../../docs/fio/ringwall.fio", import.meta.url));

/** Throws CommandError that says what to install. */
export function demandFio(): void {
  if (spawnSync("fio", ["--version"], { stdio: "ignore" }).error !== undefined) throw new CommandError("fio is not installed: install the package fio", "NOT_INSTALLED");
  if (!fs.existsSync(jobFile)) throw new CommandError(`the job file ${jobFile} is missing: the package is not whole`, "NOT_INSTALLED");
}

export async function runFio({ job, directory, bytes, seconds, engine, signal }: FioRequest): Promise<FioFigures> {
  const env = { ...process.env, RINGWALL_FIO_DIRECTORY: directory, RINGWALL_FIO_BYTES: String(bytes), RINGWALL_FIO_RUNTIME: `${String(Math.round(seconds * 1000))}ms`, RINGWALL_FIO_ENGINE: engine };
  const child = spawn("fio", ["--output-format=json", `--section=${job}`, jobFile], { env, signal, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => (text += more));
  child.stderr.setEncoding("utf8").on("data", (more: string) => (complaint += more));
  await once(child, "close");
  if (child.exitCode !== 0) throw new CommandError(`fio failed at ${job}: ${complaint.trim() || text.trim()}`, "FIO");
  return figuresOf(text, job);
}

/** fio may say something before its JSON. */
function figuresOf(text: string, job: FioRequest["job"]): FioFigures {
  const parsed = JSON.parse(text.slice(text.indexOf("{"))) as { readonly jobs: readonly [{ readonly read: FioSide; readonly write: FioSide; readonly error: number }] };
  const [{ read, write }] = parsed.jobs;
  const side = job.startsWith("write") ? write : read;
  const micros = (percentile: string): number => (side.lat_ns.percentile?.[percentile] ?? 0) / 1000;
  return {
    megabytesPerSecond: side.bw_bytes / 1e6,
    operationsPerSecond: side.iops,
    micros: { p50: micros("50.000000"), p99: micros("99.000000"), p999: micros("99.900000"), max: side.lat_ns.max / 1000 },
  };
}

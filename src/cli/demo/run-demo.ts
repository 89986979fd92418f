// One run of the demo: a writer in a process of its own, its sudden death, recovery, and the comparison.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Log } from "../../thread/log.js";
import type { RecoveryReport } from "../../recovery/recovered-lane.js";
import { fileSystemOf, type FileSystemFacts } from "../doctor/machine.js";
import type { Interrupt } from "../interrupt.js";
import { countText } from "../quantities.js";
import { CommandError } from "../report-failure.js";
import { AckLedger, type WriterFacts } from "./acknowledgements.js";
import { Corpus, findNodeModules } from "./corpus.js";
import { partitionCount, type WriterRequest } from "./demo-shape.js";
import { readBack, type ReadBack } from "./read-back.js";

export interface DemoRequest {
  readonly seconds: number;
  readonly backend: "auto" | "uring" | "fs";
  /** Null: a temporary directory, removed in the end. */
  readonly directory: string | null;
  readonly interrupt: Interrupt;
  readonly onStep: (text: string) => void;
}

export interface DemoResult {
  readonly directory: string;
  readonly fileSystem: FileSystemFacts | null;
  readonly corpus: { readonly files: number; readonly bytes: number };
  readonly writer: WriterFacts;
  readonly writeSeconds: number;
  readonly acknowledged: number;
  readonly recordsPerSecond: number;
  readonly ackMicros: { readonly p50: number; readonly p99: number };
  readonly openMillis: number;
  readonly recovery: readonly RecoveryReport[];
  readonly readSeconds: number;
  readonly found: ReadBack;
}

/** A demo must not fill anyone's disk. */
const bytesMax = 2 * 1024 ** 3;
const volatileBytesMax = 256 * 1024 ** 2;
const checkMillis = 50;

/** Null when it was interrupted. */
export async function runDemo(request: DemoRequest): Promise<DemoResult | null> {
  const directory = makeDirectory(request.directory);
  try {
    return await runIn(directory, request);
  } catch (error) {
    if (request.interrupt.isRaised) return null;
    throw error;
  } finally {
    if (request.directory === null) fs.rmSync(path.dirname(directory), { recursive: true, force: true });
  }
}

async function runIn(directory: string, { seconds, backend, interrupt, onStep }: DemoRequest): Promise<DemoResult | null> {
  const corpusRoot = findNodeModules();
  const corpus = Corpus.load(corpusRoot);
  const ledger = new AckLedger(partitionCount);
  onStep(`writing for ${String(seconds)} s, then killing the writer …`);
  const writeSeconds = await writeAndKill({ directory, corpusRoot, backend }, { ledger, seconds, interrupt });
  if (interrupt.isRaised) return null;
  const { facts } = ledger;
  if (facts === null) throw new CommandError("the writing process ended before it began: see its message above", "WRITER");
  onStep(`${countText(ledger.count)} acknowledged; opening the log again and reading everything back …`);
  const opening = performance.now();
  await using log = await Log.open(directory, { backend });
  const openMillis = performance.now() - opening;
  const reading = performance.now();
  const found = await readBack(log, ledger, corpus, interrupt.signal);
  return {
    directory,
    fileSystem: fileSystemOf(directory),
    corpus: { files: corpus.files, bytes: corpus.bytes },
    writer: facts,
    writeSeconds,
    acknowledged: ledger.count,
    recordsPerSecond: Math.round(ledger.count / writeSeconds),
    ackMicros: { p50: ledger.microsAt(0.5), p99: ledger.microsAt(0.99) },
    openMillis,
    recovery: log.info.recovery,
    readSeconds: (performance.now() - reading) / 1000,
    found,
  };
}

interface Writing {
  readonly ledger: AckLedger;
  readonly seconds: number;
  readonly interrupt: Interrupt;
}

/** Returns how many seconds the writer wrote. */
async function writeAndKill(request: WriterRequest, { ledger, seconds, interrupt }: Writing): Promise<number> {
  const writer = spawn(process.execPath, [fileURLToPath(new URL("./writer.js", import.meta.url)), JSON.stringify(request)], { stdio: ["ignore", "ignore", "inherit", "pipe"] });
  const pipe = writer.stdio[3] as Readable;
  let started = 0;
  let ended = 0;
  pipe.on("data", (chunk: Buffer) => {
    ledger.handleBytes(chunk);
    if (started === 0) started = performance.now();
  });
  const kill = (): void => {
    if (ended === 0) ended = performance.now();
    writer.kill("SIGKILL");
  };
  interrupt.signal.addEventListener("abort", kill);
  const limit = bytesLimit(request.directory);
  const watch = setInterval(() => {
    const isTime = started > 0 && performance.now() - started >= seconds * 1000;
    if (isTime || bytesBelow(request.directory) > limit) kill();
  }, checkMillis);
  try {
    await closed(writer);
    if (ended === 0) throw new CommandError(`the writing process ended by itself (${String(writer.exitCode ?? writer.signalCode)}) instead of being killed: see its message above`, "WRITER");
    return (ended - started) / 1000;
  } finally {
    clearInterval(watch);
    interrupt.signal.removeEventListener("abort", kill);
    writer.kill("SIGKILL");
  }
}

/** Everything that the process said has been read when it resolves. */
async function closed(child: ChildProcess): Promise<void> {
  await once(child, "close");
}

function makeDirectory(wanted: string | null): string {
  if (wanted === null) return path.join(fs.mkdtempSync(path.join(temporaryPlace(), "ringwall-demo-")), "log");
  if (fs.existsSync(wanted) && fs.readdirSync(wanted).length > 0) {
    throw new CommandError(`${wanted} is not empty: name a directory that is, or one that does not exist yet`, "RINGWALL_INVALID_ARGUMENT");
  }
  return wanted;
}

/** A file system in memory would make the demo's point moot. */
function temporaryPlace(): string {
  const usual = os.tmpdir();
  const other = "/var/tmp";
  if (fileSystemOf(usual)?.isVolatile !== true || !isWritable(other) || fileSystemOf(other)?.isVolatile === true) return usual;
  return other;
}

function isWritable(directory: string): boolean {
  try {
    fs.accessSync(directory, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function bytesLimit(directory: string): number {
  const facts = fileSystemOf(path.dirname(path.resolve(directory)));
  if (facts === null) return volatileBytesMax;
  return Math.min(facts.isVolatile ? volatileBytesMax : bytesMax, facts.freeBytes / 4);
}

/** Bytes of the segments, also while they are being written and renamed. */
function bytesBelow(directory: string): number {
  let total = 0;
  for (const entry of fs.existsSync(directory) ? fs.readdirSync(directory, { recursive: true, encoding: "utf8" }) : []) {
    total += fs.statSync(path.join(directory, entry), { throwIfNoEntry: false })?.size ?? 0;
  }
  return total;
}

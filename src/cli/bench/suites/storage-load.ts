// Operations straight on a backend: block writes through its writer, reads through its files.
//
// Every page begins with its own number, whoever writes it: a read that brings another page fails the bench.

import { RingwallError } from "../../../base/errors.js";
import { chooseStorage } from "../../../storage/choose.js";
import { noteOf } from "../../../storage/features.js";
import type { BlockWriter, Storage, StorageFile, WriterFile } from "../../../storage/storage.js";
import { runRound } from "../caller-round.js";
import type { Quantiles } from "../samples.js";

export type Workload = "sync-each" | "periodic-sync" | "random-read" | "mixed";

export interface StorageLoadOptions {
  readonly backend: "uring" | "fs";
  /** Created; holds nothing but the file, which its caller removes. */
  readonly directory: string;
  readonly workload: Workload;
  /** Of one operation; a multiple of the alignment. */
  readonly bytes: number;
  readonly fileBytes: number;
  /** Operations under way at once. */
  readonly depth: number;
  /** Writes to one sync; of "periodic-sync". */
  readonly syncEvery: number;
}

export interface StorageFigures {
  readonly operationsPerSecond: number;
  readonly megabytesPerSecond: number;
  /** From the call until the code behind its `await` runs. */
  readonly operationMicros: Quantiles;
  readonly reads: number;
  readonly writes: number;
  readonly syncs: number;
  readonly cpuMicrosPerOperation: number;
  readonly othersCores: number;
  readonly seconds: number;
}

/** Of ten mixed operations. */
const readsOfTen = 7;
const probeMillis = 6;
const prepareBytes = 1024 * 1024;

export class StorageLoad {
  readonly facts: object;
  readonly #options: StorageLoadOptions;
  readonly #storage: Storage;
  readonly #writer: BlockWriter;
  readonly #file: StorageFile;
  readonly #target: WriterFile;
  readonly #pages: number;
  readonly #buffers: Uint8Array[];
  readonly #slots: number[];
  readonly #settle: ((error: RingwallError | null) => void)[] = [];
  #operations = 0;
  #reads = 0;
  #writes = 0;
  #syncs = 0;

  private constructor(options: StorageLoadOptions, storage: Storage, opened: OpenedFile) {
    this.#options = options;
    this.#storage = storage;
    this.#writer = opened.writer;
    this.#file = opened.file;
    this.#target = opened.target;
    this.#pages = Math.floor(options.fileBytes / options.bytes);
    this.#buffers = Array.from({ length: options.depth }, () => new Uint8Array(options.bytes));
    this.#slots = this.#buffers.map((_, slot) => slot);
    opened.onWritten((token, error) => { (this.#settle[token] as (error: RingwallError | null) => void)(error); });
    this.facts = { backend: storage.name, flushMethod: opened.flushMethod, alignment: opened.alignment, notes: opened.writer.features.map(noteOf) };
  }

  static async open(options: StorageLoadOptions): Promise<StorageLoad> {
    const { storage } = chooseStorage({ backend: options.backend });
    try {
      return new StorageLoad(options, storage, await openFile(storage, options));
    } catch (error) {
      await storage.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
    await this.#storage.close();
  }

  async round(seconds: number, isStopped: () => boolean): Promise<StorageFigures> {
    const { depth, bytes } = this.#options;
    let before = this.#counts();
    let after = before;
    const window = await runRound({ callers: depth, items: [null], appenders: [{ append: () => this.#operate() }], everyCall: 1 }, {
      seconds,
      isStopped,
      onOpen: () => { before = this.#counts(); },
      onShut: () => { after = this.#counts(); },
    });
    return {
      operationsPerSecond: window.calls / window.seconds,
      megabytesPerSecond: (window.calls * bytes) / window.seconds / 1e6,
      operationMicros: window.ackMicros,
      reads: after.reads - before.reads,
      writes: after.writes - before.writes,
      syncs: after.syncs - before.syncs,
      cpuMicrosPerOperation: window.cpuMicros / window.calls,
      othersCores: window.othersCores,
      seconds: window.seconds,
    };
  }

  #counts(): { readonly reads: number; readonly writes: number; readonly syncs: number } {
    return { reads: this.#reads, writes: this.#writes, syncs: this.#syncs };
  }

  async #operate(): Promise<void> {
    const slot = this.#slots.pop() as number;
    const { workload, syncEvery } = this.#options;
    const operation = this.#operations++;
    if (workload === "random-read" || (workload === "mixed" && operation % 10 < readsOfTen)) await this.#read(slot);
    else await this.#write(slot);
    if (workload === "periodic-sync" && operation % syncEvery === syncEvery - 1) {
      await this.#writer.syncFile(this.#target);
      this.#syncs++;
    }
    this.#slots.push(slot);
  }

  async #read(slot: number): Promise<void> {
    const page = Math.floor(Math.random() * this.#pages);
    const buffer = this.#buffers[slot] as Uint8Array;
    const bytes = await this.#file.readAt(buffer, page * this.#options.bytes);
    if (bytes !== buffer.length || numberOf(buffer) !== page) {
      throw new RingwallError("RINGWALL_IO", `a read of page ${String(page)} brought ${String(bytes)} bytes of page ${String(numberOf(buffer))}`, { place: { path: this.#file.path } });
    }
    this.#reads++;
  }

  async #write(slot: number): Promise<void> {
    const { bytes } = this.#options;
    const page = this.#writes++ % this.#pages;
    const start = slot * bytes;
    putNumber(this.#writer.memory.bytes.subarray(start, start + bytes), page);
    await new Promise<void>((resolve, reject) => {
      this.#settle[slot] = (error) => {
        if (error === null) resolve();
        else reject(error);
      };
      this.#writer.write(this.#target, page * bytes, start, bytes, slot);
    });
  }
}

interface OpenedFile {
  readonly writer: BlockWriter;
  readonly target: WriterFile;
  readonly file: StorageFile;
  readonly flushMethod: string;
  readonly alignment: number;
  readonly onWritten: (handle: (token: number, error: RingwallError | null) => void) => void;
}

async function openFile(storage: Storage, { directory, workload, bytes, fileBytes, depth }: StorageLoadOptions): Promise<OpenedFile> {
  await storage.files.makeDirectory(directory);
  const { flushMethod, alignment } = await storage.probe(directory, probeMillis);
  if (bytes % alignment !== 0) throw new RingwallError("RINGWALL_INVALID_OPTION", `operations must be multiples of ${String(alignment)} bytes here; they are ${String(bytes)}`, { details: { option: "bytes", value: bytes } });
  const path = `${directory}/pages`;
  await writePages(storage, path, bytes, fileBytes);
  let handle: (token: number, error: RingwallError | null) => void = () => undefined;
  const flush = workload === "periodic-sync" ? "never" : flushMethod;
  const writer = storage.createWriter({ bufferBytes: bytes, bufferCount: depth, writesInFlight: depth, alignment, flush, onWritten: (token, error) => { handle(token, error); }, onBatchEnd: () => undefined });
  const target = await writer.openFile(path);
  const file = await storage.files.open(path, "read");
  return { writer, target, file, flushMethod: flush, alignment, onWritten: (wanted) => { handle = wanted; } };
}

/** Written out once: nothing is allocated later, and reads find every page. */
async function writePages(storage: Storage, path: string, bytes: number, fileBytes: number): Promise<void> {
  const file = await storage.files.open(path, "create");
  const pages = Math.floor(fileBytes / bytes);
  const perWrite = Math.max(1, Math.floor(prepareBytes / bytes));
  for (let page = 0; page < pages; page += perWrite) {
    const count = Math.min(perWrite, pages - page);
    const chunk = new Uint8Array(count * bytes).fill(0x5a);
    for (let index = 0; index < count; index++) putNumber(chunk.subarray(index * bytes), page + index);
    await file.writeAt(chunk, page * bytes);
  }
  await file.sync();
  await file.close();
}

function putNumber(page: Uint8Array, number: number): void {
  new DataView(page.buffer, page.byteOffset).setUint32(0, number, true);
}

function numberOf(page: Uint8Array): number {
  return new DataView(page.buffer, page.byteOffset).getUint32(0, true);
}

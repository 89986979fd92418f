// Durable block writes through one io_uring: the hot path of a lane.
//
// Owns: the ring, the memory that writes come from, the open files, and every operation until its completion.
// A write is acknowledged only when its whole length is down and its flush returned 0:
//   dsync     one entry, RWF_DSYNC: the completion is the flush
//   linked    write → fdatasync in one chain; a short write cancels the sync, and then both are done again
//   separate  the sync is submitted when the write has completed
// A link and not a hard link: behind a hard link the sync returns 0 after a short write. An unlinked sync in the same
// submission doesn't wait for the write at all.
//
// Completions come through `reap`, or through the watched descriptor when the loop is idle, or through a bounded spin (spin.ts).

import { assert } from "../../base/assert.js";
import { RingwallError } from "../../base/errors.js";
import { highHalf, lowHalf } from "../../base/numbers.js";
import { Memory } from "../../format/memory.js";
import type { NativeBinding, NativeWatch } from "../../native/binding.js";
import { type BackendFeature, learn, noteOf, notWanted, off } from "../features.js";
import { closeDescriptors } from "../node-files.js";
import { fileClosed, OpenFiles, type Handle, type OpenFile } from "../open-files.js";
import { fuseFlush, isFuse } from "../fuse.js";
import { runAll } from "../run-all.js";
import type { BlockWriter, BlockWriterOptions, WritePart, WriterFile, WriterFlush } from "../storage.js";
import { fromErrno, fromNodeError } from "../system-error.js";
import { openForWriting } from "./direct-open.js";
import { entryFlag, errno, fsyncDataOnly, opcode, setup, writeDsync, youngOpcode } from "./kernel-interface.js";
import { OperationPool, part, type Operation } from "./operation.js";
import { FileTable, registerMemory } from "./registrations.js";
import { hasOperation, type Ring } from "./ring.js";
import type { SqPollOptions } from "./ring-choice.js";
import { ringFeatures } from "./ring-features.js";
import { Spin } from "./spin.js";
import { partsMax, Vectors } from "./vectors.js";

/** After this many answers of "again" in a row an operation fails. */
const stallsMax = 16;

export interface UringWriterSetup {
  readonly native: NativeBinding;
  readonly ring: Ring;
  readonly memory: ArrayBuffer;
  readonly completion: "wait" | "spin";
  readonly registeredBuffers: boolean;
  readonly registeredFiles: boolean;
  readonly sqPoll: SqPollOptions | undefined;
  readonly ioPoll: BackendFeature;
  /** Called once everything is freed. */
  readonly onClosed: () => void;
}

export class UringWriter implements BlockWriter {
  readonly memory: Memory;

  readonly #native: NativeBinding;
  readonly #ring: Ring;
  readonly #alignment: number;
  readonly #writesInFlight: number;
  readonly #flush: WriterFlush;
  readonly #onWritten: (token: number, error: RingwallError | null) => void;
  readonly #onBatchEnd: () => void;
  readonly #fixedMemory: boolean;
  readonly #addressLow: number;
  readonly #addressHigh: number;
  readonly #polled: boolean;
  /** Null under SQPOLL, whose kernel thread needs the processor. */
  readonly #spin: Spin | null;
  /** Polled I/O: nothing completes, and the descriptor never turns readable, unless this thread looks at the device. */
  readonly #looks: boolean;
  readonly #watch: NativeWatch;
  readonly #files = new OpenFiles();
  readonly #fileTable: FileTable;
  readonly #operations = new OperationPool();
  readonly #vectors: Vectors;
  readonly #gatherCode: number;
  readonly #features: BackendFeature[];
  readonly #afterClose: () => void;
  /** Operations that found no room in the ring, or whose submission the kernel put off. First in, first out. */
  readonly #backlog: Operation[] = [];
  #retryTimer = false;
  #inFlight = 0;
  #delivered = 0;
  #keepsAlive = false;
  #state: "open" | "closing" | "closed" = "open";
  #closed: Promise<void> | null = null;
  #onIdle: (() => void) | null = null;

  constructor(made: UringWriterSetup, watch: (callback: () => void) => NativeWatch, options: BlockWriterOptions) {
    this.#native = made.native;
    this.#ring = made.ring;
    this.memory = new Memory(made.memory);
    this.#alignment = options.alignment;
    this.#writesInFlight = options.writesInFlight;
    this.#onWritten = options.onWritten;
    this.#onBatchEnd = options.onBatchEnd;
    this.#afterClose = made.onClosed;
    this.#polled = (made.ring.setupFlags & setup.sqPoll) !== 0;
    this.#looks = (made.ring.setupFlags & (setup.ioPoll | setup.sqPoll)) === setup.ioPoll;
    this.#spin = this.#spinFor(made);
    // The polling thread may take a chain in two bites, and nothing would tell: see #submit.
    this.#flush = this.#polled && options.flush === "linked" ? "separate" : options.flush;
    const halves = new Uint32Array(2);
    made.native.address(made.memory, halves);
    this.#addressLow = halves[0] as number;
    this.#addressHigh = halves[1] as number;
    const registered = made.registeredBuffers ? registerMemory(made.native, made.ring, made.memory) : off("registered buffers", notWanted);
    this.#fixedMemory = registered.isOn;
    this.#fileTable = new FileTable(made.native, made.ring, made.registeredFiles);
    this.#vectors = new Vectors(made.native, made.memory);
    this.#gatherCode = registered.isOn && hasOperation(made.native, made.ring, youngOpcode.writevFixed) ? youngOpcode.writevFixed : opcode.writev;
    this.#features = ringFeatures(made, { flushWanted: options.flush, flush: this.#flush, gatherCode: this.#gatherCode, registered: [registered, this.#fileTable.feature] });
    this.#watch = watch(() => this.#onReadable());
  }

  get features(): readonly BackendFeature[] {
    return this.#features;
  }

  get pollingRing(): number | undefined {
    return this.#polled ? this.#ring.descriptor : undefined;
  }

  async openFile(path: string): Promise<WriterFile> {
    const needsSync = this.#flush === "dsync" && (await isFuse(path).catch((error: unknown) => { throw fromNodeError(error, { operation: "open to write", path }); }));
    const { descriptors, feature } = await openForWriting({ native: this.#native, path, alignment: this.#alignment, count: this.#writesInFlight });
    if (this.#state !== "open") {
      await closeDescriptors(descriptors, path);
      throw fileClosed();
    }
    if ((this.#ring.setupFlags & setup.ioPoll) !== 0 && (needsSync || !feature.isOn)) {
      await closeDescriptors(descriptors, path);
      throw new RingwallError("RINGWALL_UNAVAILABLE", `IOPOLL takes direct, durable writes only; ${noteOf(needsSync ? fuseFlush : feature)}`, { place: { path }, remedy: "Open the log without { iopoll: true }." });
    }
    for (const found of needsSync ? [feature, fuseFlush] : [feature]) learn(this.#features, found);
    const file = this.#files.add({ path, descriptors, needsSync });
    for (const handle of file.handles) this.#fileTable.add(handle);
    return file.id;
  }

  async closeFile(id: WriterFile): Promise<void> {
    const file = this.#files.get(id);
    file.retired = true;
    await file.settled();
    await this.#freeFile(file);
  }

  /** Hot path: allocates nothing. */
  write(id: WriterFile, position: number, start: number, bytes: number, token: number): void {
    this.#demandWritable(position, start, bytes);
    const operation = this.#begin();
    operation.token = token;
    const file = this.#files.find(id);
    if (file === undefined) return this.#finishLater(operation, fileClosed());
    this.#beginWrite(operation, file, position);
    operation.start = start;
    operation.bytes = bytes;
    this.#start(operation);
    this.#spin?.handleSubmitted();
  }

  writeTogether(id: WriterFile, position: number, parts: readonly WritePart[]): void {
    const file = this.#files.find(id);
    const vector = parts.length > 1 && parts.length <= partsMax && file !== undefined ? this.#vectors.take(parts) : null;
    let at = position;
    if (vector === null || file === undefined) {
      for (const { start, bytes, token } of parts) {
        this.write(id, at, start, bytes, token);
        at += bytes;
      }
      return;
    }
    for (const { start, bytes } of parts) {
      this.#demandWritable(at, start, bytes);
      at += bytes;
    }
    const operation = this.#begin();
    operation.vector = vector;
    this.#beginWrite(operation, file, position);
    operation.bytes = at - position;
    this.#start(operation);
    this.#spin?.handleSubmitted();
  }

  #beginWrite(operation: Operation, file: OpenFile, position: number): void {
    file.inFlight += 1;
    operation.file = file;
    operation.phase = "write";
    operation.position = position;
  }

  #demandWritable(position: number, start: number, bytes: number): void {
    assert(this.#state === "open", "a closed writer takes no writes");
    assert(bytes > 0 && start >= 0 && start + bytes <= this.memory.buffer.byteLength, "a write stays inside the writer's memory");
    assert((position % this.#alignment) + (start % this.#alignment) + (bytes % this.#alignment) === 0, "a write is aligned");
  }

  /** Hot path: two loads when there is nothing. */
  reap(): number {
    if (this.#state === "closed") return 0;
    const before = this.#delivered;
    while (this.#ring.next()) this.#complete();
    if (this.#backlog.length > 0) this.#startBacklog();
    if (this.#inFlight === 0 && this.#keepsAlive) this.#keepAlive(false);
    return this.#delivered - before;
  }

  async syncFile(id: WriterFile): Promise<void> {
    const file = this.#files.get(id);
    assert(this.#state === "open", "a closed writer takes no syncs");
    file.inFlight += 1;
    this.#inFlight += 1;
    try {
      await file.sync((handle) => this.#syncOnce(file, handle));
    } finally {
      file.landed();
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#handleIdle();
    }
  }

  #syncOnce(file: OpenFile, handle: Handle): Promise<void> {
    return new Promise((resolve, reject) => {
      const operation = this.#begin();
      file.inFlight += 1;
      operation.file = file;
      operation.handle = handle;
      operation.phase = "sync";
      operation.settle = (error) => (error === null ? resolve() : reject(error));
      this.#start(operation);
    });
  }

  #handleIdle(): void {
    if (this.#keepsAlive) this.#keepAlive(false);
    if (this.#onIdle !== null) this.#onIdle();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#state = "closing";
    // Not inside the callback that asked for it: the loop that called it goes on reading the ring.
    await Promise.resolve();
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#state = "closed";
    this.#native.watchClose(this.#watch);
    const files = this.#files.all();
    for (const file of files) this.#unregister(file);
    this.#ring.close();
    this.#fileTable.close();
    this.#vectors.close();
    this.#native.release(this.memory.buffer);
    this.#afterClose();
    await runAll(files.filter((file) => !file.retired).map((file) => () => this.#freeFile(file)));
  }

  async #freeFile(file: OpenFile): Promise<void> {
    if (this.#state !== "closed") this.#unregister(file);
    this.#files.forget(file);
    await closeDescriptors(file.handles.map((handle) => handle.descriptor), file.path);
  }

  #unregister(file: OpenFile): void {
    for (const handle of file.handles) this.#fileTable.remove(handle);
  }

  #begin(): Operation {
    const operation = this.#operations.take();
    operation.stalls = 0;
    operation.outstanding = 0;
    this.#inFlight += 1;
    if (!this.#keepsAlive) this.#keepAlive(true);
    return operation;
  }

  #keepAlive(keeps: boolean): void {
    this.#keepsAlive = keeps;
    this.#native.watchKeepsAlive(this.#watch, keeps);
  }

  /** Puts the operation's phase into the ring and submits it, or queues it behind those that wait for room. */
  #start(operation: Operation): void {
    const linked = operation.phase === "write" && this.#flush === "linked";
    // What has a handle goes before what waits for one, which it may be waiting for.
    if (operation.handle === null && this.#backlog.length === 0) operation.handle = (operation.file as OpenFile).take();
    if (operation.handle === null || this.#ring.room < (linked ? 2 : 1)) return this.#putOff(operation);
    this.#enqueue(operation, linked);
    this.#submit(operation);
  }

  #enqueue(operation: Operation, linked: boolean): void {
    operation.linked = linked;
    operation.outstanding = linked ? 2 : 1;
    if (operation.phase === "write") this.#enqueueWrite(operation);
    if (operation.phase === "sync" || linked) this.#enqueueSync(operation);
  }

  #enqueueWrite(operation: Operation): void {
    const handle = operation.handle as Handle;
    const words = this.#ring.entries;
    const at = this.#ring.take();
    const flags = (handle.fixed ? entryFlag.fixedFile : 0) | (operation.linked ? entryFlag.link : 0);
    const low = this.#addressLow + operation.start;
    const code = this.#fixedMemory ? opcode.writeFixed : opcode.write;
    words[at] = (operation.vector === null ? code : this.#gatherCode) | (flags << 8);
    words[at + 1] = handle.fixed ? handle.index : handle.descriptor;
    words[at + 2] = lowHalf(operation.position);
    words[at + 3] = highHalf(operation.position);
    words[at + 4] = lowHalf(low);
    words[at + 5] = this.#addressHigh + highHalf(low);
    words[at + 6] = operation.bytes;
    if (operation.vector !== null) this.#vectors.fill(operation.vector, words, at);
    words[at + 7] = this.#flush === "dsync" ? writeDsync : 0;
    words[at + 8] = operation.slot * 2 + part.write;
    words[at + 9] = operation.generation;
  }

  #enqueueSync(operation: Operation): void {
    const handle = operation.handle as Handle;
    const words = this.#ring.entries;
    const at = this.#ring.take();
    words[at] = opcode.fsync | ((handle.fixed ? entryFlag.fixedFile : 0) << 8);
    words[at + 1] = handle.fixed ? handle.index : handle.descriptor;
    words[at + 7] = fsyncDataOnly;
    words[at + 8] = operation.slot * 2 + part.sync;
    words[at + 9] = operation.generation;
  }

  /**
   * Everything in the ring that is not yet taken belongs to `operation`. When the kernel takes a chain's write without
   * its sync, the sync must not go in later by itself: 1. write taken; 2. sync submitted alone, overtakes it and returns
   * 0; 3. both completed: acknowledged; 4. power fails. So it is taken back, and done after the write.
   */
  #submit(operation: Operation): void {
    const result = this.#ring.submit();
    if (result === 0) return;
    assert(!this.#polled, `the SQPOLL thread takes what it is given (${String(result)})`);
    const taken = operation.outstanding - this.#ring.unsubmitted;
    this.#ring.rewind();
    operation.outstanding = taken;
    if (taken > 0) {
      operation.linked = false;
      return;
    }
    if (result > 0 || result === -errno.EAGAIN || result === -errno.EBUSY) this.#putOff(operation);
    else this.#finishLater(operation, this.#failure(operation, -result));
  }

  #putOff(operation: Operation): void {
    this.#backlog.push(operation);
    // With nothing under way no completion will call for the backlog.
    if (this.#retryTimer) return;
    this.#retryTimer = true;
    setTimeout(() => {
      this.#retryTimer = false;
      this.#startBacklog();
    }, 1);
  }

  #startBacklog(): void {
    for (const operation of this.#backlog.splice(0)) this.#start(operation);
  }

  #onReadable(): void {
    if (this.reap() > 0) this.#onBatchEnd();
  }

  #complete(): void {
    const ring = this.#ring;
    const operation = this.#operations.find(ring.userDataLow, ring.userDataHigh);
    assert(operation !== undefined && operation.outstanding > 0, "a completion belongs to an operation in flight");
    if ((ring.userDataLow & 1) === part.write) operation.writeResult = ring.result;
    else operation.syncResult = ring.result;
    operation.outstanding -= 1;
    // Of a chain both results are needed; the buffer belongs to the kernel until then.
    if (operation.outstanding > 0) return;
    if (operation.phase === "write") this.#judgeWrite(operation);
    else this.#judgeSync(operation);
  }

  #judgeWrite(operation: Operation): void {
    const written = operation.writeResult;
    if (written === operation.bytes) {
      if (operation.linked) return this.#judgeSync(operation);
      const isDurable = this.#flush === "dsync" && !(operation.file as OpenFile).needsSync;
      if (isDurable || this.#flush === "never") return this.#finish(operation, null);
      operation.phase = "sync";
      return this.#start(operation);
    }
    if (written < 0 && written !== -errno.EAGAIN && written !== -errno.EINTR) return this.#finish(operation, this.#failure(operation, -written));
    // Short: the rest again, from the last whole unit, for direct I/O can't begin inside one.
    const whole = written < 0 ? 0 : written - (written % this.#alignment);
    if (whole === 0 && (operation.stalls += 1) > stallsMax) return this.#finish(operation, this.#failure(operation, errno.EIO));
    operation.position += whole;
    operation.start += whole;
    operation.bytes -= whole;
    if (operation.vector !== null) operation.vector.skipped += whole;
    this.#start(operation);
  }

  #judgeSync(operation: Operation): void {
    // Never retried: the kernel may have forgotten which pages it could not write.
    this.#finish(operation, operation.syncResult < 0 ? this.#failure(operation, -operation.syncResult) : null);
  }

  #failure(operation: Operation, number: number): RingwallError {
    const path = operation.file?.path ?? "";
    if (operation.phase === "sync") return fromErrno(number, { operation: "sync", path });
    return fromErrno(number, { operation: `write ${String(operation.bytes)} bytes durably`, path, offset: operation.position });
  }

  #finish(operation: Operation, error: RingwallError | null): void {
    const { token, settle, file, handle, vector } = operation;
    // A sync for its own sake borrows a handle that may be in use.
    if (settle === null && handle !== null) (file as OpenFile).give(handle);
    this.#operations.give(operation);
    if (vector !== null) this.#vectors.give(vector);
    this.#inFlight -= 1;
    this.#delivered += 1;
    if (file !== null) file.landed();
    if (settle !== null) settle(error);
    else if (vector === null) this.#onWritten(token, error);
    else for (const part of vector.parts) this.#onWritten(part.token, error);
    if (this.#inFlight === 0 && this.#onIdle !== null) this.#onIdle();
  }

  /** From the event loop, for no completion will ever come. */
  #finishLater(operation: Operation, error: RingwallError): void {
    setImmediate(() => {
      this.#finish(operation, error);
      this.reap();
      this.#onBatchEnd();
    });
  }

  #spinFor({ native, completion }: UringWriterSetup): Spin | null {
    const way = this.#looks ? "device" : completion === "spin" ? "asked" : "busy";
    if (way === "busy" && this.#polled) return null;
    return new Spin({
      way,
      yieldProcessor: () => { native.yieldProcessor(); },
      inFlight: () => this.#inFlight,
      look: () => {
        if (this.#looks && this.#inFlight > 0) this.#ring.poll();
        this.#onReadable();
      },
    });
  }
}

// One producer's end of the way to the lane's thread: sends commands, hands out answers, wakes and is woken.
//
// Owns: the producer's memory and port, the commands that wait for room, the promises of those under way, and whether the
// thread's event loop is kept alive: it is while an answer is due, and not otherwise. Never blocks.
// A command takes its place among `answersMax` before it is sent, so that its answer always has room (answer-ring.ts).

import type { MessagePort } from "node:worker_threads";
import { RingwallError } from "../base/errors.js";
import { newAcknowledgement, resolveOfLast } from "../log/acknowledgement.js";
import type { BackupProgress, BackupReport } from "../log/backup/backup.js";
import { Drains } from "../log/drains.js";
import type { ResolvedReclaim } from "../log/options.js";
import { askOwner, tellOwner } from "../log/reclaim-owner.js";
import { asBytes, copied } from "../log/record-data.js";
import { nodeClock } from "../storage/node-clock.js";
import { WakeableRing } from "../storage/uring/ring-wake.js";
import { AnswerReader } from "./answer-ring.js";
import type { BoardReader } from "./board.js";
import { commandKind, CommandWriter, pieceBytesMax, type CommandKind } from "./command-ring.js";
import { receivedError } from "./error-transfer.js";
import { Outbox, type AnswerResolve, type WaitingCommand } from "./outbox.js";
import { encodeBackup } from "./payloads.js";
import type { FromLane, SentBackup, SentReadOptions, SentRecords, ToLane } from "./port-messages.js";
import { answersMax, commandBytes, word, type ProducerMemory } from "./producer-memory.js";

type State =
  | { readonly kind: "open" | "closing" }
  /** Nothing goes over any more, and this is why. */
  | { readonly kind: "ended"; readonly error: RingwallError };

interface BackupWaiter {
  readonly onProgress: (progress: BackupProgress) => void;
  readonly resolve: (report: BackupReport) => void;
  readonly reject: (error: Error) => void;
}

interface ReadWaiter {
  readonly resolve: (records: SentRecords | null) => void;
  readonly reject: (error: Error) => void;
}

export interface ConnectionOptions {
  readonly port: MessagePort;
  readonly memory: ProducerMemory;
  readonly board: BoardReader;
  /** The log's, for messages. */
  readonly directory: string;
  /** Whether the lane's thread can wake this one by a completion in a ring. */
  readonly wakesByRing: boolean;
  /** The owner's; null where the log was only attached to. */
  readonly reclaim: ResolvedReclaim | null;
}

const clock = nodeClock();
const noBytes = new Uint8Array(0);
const unanswered = -1;

export class Connection {
  readonly board: BoardReader;
  readonly #port: MessagePort;
  readonly #memory: ProducerMemory;
  readonly #directory: string;
  readonly #writer: CommandWriter;
  readonly #answers: AnswerReader;
  readonly #outbox = new Outbox();
  /** Of the commands under way, by token modulo its size. */
  readonly #resolvers = new Array<AnswerResolve | undefined>(answersMax).fill(undefined);
  readonly #reads = new Map<number, ReadWaiter>();
  readonly #backups = new Map<number, BackupWaiter>();
  readonly #reclaim: ResolvedReclaim | null;
  readonly #drains = new Drains({ isClear: () => this.#outbox.length === 0, defer: (action) => { clock.defer(action); } });
  #state: State = { kind: "open" };
  #nextToken = 0;
  #nextRead = 1;
  #nextBackup = 1;
  /** Answers that are due; the event loop goes on while there are any. */
  #due = 0;
  /** What the lane's thread died of, where this thread knows. */
  #death: unknown = undefined;
  #onEnd: ((error: Error | null) => void) | null = null;
  readonly #ring: WakeableRing | null;

  constructor({ port, memory, board, directory, wakesByRing, reclaim }: ConnectionOptions) {
    this.board = board;
    this.#reclaim = reclaim;
    this.#port = port;
    this.#memory = memory;
    this.#directory = directory;
    this.#writer = new CommandWriter(memory);
    this.#answers = new AnswerReader(memory);
    Atomics.store(memory.words, word.wantsAnswers, 1);
    port.on("message", (message: FromLane) => { this.#handle(message); });
    port.on("close", () => { this.#handleDeath(); });
    port.unref();
    this.#ring = wakesByRing ? WakeableRing.open(() => { this.#handleAnswers(); }) : null;
    const descriptor = this.#ring?.share() ?? null;
    if (descriptor !== null) this.#post({ kind: "ring", descriptor });
  }

  get state(): State["kind"] {
    return this.#state.kind;
  }

  get needDrain(): boolean {
    return this.#outbox.length > 0;
  }

  /** Why nothing is taken any more. */
  refusal(): RingwallError {
    return this.#state.kind === "ended" ? this.#state.error : this.#closedError();
  }

  /** One record; resolves to its sequence. `data` may be reused at once. Hot. */
  append(partition: number, data: Uint8Array | string): Promise<number> {
    if (this.#state.kind !== "open") return Promise.reject(this.refusal());
    const promise = newAcknowledgement();
    this.#send(commandKind.append, partition, data, resolveOfLast() as AnswerResolve);
    return promise;
  }

  /** One record that nobody waits for. Throws RINGWALL_BACKPRESSURE where as much as a ring waits already. Hot. */
  enqueue(partition: number, data: Uint8Array | string): void {
    if (this.#state.kind !== "open") throw this.refusal();
    if (this.#outbox.length > 0) this.#demandSpace(typeof data === "string" ? Buffer.byteLength(data) : data.length);
    this.#send(commandKind.enqueue, partition, data, ignoreAnswer);
  }

  /** A command that is answered with a number. */
  async call(kind: CommandKind, partition: number, payload: Uint8Array = noBytes): Promise<number> {
    if (this.#state.kind !== "open") throw this.refusal();
    return (await new Promise<number | readonly number[]>((resolve) => { this.#send(kind, partition, payload, resolve); })) as number;
  }

  /** A command that is answered with several numbers. */
  async callForMany(kind: CommandKind, partition: number, payload: Uint8Array): Promise<number[]> {
    if (this.#state.kind !== "open") throw this.refusal();
    const numbers = await new Promise<number | readonly number[]>((resolve) => { this.#send(kind, partition, payload, resolve); });
    return [...(numbers as readonly number[])];
  }

  /** A command without answer. */
  tell(kind: CommandKind, partition: number, payload: Uint8Array = noBytes): void {
    if (this.#state.kind === "open") this.#send(kind, partition, payload, null);
  }

  async drain(): Promise<void> {
    if (this.#state.kind === "ended" && this.#state.error.code === "RINGWALL_POISONED") throw this.#state.error;
    if (this.#outbox.length === 0) return;
    await this.#drains.wait();
  }

  /** Ends this producer, or the log; resolves once everything accepted is durable, and rejects where that was not possible. */
  async end(kind: typeof commandKind.detach | typeof commandKind.close): Promise<void> {
    if (this.#state.kind === "open") {
      await new Promise<void>((resolve, reject) => {
        this.#onEnd = (error) => { if (error === null) resolve(); else reject(error); };
        this.#hold();
        this.#send(kind, 0, noBytes, null);
        this.#state = { kind: "closing" };
      });
    } else if (this.#state.kind === "ended" && this.#state.error.code === "RINGWALL_POISONED") throw this.#state.error;
  }

  /** What the lane's thread died of. */
  noteDeath(cause: unknown): void {
    this.#death = cause;
  }

  // ---- reading

  openRead(partition: string, options: SentReadOptions): number {
    const id = this.#nextRead++;
    this.#post({ kind: "read", id, partition, options });
    return id;
  }

  /** The next records; null at the end. Also a tail that waits keeps the event loop alive: other threads append. */
  nextRecords(id: number): Promise<SentRecords | null> {
    return this.#read(id, { kind: "next", id });
  }

  get(partition: string, sequence: number): Promise<SentRecords | null> {
    const id = this.#nextRead++;
    return this.#read(id, { kind: "get", id, partition, sequence });
  }

  /** Two records without their bytes: the first and the last of the partition. */
  times(partition: string): Promise<SentRecords | null> {
    const id = this.#nextRead++;
    return this.#read(id, { kind: "times", id, partition });
  }

  /** What waits for its records gets the end. */
  endRead(id: number): void {
    if (this.#state.kind === "ended") return;
    this.#post({ kind: "return", id });
    this.#takeRead(id)?.resolve(null);
  }

  #read(id: number, message: ToLane): Promise<SentRecords | null> {
    if (this.#state.kind === "ended") return Promise.reject(this.#state.error);
    return new Promise((resolve, reject) => {
      this.#reads.set(id, { resolve, reject });
      this.#hold();
      this.#post(message);
    });
  }

  #takeRead(id: number): ReadWaiter | undefined {
    const waiter = this.#reads.get(id);
    if (this.#reads.delete(id)) this.#release(1);
    return waiter;
  }

  // ---- backups

  /** A command like any other, so that what was accepted before it is in the copy. Each progress is to be answered by `tellBackup`. */
  beginBackup(order: Omit<SentBackup, "id">, onProgress: BackupWaiter["onProgress"]): { readonly id: number; readonly report: Promise<BackupReport> } {
    if (this.#state.kind !== "open") throw this.refusal();
    const id = this.#nextBackup++;
    const report = new Promise<BackupReport>((resolve, reject) => this.#backups.set(id, { onProgress, resolve, reject }));
    this.#hold();
    this.#send(commandKind.backup, 0, encodeBackup({ id, ...order }), null);
    return { id, report };
  }

  tellBackup(message: Extract<ToLane, { kind: "heard" | "abort" }>): void {
    this.#post(message);
  }

  #takeBackup(id: number): BackupWaiter | undefined {
    const waiter = this.#backups.get(id);
    if (this.#backups.delete(id)) this.#release(1);
    return waiter;
  }

  // ---- sending

  /** Straight into the ring where there is room, else a copy into the outbox. Hot. */
  #send(kind: CommandKind, partition: number, given: Uint8Array | string, resolve: AnswerResolve | null): void {
    const data = typeof given === "string" ? given : asBytes(given);
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.length;
    if (this.#outbox.length === 0 && bytes <= pieceBytesMax && (resolve === null || this.#hasPlace()) && this.#writer.hasRoom(bytes)) {
      const token = resolve === null ? 0 : this.#takePlace(resolve);
      const at = this.#writer.begin(kind, token, partition, bytes);
      if (typeof data === "string") this.#memory.commands.write(data, at, bytes, "utf8");
      else this.#memory.commands.set(data, at);
      this.#publish();
      return;
    }
    this.#outbox.push({ kind, partition, payload: copied(data), resolve, token: unanswered, sentBytes: 0, hasBegun: false });
    this.#hold();
    this.#pump();
  }

  /** Sends what waits, as far as there is room. */
  #pump(): void {
    const before = this.#outbox.length;
    if (before === 0) return;
    for (let command = this.#outbox.first; command !== undefined; command = this.#outbox.first) {
      if (command.resolve !== null && command.token === unanswered) {
        if (!this.#hasPlace()) break;
        command.token = this.#takePlace(command.resolve);
      }
      if (!this.#sendPieces(command)) break;
      this.#outbox.shift();
    }
    this.#publish();
    if (before > this.#outbox.length) this.#release(before - this.#outbox.length);
    this.#drains.release();
  }

  /** True once all of it is sent; false when the ring is full, and a message comes when that is over. */
  #sendPieces(command: WaitingCommand): boolean {
    const { kind, partition, payload } = command;
    while (!command.hasBegun || command.sentBytes < payload.length) {
      const pieceBytes = Math.min(pieceBytesMax, payload.length - command.sentBytes);
      if (!this.#writer.hasRoom(pieceBytes) && !this.#askForRoom(pieceBytes)) return false;
      const at = this.#writer.begin(command.hasBegun ? commandKind.more : kind, Math.max(command.token, 0), partition, payload.length, pieceBytes);
      this.#memory.commands.set(payload.subarray(command.sentBytes, command.sentBytes + pieceBytes), at);
      command.hasBegun = true;
      command.sentBytes += pieceBytes;
    }
    return true;
  }

  /** The flag stands before the look: either the lane sees it when it has released, or the room is seen here. */
  #askForRoom(pieceBytes: number): boolean {
    this.#publish();
    Atomics.store(this.#memory.words, word.wantsRoom, 1);
    return this.#writer.hasRoom(pieceBytes);
  }

  /** The tail is stored before the look at the lane's flag: see lane-server.ts. Hot. */
  #publish(): void {
    this.#writer.publish();
    if (this.board.takeWakeUp()) this.#post({ kind: "commands" });
  }

  #post(message: ToLane): void {
    if (this.#state.kind === "ended") return;
    this.#port.postMessage(message);
    // Behind the message: who hears the bell finds it.
    this.board.ringBell();
  }

  #demandSpace(bytes: number): void {
    if (this.#outbox.bytes + bytes <= commandBytes) return;
    throw new RingwallError("RINGWALL_BACKPRESSURE", `${String(this.#outbox.bytes)} bytes wait for room on the way to the lane's thread, the limit is ${String(commandBytes)}`, {
      place: { path: this.#directory },
      remedy: "Await log.drain() while log.needDrain is true.",
    });
  }

  // ---- answers

  #hasPlace(): boolean {
    if (this.#resolvers[this.#nextToken % answersMax] === undefined) return true;
    this.#reap();
    return this.#resolvers[this.#nextToken % answersMax] === undefined;
  }

  #takePlace(resolve: AnswerResolve): number {
    const token = this.#nextToken;
    this.#nextToken = (token + 1) >>> 0;
    this.#resolvers[token % answersMax] = resolve;
    this.#hold();
    return token;
  }

  #takeResolver(token: number): AnswerResolve | undefined {
    const place = token % answersMax;
    const resolve = this.#resolvers[place];
    this.#resolvers[place] = undefined;
    return resolve;
  }

  #handle(message: FromLane): void {
    if (this.#state.kind === "ended") return;
    switch (message.kind) {
      case "answers":
        this.#handleAnswers();
        break;
      case "failure":
        this.#settle(message.token, Promise.reject(receivedError(message.error)));
        break;
      case "result":
        this.#settle(message.token, message.sequences);
        break;
      case "records":
        this.#takeRead(message.id)?.resolve(message.records);
        break;
      case "unread":
        this.#takeRead(message.id)?.reject(receivedError(message.error));
        break;
      case "progress":
        this.#backups.get(message.id)?.onProgress(message.progress);
        break;
      case "backup":
        this.#takeBackup(message.id)?.resolve(message.report);
        break;
      case "no backup":
        this.#takeBackup(message.id)?.reject(receivedError(message.error));
        break;
      case "reclaim":
        void askOwner(this.#reclaim?.onReclaim, message.event).then(() => { this.#post({ kind: "reclaim", id: message.id }); });
        break;
      case "reclaim stopped":
        tellOwner(this.#reclaim?.onStopped, receivedError(message.error) as RingwallError);
        break;
      case "closed":
        this.#reap();
        this.#finish(this.#closedError(), message.error === null ? null : receivedError(message.error));
        break;
      case "opened":
      case "refused":
        break;
    }
  }

  #handleAnswers(): void {
    if (this.#state.kind === "ended") return;
    // The flag stands before the look: see lane-server.ts.
    Atomics.store(this.#memory.words, word.wantsAnswers, 1);
    this.#reap();
    this.#pump();
  }

  /** Hands out every answer that is there. Hot. */
  #reap(): void {
    const answers = this.#answers;
    while (answers.next()) {
      const { token, count, sequence } = answers;
      for (let index = 0; index < count; index++) this.#takeResolver((token + index) >>> 0)?.(sequence + index);
      this.#release(count);
    }
  }

  #settle(token: number, value: readonly number[] | Promise<never>): void {
    this.#takeResolver(token)?.(value);
    this.#release(1);
    if (this.#outbox.length > 0) this.#pump();
  }

  // ---- the end

  #handleDeath(): void {
    if (this.#state.kind === "ended") return;
    // Answers that were given are good, whatever became of the thread that gave them.
    this.#reap();
    const error = new RingwallError("RINGWALL_POISONED", "the lane's thread has ended, and what was pending may or may not be durable", {
      ...(this.#death === undefined ? {} : { cause: this.#death }),
      place: { path: this.#directory },
      remedy: "Close the log and open it again: recovery finds out.",
    });
    this.#finish(error, error);
  }

  #finish(error: RingwallError, outcome: Error | null): void {
    this.#state = { kind: "ended", error };
    const failed = Promise.reject<never>(error);
    failed.catch(() => undefined);
    for (const { resolve, token } of this.#outbox.clear()) if (token === unanswered) resolve?.(failed);
    for (const [place, resolve] of this.#resolvers.entries()) {
      this.#resolvers[place] = undefined;
      resolve?.(failed);
    }
    for (const [, { reject }] of this.#reads) reject(error);
    this.#reads.clear();
    for (const [, { reject }] of this.#backups) reject(error);
    this.#backups.clear();
    this.#drains.fail(error);
    this.#port.close();
    this.#ring?.close();
    this.#onEnd?.(outcome);
  }

  #closedError(): RingwallError {
    return new RingwallError("RINGWALL_CLOSED", "the log is closed", { place: { path: this.#directory }, remedy: "Open it again." });
  }

  #hold(): void {
    if (this.#due++ === 0) this.#port.ref();
  }

  #release(count: number): void {
    this.#due -= count;
    if (this.#due === 0) this.#port.unref();
  }
}

function ignoreAnswer(): void {
  // An enqueue: its failure is told by the next sync.
}

// One producer as the lane's thread sees it: takes its commands, calls the log, gives the answers back.
//
// Owns: the reading end of its command ring, the payload that is coming in pieces, its partitions by number, its readings.
// Commands are handed to the log in the order in which they were published, each before the next is looked at, so the
// order of one producer is the order of its calls. What a producer that died left unfinished is forgotten; what it
// published whole is appended, as if it had died a moment later.

import type { MessagePort } from "node:worker_threads";
import { assert, unreachable } from "../base/assert.js";
import { roundUp8 } from "../base/numbers.js";
import type { Resolve } from "../log/block-buffer.js";
import type { LaneLog } from "../log/lane-log.js";
import type { NamedItem } from "../log/log-arguments.js";
import { WordRange } from "../log/word-range.js";
import type { RingWaker } from "../storage/uring/ring-wake.js";
import { AnswerWriter } from "./answer-ring.js";
import { CommandReader, commandKind, type Command } from "./command-ring.js";
import { sentError } from "./error-transfer.js";
import { decodeBackup, decodeCall, decodeItems, decodeName, decodeNumber } from "./payloads.js";
import type { FromLane, ToLane } from "./port-messages.js";
import { answersMax, ProducerMemory, word } from "./producer-memory.js";
import type { ServedPartition } from "./served-partitions.js";
import { ServedBackups } from "./served-backups.js";
import { ServedReads } from "./served-reads.js";

export interface SessionOptions {
  readonly log: LaneLog;
  readonly memory: SharedArrayBuffer;
  readonly port: MessagePort;
  /** The partition of that name; throws what `log.partition` does. */
  readonly serve: (name: string) => ServedPartition;
  /** Throws unless all of these can be served. */
  readonly demandPlaces: (names: readonly string[]) => void;
  /** Commands may be there. */
  readonly onCommands: () => void;
  /** The owner has answered what reclaim asked. */
  readonly onReclaimed: (id: number) => void;
  /** Something about the partition may have changed, and answers may wait to be published. */
  readonly onChange: (partition: ServedPartition | null, session: ProducerSession) => void;
  /** Wakes the producer without a message; null where there is no such way. */
  readonly waker: RingWaker | null;
  /** The producer wants to end, or has ended without a word, or ends the log. */
  readonly onEnd: (session: ProducerSession, how: "detach" | "gone" | "close") => void;
}

const piecesTogether = "the pieces of one payload come together";

interface NamedPartition {
  readonly name: string;
  served: ServedPartition | null;
  /** Given to the lane with every append to it: gets the token, or a rejection and the token. */
  acknowledge: Resolve;
  /** What placing it was refused with. */
  readonly error: Error | null;
}

interface Assembly {
  readonly command: Command;
  readonly payload: Buffer;
  received: number;
}

export class ProducerSession {
  readonly #options: SessionOptions;
  readonly #memory: ProducerMemory;
  readonly #reader: CommandReader;
  readonly #answers: AnswerWriter;
  readonly #reads: ServedReads;
  readonly #backups: ServedBackups;
  readonly #partitions: NamedPartition[] = [];
  #assembly: Assembly | null = null;
  /** The first failure of an enqueue that nobody has heard of. */
  #unheard: Error | null = null;
  #isGone = false;
  /** Of the appends under way, by token modulo their size: the sequence, and whether somebody waits for the answer. */
  readonly #sequences = new Float64Array(answersMax);
  readonly #heard = new Uint8Array(answersMax);
  /** The record that is being taken. */
  readonly #range: WordRange;
  /** The ring by which the producer can be woken; this side's own descriptor for it. */
  #wakeDescriptor: number | null = null;

  constructor(options: SessionOptions) {
    const { log, memory, port, onEnd } = options;
    this.#options = options;
    this.#memory = new ProducerMemory(memory);
    this.#reader = new CommandReader(this.#memory);
    this.#range = new WordRange(this.#memory.commandWords);
    this.#answers = new AnswerWriter(this.#memory);
    this.#reads = new ServedReads(log, (message, transfer) => { this.#post(message, transfer); });
    this.#backups = new ServedBackups(log, (message) => { this.#post(message); });
    port.on("message", (message: ToLane) => { this.#handle(message); });
    port.on("close", () => {
      if (!this.#isGone) onEnd(this, "gone");
    });
  }

  get hasCommands(): boolean {
    return this.#reader.hasMore;
  }

  get unheard(): Error | null {
    return this.#unheard;
  }

  /** Takes up to `countMax` commands while `goesOn`; whether there were any. */
  consume(countMax: number, goesOn: () => boolean): boolean {
    let count = 0;
    while (count < countMax && goesOn() && this.#reader.next()) {
      count++;
      this.#take();
    }
    if (count === 0) return false;
    this.#reader.release();
    // After the release, before the next look at this flag by the producer: one of the two sees the other.
    if (Atomics.load(this.#memory.words, word.wantsRoom) === 1 && Atomics.exchange(this.#memory.words, word.wantsRoom, 0) === 1) this.#wake();
    return true;
  }

  /** Makes the answers visible, and wakes the producer if it waits for some. */
  publish(): void {
    this.#answers.publish();
    if (Atomics.load(this.#memory.words, word.wantsAnswers) === 1 && Atomics.exchange(this.#memory.words, word.wantsAnswers, 0) === 1) this.#wake();
  }

  tell(message: FromLane): void {
    this.#post(message);
  }

  /** Says good-bye; nothing is sent after it. */
  async end(error: unknown): Promise<void> {
    if (this.#isGone) return;
    await this.#reads.close();
    await this.#backups.end();
    this.publish();
    this.#post({ kind: "closed", error: error === null ? null : sentError(error) });
    this.#isGone = true;
    this.#forgetRing();
    this.#options.port.close();
  }

  /** The producer's thread has ended. */
  async drop(): Promise<void> {
    this.#isGone = true;
    this.#forgetRing();
    await this.#reads.close();
    await this.#backups.end();
  }

  /** Resolves when none of this producer's is under way. */
  endBackups(): Promise<void> {
    return this.#backups.end();
  }

  wakeByMessage(): void {
    this.#post({ kind: "answers" });
  }

  #wake(): void {
    const { waker } = this.#options;
    if (waker === null || this.#wakeDescriptor === null || !waker.wake(this.#wakeDescriptor)) this.wakeByMessage();
  }

  #forgetRing(): void {
    // Only where there is a waker is there a descriptor.
    if (this.#wakeDescriptor !== null) this.#options.waker?.release(this.#wakeDescriptor);
    this.#wakeDescriptor = null;
  }

  #post(message: FromLane, transfer: ArrayBuffer[] = []): void {
    if (!this.#isGone) this.#options.port.postMessage(message, transfer);
  }

  #handle(message: ToLane): void {
    switch (message.kind) {
      case "commands":
        this.#options.onCommands();
        break;
      case "ring":
        this.#wakeDescriptor = message.descriptor;
        break;
      case "heard":
      case "abort":
        this.#backups.handle(message);
        break;
      case "reclaim":
        this.#options.onReclaimed(message.id);
        break;
      default:
        void this.#reads.handle(message);
    }
  }

  /** Hot: once per record. */
  #take(): void {
    const reader = this.#reader;
    const { kind, pieceBytes, payloadBytes, pieceAt } = reader;
    const isWhole = pieceBytes === payloadBytes;
    if (isWhole && (kind === commandKind.append || kind === commandKind.enqueue)) {
      assert(this.#assembly === null, piecesTogether);
      this.#range.start = pieceAt;
      this.#range.length = pieceBytes;
      this.#append(reader, this.#range);
      return;
    }
    const piece = this.#memory.commands.subarray(pieceAt, pieceAt + pieceBytes);
    if (kind === commandKind.more) {
      this.#takeMore(piece);
      return;
    }
    assert(this.#assembly === null, piecesTogether);
    if (isWhole) this.#run(reader, piece);
    else {
      const payload = Buffer.from(new ArrayBuffer(roundUp8(payloadBytes)), 0, payloadBytes);
      payload.set(piece, 0);
      const { token, partition } = reader;
      this.#assembly = { command: { kind, token, partition, payloadBytes }, payload, received: pieceBytes };
    }
  }

  #takeMore(piece: Buffer): void {
    const assembly = this.#assembly;
    assert(assembly !== null, "a piece continues a payload");
    assembly.payload.set(piece, assembly.received);
    assembly.received += piece.length;
    if (assembly.received < assembly.command.payloadBytes) return;
    this.#assembly = null;
    const { command, payload } = assembly;
    if (command.kind === commandKind.append || command.kind === commandKind.enqueue) {
      const range = new WordRange(new Uint32Array(payload.buffer));
      range.length = payload.length;
      this.#append(command, range);
    } else this.#run(command, payload);
  }

  /** `payload` may lie in the ring: whatever is called must have copied it when it returns. */
  #run({ kind, token, partition, payloadBytes }: Command, payload: Buffer): void {
    const { log, onEnd, onChange } = this.#options;
    try {
      switch (kind) {
        case commandKind.batch: {
          const served = this.#served(partition);
          const items = decodeItems(payload);
          const done = served.partition.appendBatch(items.flatMap(({ data }) => data ?? []), { after: items[0]?.truncate });
          this.#answer(token, served, done.then(({ first }) => first));
          break;
        }
        case commandKind.write:
          this.#write(token, payload);
          break;
        case commandKind.call:
          this.#call(token, this.#served(partition), payload);
          break;
        case commandKind.name:
          this.#name(partition, payload);
          break;
        case commandKind.sync:
          this.#answer(token, null, log.sync().then(() => this.#tellUnheard()));
          break;
        case commandKind.trim:
        case commandKind.truncate: {
          const served = this.#served(partition);
          const bound = decodeNumber(payload);
          const done = kind === commandKind.trim ? served.partition.trim(bound) : served.partition.truncate(bound);
          this.#answer(token, served, done.then(() => 0));
          break;
        }
        case commandKind.drop: {
          const served = this.#served(partition);
          this.#answer(token, served, served.partition.drop().then(() => 0));
          break;
        }
        case commandKind.backup:
          this.#backups.begin(decodeBackup(payload));
          break;
        case commandKind.rotate:
          log.rotate();
          break;
        case commandKind.detach:
          onEnd(this, "detach");
          break;
        case commandKind.close:
          onEnd(this, "close");
          break;
        case commandKind.append:
        case commandKind.enqueue:
        case commandKind.skip:
        case commandKind.more:
          assert(false, `a command of ${String(payloadBytes)} bytes has a meaning`);
          break;
        default:
          unreachable(kind, "a command's kind is known");
      }
    } catch (error) {
      this.#fail(token, error);
      onChange(null, this);
    }
  }

  /**
   * Hot: allocates nothing. An enqueue is no `enqueue` of the log either: what that throws could not be told here, and its end
   * would not be heard of.
   */
  #append({ kind, token, partition: number }: Command, data: WordRange): void {
    const place = token % answersMax;
    const isHeard = kind === commandKind.append;
    this.#heard[place] = isHeard ? 1 : 0;
    try {
      const served = this.#served(number);
      this.#sequences[place] = served.partition.appendFor(data, (this.#partitions[number] as NamedPartition).acknowledge, token);
      this.#options.onChange(served, this);
    } catch (error) {
      this.#handleRefusal(token, error);
      this.#options.onChange(null, this);
    }
  }

  #acknowledge(served: ServedPartition, token: number): void {
    this.#answers.add(token, this.#sequences[token % answersMax] as number);
    this.#options.onChange(served, this);
  }

  #handleRefusal(token: number, error: unknown): void {
    if (this.#heard[token % answersMax] === 1) this.#fail(token, error);
    else this.#noteUnheard(token, error);
  }

  /** Nobody waits for this answer: the next sync, or the close, tells it. */
  #noteUnheard(token: number, error: unknown): void {
    this.#unheard ??= error as Error;
    this.#answers.add(token, 0);
  }

  #write(token: number, payload: Buffer): void {
    const { log, serve, demandPlaces, onChange } = this.#options;
    const items = decodeItems(payload).map(({ partition, ...item }): NamedItem => ({ ...item, name: this.#partitionName(partition) }));
    // What the write creates gets its lane from the log and its place on the board afterwards; room for it is there before.
    demandPlaces(items.map(({ name }) => name));
    log.writeNamed(items).then(
      (sequences) => {
        for (const { name } of items) onChange(serve(name), this);
        // Behind the microtask that brings the board up to date.
        queueMicrotask(() => { this.#post({ kind: "result", token, sequences }); });
      },
      (error: unknown) => { this.#fail(token, error); },
    );
  }

  /** A producer's call; answered with the first sequence and their count. */
  #call(token: number, served: ServedPartition, payload: Buffer): void {
    const { options, records } = decodeCall(payload);
    const { onChange } = this.#options;
    served.partition.appendCall(options, records).then(
      ({ first, count }) => {
        onChange(served, this);
        queueMicrotask(() => { this.#post({ kind: "result", token, sequences: [first, count] }); });
      },
      (error: unknown) => { this.#fail(token, error); },
    );
  }

  #answer(token: number, served: ServedPartition | null, done: Promise<number>): void {
    const { onChange } = this.#options;
    done.then(
      (value) => {
        this.#answers.add(token, value);
        onChange(served, this);
      },
      (error: unknown) => {
        this.#fail(token, error);
        onChange(served, this);
      },
    );
  }

  #fail(token: number, error: unknown): void {
    this.#post({ kind: "failure", token, error: sentError(error) });
  }

  #tellUnheard(): number {
    const error = this.#unheard;
    this.#unheard = null;
    if (error !== null) throw error;
    return 0;
  }

  #name(number: number, payload: Buffer): void {
    const { name, placement } = decodeName(payload);
    let error: Error | null = null;
    try {
      if (placement !== null) this.#options.log.named(name, placement);
    } catch (refusal) {
      error = refusal as Error;
    }
    this.#partitions[number] = { name, served: null, acknowledge: notServed, error };
  }

  #partitionName(number: number): string {
    const named = this.#partitions[number];
    assert(named !== undefined, "a partition is named before it is used");
    if (named.error !== null) throw named.error;
    return named.name;
  }

  /** Hot. */
  #served(number: number): ServedPartition {
    const named = this.#partitions[number];
    const served = named?.served ?? null;
    if (served !== null) return served;
    const fresh = this.#options.serve(this.#partitionName(number));
    (named as NamedPartition).served = fresh;
    (named as NamedPartition).acknowledge = (value, failed = 0) => {
      if (typeof value === "number") this.#acknowledge(fresh, value);
      else {
        value.catch((failure: unknown) => {
          this.#handleRefusal(failed, failure);
          this.#options.onChange(fresh, this);
        });
      }
    };
    return fresh;
  }
}

function notServed(): never {
  throw new Error("an append comes behind the partition's first use");
}

// One producer as the lane's thread sees it: takes its commands, calls the log, gives the answers back.
//
// Owns: the reading end of its command ring, the payload that is coming in pieces, its partitions by number, its readings.
// Commands are handed to the log in the order in which they were published, each before the next is looked at, so the
// order of one producer is the order of its calls. What a producer that died left unfinished is forgotten; what it
// published whole is appended, as if it had died a moment later.

import type { MessagePort } from "node:worker_threads";
import { assert, unreachable } from "../base/assert.js";
import type { LaneLog } from "../log/lane-log.js";
import type { NamedItem } from "../log/log-arguments.js";
import { AnswerWriter } from "./answer-ring.js";
import { CommandReader, commandKind, type Command } from "./command-ring.js";
import { sentError } from "./error-transfer.js";
import { decodeCall, decodeItems, decodeName, decodeNumber } from "./payloads.js";
import type { FromLane, ToLane } from "./port-messages.js";
import { ProducerMemory, word } from "./producer-memory.js";
import type { ServedPartition } from "./served-partitions.js";
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
  /** Something about the partition may have changed, and answers may wait to be published. */
  readonly onChange: (partition: ServedPartition | null, session: ProducerSession) => void;
  /** The producer wants to end, or has ended without a word, or ends the log. */
  readonly onEnd: (session: ProducerSession, how: "detach" | "gone" | "close") => void;
}

interface NamedPartition {
  readonly name: string;
  served: ServedPartition | null;
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
  readonly #partitions: NamedPartition[] = [];
  #assembly: Assembly | null = null;
  /** The first failure of an enqueue that nobody has heard of. */
  #unheard: Error | null = null;
  #isGone = false;

  constructor(options: SessionOptions) {
    const { log, memory, port, onCommands, onEnd } = options;
    this.#options = options;
    this.#memory = new ProducerMemory(memory);
    this.#reader = new CommandReader(this.#memory);
    this.#answers = new AnswerWriter(this.#memory);
    this.#reads = new ServedReads(log, (message, transfer) => { this.#post(message, transfer); });
    port.on("message", (message: ToLane) => {
      if (message.kind === "commands") onCommands();
      else void this.#reads.handle(message);
    });
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
    if (Atomics.load(this.#memory.words, word.wantsRoom) === 1 && Atomics.exchange(this.#memory.words, word.wantsRoom, 0) === 1) this.#post({ kind: "answers" });
    return true;
  }

  /** Makes the answers visible, and wakes the producer if it waits for some. */
  publish(): void {
    this.#answers.publish();
    if (Atomics.load(this.#memory.words, word.wantsAnswers) === 1 && Atomics.exchange(this.#memory.words, word.wantsAnswers, 0) === 1) this.#post({ kind: "answers" });
  }

  welcome(message: FromLane): void {
    this.#post(message);
  }

  /** Says good-bye; nothing is sent after it. */
  async end(error: unknown): Promise<void> {
    if (this.#isGone) return;
    await this.#reads.close();
    this.publish();
    this.#post({ kind: "closed", error: error === null ? null : sentError(error) });
    this.#isGone = true;
    this.#options.port.close();
  }

  /** The producer's thread has ended. */
  async drop(): Promise<void> {
    this.#isGone = true;
    await this.#reads.close();
  }

  #post(message: FromLane, transfer: ArrayBuffer[] = []): void {
    if (!this.#isGone) this.#options.port.postMessage(message, transfer);
  }

  /** Hot: once per record. */
  #take(): void {
    const { kind, token, partition, payloadBytes, pieceBytes, pieceAt } = this.#reader;
    const piece = this.#memory.commands.subarray(pieceAt, pieceAt + pieceBytes);
    if (kind === commandKind.more) {
      this.#takeMore(piece);
      return;
    }
    assert(this.#assembly === null, "the pieces of one payload come together");
    if (pieceBytes === payloadBytes) this.#run({ kind, token, partition, payloadBytes }, piece);
    else {
      const payload = Buffer.allocUnsafe(payloadBytes);
      payload.set(piece, 0);
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
    this.#run(assembly.command, assembly.payload);
  }

  /** `payload` may lie in the ring: whatever is called must have copied it when it returns. */
  #run({ kind, token, partition, payloadBytes }: Command, payload: Buffer): void {
    const { log, onEnd, onChange } = this.#options;
    try {
      switch (kind) {
        case commandKind.append:
          this.#append(token, this.#served(partition), payload);
          break;
        case commandKind.enqueue:
          this.#enqueue(token, this.#served(partition), payload);
          break;
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
        case commandKind.rotate:
          log.rotate();
          break;
        case commandKind.detach:
          onEnd(this, "detach");
          break;
        case commandKind.close:
          onEnd(this, "close");
          break;
        case commandKind.skip:
        case commandKind.more:
          assert(false, `a command of ${String(payloadBytes)} bytes has a meaning`);
          break;
        default:
          unreachable(kind, "a command's kind is known");
      }
    } catch (error) {
      if (kind === commandKind.enqueue) this.#noteUnheard(token, error);
      else this.#fail(token, error);
      onChange(null, this);
    }
  }

  /** Hot. */
  #append(token: number, served: ServedPartition, data: Buffer, isHeard = true): void {
    this.#answer(token, served, served.partition.append(data), isHeard);
    this.#options.onChange(served, this);
  }

  /** Not the log's own `enqueue`: what that throws could not be told here, and its end would not be heard of. Hot. */
  #enqueue(token: number, served: ServedPartition, data: Buffer): void {
    this.#append(token, served, data, false);
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

  /** Hot. `isHeard`: somebody waits for this answer. */
  #answer(token: number, served: ServedPartition | null, done: Promise<number>, isHeard = true): void {
    const { onChange } = this.#options;
    done.then(
      (value) => {
        this.#answers.add(token, value);
        onChange(served, this);
      },
      (error: unknown) => {
        if (isHeard) this.#fail(token, error);
        else this.#noteUnheard(token, error);
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
    this.#partitions[number] = { name, served: null, error };
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
    return fresh;
  }
}

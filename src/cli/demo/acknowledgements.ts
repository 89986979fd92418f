// Acknowledgements on their way from the writing process to the one that will judge: 16 bytes each, in batches.
//
//   first   u32 length, then JSON: what the log runs on
//   then    u32 partition, u32 sequence, u32 CRC-32C of the content, u32 microseconds from append to acknowledgement

import net from "node:net";

/** What the log runs on, as the writer found it. */
export interface WriterFacts {
  readonly backend: string;
  readonly backendReason: string;
  readonly flushMethod: string;
  readonly checksumKernel: string;
}

const ackBytes = 16;
const batchBytes = 64 * 1024;
/** Past it the writers wait: the pipe must not grow without bound. */
const backlogBytesMax = 4 * 1024 * 1024;

/** The writing end. */
export class AckSender {
  readonly #socket: net.Socket;
  #batch = Buffer.allocUnsafe(batchBytes);
  #used = 0;
  #scheduled = false;
  #drained: Promise<void> | null = null;

  constructor(descriptor: number, onGone: () => void) {
    this.#socket = new net.Socket({ fd: descriptor, readable: false, writable: true });
    this.#socket.on("error", onGone);
  }

  sendFacts(facts: WriterFacts): void {
    const json = Buffer.from(JSON.stringify(facts));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(json.length);
    this.#socket.write(Buffer.concat([length, json]));
  }

  send(partition: number, sequence: number, checksum: number, micros: number): void {
    const batch = this.#batch;
    batch.writeUInt32LE(partition, this.#used);
    batch.writeUInt32LE(sequence, this.#used + 4);
    batch.writeUInt32LE(checksum, this.#used + 8);
    batch.writeUInt32LE(micros, this.#used + 12);
    this.#used += ackBytes;
    if (this.#used === batchBytes) this.#flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#flush();
      });
    }
  }

  /** Null, or what to wait for before sending more. */
  get backlog(): Promise<void> | null {
    if (this.#socket.writableLength < backlogBytesMax) return null;
    this.#drained ??= new Promise((resolve) => {
      this.#socket.once("drain", () => {
        this.#drained = null;
        resolve();
      });
    });
    return this.#drained;
  }

  #flush(): void {
    if (this.#used === 0) return;
    this.#socket.write(this.#batch.subarray(0, this.#used));
    this.#batch = Buffer.allocUnsafe(batchBytes);
    this.#used = 0;
  }
}

/** The judging end: everything that the writer said is durable. */
export class AckLedger {
  facts: WriterFacts | null = null;
  count = 0;
  readonly #partitions: Uint32Array[];
  /** Highest acknowledged sequence of each partition. */
  readonly #last: number[];
  /** Acknowledgements per microsecond; the last place holds all that took longer. */
  readonly #micros = new Uint32Array(1_000_001);
  #rest = Buffer.alloc(0);

  constructor(partitions: number) {
    this.#partitions = Array.from({ length: partitions }, () => new Uint32Array(4096));
    this.#last = new Array<number>(partitions).fill(0);
  }

  handleBytes(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    if (this.facts === null) {
      if (bytes.length < 4 || bytes.length < 4 + bytes.readUInt32LE(0)) {
        this.#rest = Buffer.from(bytes);
        return;
      }
      at = 4 + bytes.readUInt32LE(0);
      this.facts = JSON.parse(bytes.toString("utf8", 4, at)) as WriterFacts;
    }
    for (; at + ackBytes <= bytes.length; at += ackBytes) this.#take(bytes, at);
    // What a killed writer got out of half an acknowledgement is none.
    this.#rest = Buffer.from(bytes.subarray(at));
  }

  lastSequence(partition: number): number {
    return this.#last[partition] ?? 0;
  }

  /** Checksum of the content that was acknowledged; 0 when that sequence never was. Content never has checksum 0 here. */
  checksum(partition: number, sequence: number): number {
    return this.#partitions[partition]?.[sequence] ?? 0;
  }

  microsAt(share: number): number {
    const wanted = Math.ceil(this.count * share);
    let seen = 0;
    for (let micros = 0; micros < this.#micros.length; micros++) {
      seen += this.#micros[micros] as number;
      if (seen >= wanted && seen > 0) return micros;
    }
    return 0;
  }

  #take(bytes: Buffer, at: number): void {
    const partition = bytes.readUInt32LE(at);
    const sequence = bytes.readUInt32LE(at + 4);
    let checksums = this.#partitions[partition] as Uint32Array;
    if (sequence >= checksums.length) {
      const larger = new Uint32Array(Math.max(sequence + 1, checksums.length * 2));
      larger.set(checksums);
      this.#partitions[partition] = checksums = larger;
    }
    checksums[sequence] = bytes.readUInt32LE(at + 8);
    this.#last[partition] = Math.max(this.#last[partition] as number, sequence);
    const micros = Math.min(bytes.readUInt32LE(at + 12), this.#micros.length - 1);
    this.#micros[micros] = (this.#micros[micros] as number) + 1;
    this.count++;
  }
}

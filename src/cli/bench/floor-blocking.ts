// The floor without io_uring: blocking durable writes, by pwritev2 past the page cache, or by what Node has.

import fs from "node:fs";
import type { NativeBinding } from "../../native/binding.js";
import { fromErrno, fromNodeError } from "../../storage/system-error.js";
import { writeDsync } from "../../storage/uring/kernel-interface.js";
import { floorFileBytes, floorLargeBytes, type FloorDevice } from "./floor-layout.js";
import { openDirect, type DirectFile } from "./floor-file.js";

const eio = 5;

export class PwriteFloor implements FloorDevice {
  readonly method: string;
  readonly writeBytes: number;
  readonly depth = 1;
  readonly poll = null;
  readonly #native: NativeBinding;
  readonly #path: string;
  readonly #file: DirectFile;
  readonly #memory: ArrayBuffer;

  constructor(native: NativeBinding, path: string, writeBytes: number) {
    this.#native = native;
    this.#path = path;
    this.writeBytes = writeBytes;
    const memory = native.allocate(floorLargeBytes);
    if (typeof memory === "number") throw fromErrno(-memory, { operation: "allocate memory for the floor", path });
    this.#memory = memory;
    new Uint8Array(memory).fill(0x5a);
    this.#file = openDirect(path);
    this.method = `pwritev2 with RWF_DSYNC, ${this.#file.note}`;
  }

  write(position: number): void {
    this.#write(position, this.writeBytes);
  }

  large(count: number): void {
    for (let write = 0; write < count; write++) this.#write((write * floorLargeBytes) % floorFileBytes, floorLargeBytes);
  }

  close(): void {
    fs.closeSync(this.#file.descriptor);
    this.#native.release(this.#memory);
  }

  #write(position: number, bytes: number): void {
    const result = this.#native.writeAt(this.#file.descriptor, this.#memory, 0, bytes, position, 0, writeDsync);
    if (result !== bytes) throw fromErrno(result < 0 ? -result : eio, { operation: "write durably", path: this.#path, offset: position });
  }
}

export class WriteSyncFloor implements FloorDevice {
  readonly method = "fs.writeSync into a file opened O_DSYNC, through the page cache";
  readonly writeBytes: number;
  readonly depth = 1;
  readonly poll = null;
  readonly #path: string;
  readonly #descriptor: number;
  readonly #bytes = Buffer.alloc(floorLargeBytes, 0x5a);

  constructor(path: string, writeBytes: number) {
    this.#path = path;
    this.writeBytes = writeBytes;
    const { O_RDWR, O_DSYNC } = fs.constants as { O_RDWR: number; O_DSYNC: number | undefined };
    // Windows has no O_DSYNC; O_SYNC is none either there, and then this is no durable floor at all.
    if (O_DSYNC === undefined) throw fromNodeError(new Error("this platform has no O_DSYNC"), { operation: "write durably", path });
    this.#descriptor = fs.openSync(path, O_RDWR | O_DSYNC);
  }

  write(position: number): void {
    this.#write(position, this.writeBytes);
  }

  large(count: number): void {
    for (let write = 0; write < count; write++) this.#write((write * floorLargeBytes) % floorFileBytes, floorLargeBytes);
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }

  #write(position: number, bytes: number): void {
    try {
      const written = fs.writeSync(this.#descriptor, this.#bytes, 0, bytes, position);
      if (written !== bytes) throw new Error("a short write");
    } catch (error) {
      throw fromNodeError(error, { operation: "write durably", path: this.#path, offset: position });
    }
  }
}

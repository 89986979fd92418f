// Blocks that wait together and go out as one write: each of them counts as in flight, and none is delivered but as a block.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Log } from "#src/index.js";
import { LaneLog } from "#src/log/lane-log.js";
import { resolveOptions, type LogOptions } from "#src/log/options.js";
import { chooseStorage } from "#src/storage/choose.js";
import type { BlockWriter, BlockWriterOptions, Storage } from "#src/storage/storage.js";
import { contents, freshPath, onEachBackend, withLog, type Backend } from "./log-fixture.js";

const kibibyte = 1024;
const blocksInFlight = 4;
const options: LogOptions = { bufferBytes: 16 * kibibyte, bufferCount: 8, blocksInFlight, segmentBytes: 1024 * kibibyte, gatherBytes: 1024 * kibibyte };

/** A log whose completions can be held until all of them are there, then come the latest first; and what was written how. */
class LateFirst {
  /** Blocks of each write. */
  writes: number[] = [];
  inFlight = 0;
  inFlightMax = 0;
  /** Tokens in the order of their writes. */
  #tokens: number[] = [];
  #held: { readonly token: number; readonly deliver: () => void }[] | null = null;
  #onFull: () => void = () => undefined;
  readonly full = new Promise<void>((resolve) => (this.#onFull = resolve));

  open(backend: Backend, directory: string, change: LogOptions): Promise<Log> {
    const { storage } = chooseStorage({ backend });
    const watched: Storage = { ...storage, notes: storage.notes, createWriter: (wanted) => this.#writer(storage, wanted) };
    return LaneLog.openOn({ storage: watched, reason: "watched" }, directory, resolveOptions({ backend, ...options, ...change }));
  }

  #writer(storage: Storage, wanted: BlockWriterOptions): BlockWriter {
    const writer = storage.createWriter({
      ...wanted,
      onWritten: (token, error) => {
        const deliver = (): void => {
          this.inFlight--;
          wanted.onWritten(token, error);
        };
        if (this.#held === null) return deliver();
        if (this.#held.push({ token, deliver }) === blocksInFlight) this.#onFull();
      },
    });
    const [write, writeTogether] = [writer.write.bind(writer), writer.writeTogether.bind(writer)];
    writer.write = (file, position, start, bytes, token) => {
      this.#count([token]);
      write(file, position, start, bytes, token);
    };
    writer.writeTogether = (file, position, parts) => {
      this.#count(parts.map(({ token }) => token));
      writeTogether(file, position, parts);
    };
    return writer;
  }

  hold(): void {
    this.#held = [];
    this.#tokens = [];
    this.writes = [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    held.sort((a, b) => this.#tokens.indexOf(b.token) - this.#tokens.indexOf(a.token));
    for (const { deliver } of held) deliver();
  }

  #count(tokens: readonly number[]): void {
    this.#tokens.push(...tokens);
    this.writes.push(tokens.length);
    this.inFlight += tokens.length;
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight);
  }
}

onEachBackend("gathered writes", (backend) => {
  const record = (index: number): string => `${String(index)} `.padEnd(15 * kibibyte, "-");

  async function enqueueSeven(change: LogOptions): Promise<LateFirst> {
    const directory = freshPath();
    const late = new LateFirst();
    const log = await late.open(backend, directory, change);
    const partition = log.partition("p");
    const wanted = Array.from({ length: 27 }, (_, index) => record(index + 1));
    // The segment has room for all of them by then: nothing waits for files.
    for (const data of wanted.slice(0, 20)) await partition.append(data);
    late.hold();
    for (const data of wanted.slice(20)) partition.enqueue(data);
    const synced = log.sync();
    await late.full;
    late.release();
    await synced;
    assert.equal(partition.durableSeq, 27);
    assert.ok(late.inFlightMax <= blocksInFlight, `${String(late.inFlightMax)} in flight`);
    assert.deepEqual(await contents(partition), wanted);
    await log.close();
    await withLog(directory, { backend }, async (again) => assert.deepEqual(await contents(again.partition("p")), wanted));
    return late;
  }

  test("blocks that waited while others were in flight are one write, and each counts as in flight", async () => {
    const { writes } = await enqueueSeven({});
    assert.deepEqual(writes.slice(0, 5), [1, 1, 1, 1, 3]);
  });

  test("up to `gatherBytes`, and by default each block is a write", async () => {
    assert.deepEqual((await enqueueSeven({ gatherBytes: 32 * kibibyte })).writes.slice(0, 6), [1, 1, 1, 1, 2, 1]);
    assert.deepEqual((await enqueueSeven({ gatherBytes: 0 })).writes.slice(0, 7), [1, 1, 1, 1, 1, 1, 1]);
  });
});

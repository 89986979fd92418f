// Tails whose reader does not look while their partition is truncated and every segment up to the truncation is freed, on a simulated
// machine: in another process, and in the writer's own. They are told of it as one is that looks at once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RingwallError } from "#src/base/errors.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import { resolveOptions } from "#src/log/options.js";
import type { Partition } from "#src/log/partition.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { HeldStorage, settled } from "./held-storage.js";

const options = { ...resolveOptions({ bufferBytes: 16 * 1024, bufferCount: 4, reclaim: false }), segmentBytes: 64 * 1024 };

/** A reader's process, in which something happens once, behind a look's reading of the superblock. */
class LookingStorage extends SimStorage {
  behindSuperblock: (() => Promise<void>) | null = null;

  constructor(machine: SimMachine) {
    super(machine);
    const { files } = this;
    const open = files.open.bind(files);
    files.open = async (path, mode) => {
      const file = await open(path, mode);
      return path !== "/log/superblock" ? file : {
        path: file.path, size: () => file.size(), writeAt: (...all) => file.writeAt(...all), sync: () => file.sync(), readAt: (...all) => file.readAt(...all),
        close: async () => {
          await file.close();
          const action = this.behindSuperblock;
          this.behindSuperblock = null;
          await action?.();
        },
      };
    };
  }
}

type Tail = ReturnType<Partition["tail"]>;

class Scene {
  readonly machine = new SimMachine({ seed: 1 });
  #storage = new HeldStorage(this.machine);
  #log: Log | null = null;
  #serial = 0;

  get log(): Log {
    assert.ok(this.#log !== null, "the writer has opened the log");
    return this.#log;
  }

  get cut(): Partition {
    return this.log.partition("cut");
  }

  get storage(): HeldStorage {
    return this.#storage;
  }

  async open(): Promise<void> {
    this.#log = await Log.openOn({ storage: this.#storage, reason: "test" }, "/log", options);
  }

  reader(storage: SimStorage = new SimStorage(this.machine)): Promise<Log> {
    return Log.openOn({ storage, reason: "test" }, "/log", { ...options, readOnly: true });
  }

  /** The writer ends without a word, and another one opens the log. */
  async replaceWriter(): Promise<void> {
    this.machine.kill(this.#storage.owner);
    this.#storage = new HeldStorage(this.machine);
    await this.open();
  }

  data(): string {
    return `record ${String(++this.#serial)}`;
  }

  async appendTo(last: number): Promise<void> {
    await Promise.all(Array.from({ length: Math.max(0, last - this.cut.lastSeq) }, () => this.cut.append(this.data())));
  }

  /** Frees all segments that hold anything so far: no checkpoint names what was truncated there. The partition then goes from `first` to `last`. */
  async freeAll(first: number, last: number): Promise<void> {
    const released = this.log.stats()[0]?.segmentsReleased ?? 0;
    this.log.rotate();
    await this.appendTo(first - 1);
    await this.cut.trim(first - 1);
    this.log.rotate();
    await this.appendTo(last);
    await this.cut.trim(first);
    assert.ok((this.log.stats()[0]?.segmentsReleased ?? 0) >= released + 2, "the segments are freed");
  }

  async end(...tails: readonly Tail[]): Promise<void> {
    for (const tail of tails) await tail.return(undefined);
    await this.log.close();
  }
}

async function take(tail: Tail, from: number, to: number): Promise<string[]> {
  const texts: string[] = [];
  for (let seq = from; seq <= to; seq++) {
    const { value } = await tail.next();
    assert.equal(value?.seq, seq);
    texts.push(Buffer.from(value?.data ?? []).toString());
  }
  return texts;
}

async function told(tail: Tail, truncatedAfter: number): Promise<void> {
  const error: unknown = await tail.next().then(({ value }) => value?.seq, (reason: unknown) => reason);
  assert.ok(error instanceof RingwallError, `the tail went on with ${String(error)}`);
  assert.deepEqual([error.code, error.details], ["RINGWALL_NOT_FOUND", { partition: "cut", truncatedAfter }]);
}

/** Tails of `cut` that have had records 1 to 20: of a reader in another process, and of the writer. */
async function prepared(): Promise<{ readonly scene: Scene; readonly reader: Log; readonly tails: readonly Tail[] }> {
  const scene = new Scene();
  await scene.open();
  await scene.appendTo(20);
  await settled(scene.machine);
  const reader = await scene.reader();
  const tails = [reader, scene.log].map((log) => log.partition("cut").tail({ from: 1 }));
  for (const tail of tails) await take(tail, 1, 20);
  return { scene, reader, tails };
}

const ways: Readonly<Record<string, (scene: Scene) => Promise<unknown>>> = {
  "a truncation": (scene) => scene.cut.truncate(12),
  "an overwrite": (scene) => scene.cut.appendBatch([scene.data()], { after: 12 }),
};

for (const [way, truncate] of Object.entries(ways)) {
  test(`${way} that is forgotten before a tail looks is told to it`, async () => {
    const { scene, reader, tails } = await prepared();
    await truncate(scene);
    await scene.freeAll(15, 30);
    for (const tail of tails) await told(tail, 12);
    const again = reader.partition("cut").tail({ from: 15 });
    await take(again, 15, 29);
    await scene.end(again);
    await reader.close();
  });
}

test("a truncation that is forgotten, and records trimmed up to behind a tail's place: it is told of the truncation, and then of the trim", async () => {
  const { scene, reader, tails } = await prepared();
  await scene.cut.truncate(12);
  await scene.freeAll(40, 60);
  for (const tail of tails) await told(tail, 12);
  await assert.rejects(reader.partition("cut").tail({ from: 13 }).next(), { code: "RINGWALL_TRIMMED" });
  await scene.end();
  await reader.close();
});

test("of several truncations that are forgotten a tail is told of the lowest that it missed", async () => {
  const { scene, reader, tails } = await prepared();
  await scene.cut.truncate(12);
  await scene.appendTo(20);
  await settled(scene.machine);
  for (const tail of tails) await told(tail, 12);
  const more = [reader, scene.log].map((log) => log.partition("cut").tail({ from: 13 }));
  for (const tail of more) await take(tail, 13, 20);
  await scene.cut.truncate(14);
  await scene.appendTo(20);
  await scene.cut.truncate(17);
  await scene.freeAll(22, 30);
  for (const tail of more) await told(tail, 14);
  await scene.end();
  await reader.close();
});

test("freeing and trimming alone tell a tail nothing, nor does a truncation that took nothing which it has, however long ago", async () => {
  const { scene, reader, tails } = await prepared();
  await scene.freeAll(21, 30);
  await settled(scene.machine);
  for (const tail of tails) await take(tail, 21, 30);
  await scene.appendTo(35);
  await scene.cut.truncate(30);
  await scene.freeAll(31, 40);
  await settled(scene.machine);
  for (const tail of tails) await take(tail, 31, 40);
  await scene.freeAll(41, 50);
  for (const tail of tails) await take(tail, 41, 49);
  await scene.end(...tails);
  await reader.close();
});

test("a truncation that every tail was told of is not told again when it is forgotten", async () => {
  const { scene, reader, tails } = await prepared();
  await scene.cut.truncate(12);
  for (const tail of tails) await told(tail, 12);
  await settled(scene.machine);
  const more = [reader, scene.log].map((log) => log.partition("cut").tail({ from: 13 }));
  await scene.appendTo(20);
  await settled(scene.machine);
  for (const tail of more) await take(tail, 13, 20);
  await scene.freeAll(21, 30);
  for (const tail of more) await take(tail, 21, 29);
  await scene.end(...more);
  await reader.close();
});

test("a truncation is told over the writer's end and the opening of another one, before it is forgotten and behind it", async () => {
  const { scene, reader, tails: [tail] } = await prepared();
  await scene.cut.truncate(12);
  await scene.replaceWriter();
  await scene.freeAll(15, 30);
  await scene.replaceWriter();
  scene.log.rotate();
  await scene.appendTo(31);
  await told(tail as Tail, 12);
  await scene.end();
  await reader.close();
});

test("a truncation that was not durable when its writer ended never was: nobody is told of it", async () => {
  const { scene, reader, tails: [tail] } = await prepared();
  scene.storage.isHolding = true;
  scene.cut.truncate(12).catch(() => undefined);
  await settled(scene.machine);
  assert.deepEqual([scene.storage.held, scene.cut.lastSeq], [1, 12]);
  await scene.replaceWriter();
  assert.equal(scene.cut.lastSeq, 20);
  await scene.freeAll(21, 30);
  await take(tail as Tail, 21, 29);
  await scene.end(tail as Tail);
  await reader.close();
});

test("a reader that waits for another partition sees the truncation pass by: a tail that asks later is told", async () => {
  const { scene, reader, tails: [tail] } = await prepared();
  await scene.log.partition("other").append("1");
  const other = reader.partition("other").tail({ from: 1 });
  await take(other, 1, 1);
  await scene.cut.truncate(12);
  await scene.log.partition("other").trim(2);
  await scene.freeAll(15, 30);
  await scene.log.partition("other").append("2");
  await settled(scene.machine);
  await take(other, 2, 2);
  assert.equal(reader.partition("cut").firstSeq, 15);
  await told(tail as Tail, 12);
  await scene.end(other);
  await reader.close();
});

test("a checkpoint that no longer names a truncation comes before the reader hears that the segments are freed in which it hides records: none of those is read", async () => {
  const scene = new Scene();
  await scene.open();
  for (const last of [20, 40, 60]) {
    await scene.appendTo(last);
    scene.log.rotate();
  }
  await settled(scene.machine);
  const storage = new LookingStorage(scene.machine);
  const reader = await scene.reader(storage);
  // The files stay open, and what is in them can be read as long as nothing else is written there.
  const first = reader.partition("cut").tail({ from: 1 });
  const old = await take(first, 1, 60);
  await scene.cut.truncate(12);
  scene.log.rotate();
  await scene.appendTo(14);
  await settled(scene.machine);
  await told(first, 12);
  const waiting = reader.partition("cut").tail({ from: 13 });
  await take(waiting, 13, 14);
  storage.behindSuperblock = async () => {
    await scene.cut.trim(13);
    assert.equal(scene.log.stats()[0]?.segmentsReleased, 4);
    scene.log.rotate();
    await scene.appendTo(60);
    await settled(scene.machine);
  };
  const anew = await take(waiting, 15, 59);
  assert.ok(anew.every((text) => !old.includes(text)));
  const read: string[] = [];
  for await (const { data } of reader.partition("cut").read({ from: 15 })) read.push(Buffer.from(data).toString());
  assert.deepEqual(read.slice(0, anew.length), anew);
  await scene.end(waiting);
  await reader.close();
});

// Looks of a reader beside a writer, on a log made block by block: what each finds, what it reads for that, and what makes it begin anew.

import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { frameFlag } from "#src/format/frame.js";
import { chooseKernels } from "#src/format/kernels.js";
import type { LaneRecord } from "#src/format/superblock.js";
import { LaneLooks, type Look } from "#src/log/lane-looks.js";
import { createSuperblock, writeSuperblock } from "#src/recovery/superblock-file.js";
import { chooseStorage } from "#src/storage/choose.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import type { FileSystem, Storage } from "#src/storage/storage.js";
import { checkpoint, define, entry, fragments, group, record, trim, truncate, type LogBuilder } from "../recovery/log-builder.js";
import { withLog } from "../recovery/recovering.js";

interface Beside {
  readonly log: LogBuilder;
  readonly looks: LaneLooks;
  /** Bytes read since the last call. */
  readonly readBytes: () => number;
  /** The lane's record in the superblock changes. */
  readonly publish: (change: Partial<LaneRecord>) => Promise<void>;
  /** Runs once, when the lane's directory is listed next. */
  readonly whenListed: (action: () => Promise<void>) => void;
  /** Whether the writer lives. */
  readonly setWriter: (lives: boolean) => void;
}

async function beside(body: (it: Beside) => Promise<void>, segmentBytes?: number): Promise<void> {
  await withLog(async (log) => {
    const files = nodeFileSystem();
    let bytes = 0;
    let onList: (() => Promise<void>) | null = null;
    let lives = true;
    const counting: FileSystem = {
      ...files,
      list: async (directory) => {
        const names = await files.list(directory);
        const action = onList;
        onList = null;
        await action?.();
        return names;
      },
      open: async (name, mode) => {
        const file = await files.open(name, mode);
        return {
          path: file.path, size: () => file.size(), writeAt: (...all) => file.writeAt(...all), sync: () => file.sync(), close: () => file.close(),
          readAt: async (into, position) => {
            const count = await file.readAt(into, position);
            bytes += count;
            return count;
          },
        };
      },
    };
    const { storage } = chooseStorage({ backend: "fs" });
    const watched: Storage = { ...storage, files: counting, isLocked: () => Promise.resolve(lives) };
    let sequence = 1;
    await createSuperblock(files, log.root, log.superblock);
    const looks = new LaneLooks({ directory: log.root, lane: 0, kernels: chooseKernels(), storage: watched });
    try {
      await body({
        log, looks,
        readBytes: () => {
          const count = bytes;
          bytes = 0;
          return count;
        },
        publish: (change) => {
          log.laneRecord = { ...log.laneRecord, ...change };
          return writeSuperblock(files, log.root, { ...log.superblock, sequence: ++sequence });
        },
        whenListed: (action) => { onList = action; },
        setWriter: (isAlive) => { lives = isAlive; },
      });
    } finally {
      await looks.close();
      await storage.close();
    }
  }, segmentBytes);
}

type States = [string, number, number][];

function states(table: Iterable<{ readonly name: string; readonly firstSequence: number; readonly durableSequence: number }>): States {
  return [...table].map(({ name, firstSequence, durableSequence }) => [name, firstSequence, durableSequence]);
}

function advanced(look: Look): Extract<Look, { kind: "advanced" }> {
  assert.equal(look.kind, "advanced");
  return look as Extract<Look, { kind: "advanced" }>;
}

/** Blocks of one record each, and one that covers the last. */
function blocks(log: LogBuilder, from: number, to: number): void {
  for (let sequence = from; sequence <= to; sequence++) log.block([record(1, sequence, `record ${sequence}`)]);
}

test("an onward look reads what is new, however much there is before it", async () => {
  await beside(async ({ log, looks, readBytes }) => {
    log.rotate();
    log.block([define(1, "a")]);
    blocks(log, 1, 400);
    const { table } = await looks.anew();
    assert.deepEqual(states(table), [["a", 1, 399]]);
    readBytes();
    assert.equal((await looks.onward()).kind, "same");
    const idle = readBytes();
    assert.ok(idle < 64 * 1024, `${idle} bytes to find nothing`);
    blocks(log, 401, 402);
    advanced(await looks.onward());
    assert.deepEqual(states(table), [["a", 1, 401]]);
    const step = readBytes();
    assert.ok(step < 128 * 1024, `${step} bytes for two blocks`);
  }, 4 * 1024 * 1024);
});

test("a block that no horizon covers is not shown; the superblock's counts as well", async () => {
  await beside(async ({ log, looks, publish }) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    log.block([]);
    const { table } = await looks.anew();
    const uncovered = log.block([record(1, 2, "two")]);
    advanced(await looks.onward());
    assert.deepEqual(states(table), [["a", 1, 1]]);
    assert.equal((await looks.onward()).kind, "same");
    await publish({ horizon: uncovered.sequence });
    advanced(await looks.onward());
    assert.deepEqual(states(table), [["a", 1, 2]]);
  });
});

test("a batch and a record in fragments are shown when they are whole, over looks and segments", async () => {
  await beside(async ({ log, looks }) => {
    const batch = group(record(1, 2, "b"), record(1, 3, "c"));
    const long = fragments(1, 4, "over ", "two ", "segments");
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "a")]);
    log.block([batch[0]!]);
    log.block([]);
    const { table } = await looks.anew();
    assert.deepEqual(states(table), [["a", 1, 1]]);
    log.block([batch[1]!, long[0]!]);
    log.block([long[1]!]);
    log.block([]);
    advanced(await looks.onward());
    assert.deepEqual(states(table), [["a", 1, 3]]);
    log.rotate([entry(1, "a", 3)]);
    log.block([]);
    const { begun } = advanced(await looks.onward());
    assert.deepEqual(begun.map(({ segment }) => segment), [2]);
    log.block([long[2]!, record(1, 5, "e")]);
    log.block([]);
    advanced(await looks.onward());
    assert.deepEqual(states(table), [["a", 1, 5]]);
  });
});

test("following over rotations ends with the same table and indexes as recovering", async () => {
  await beside(async ({ log, looks }) => {
    log.rotate();
    log.block([define(1, "a")]);
    blocks(log, 1, 5);
    log.block([]);
    const { table, segments } = await looks.anew();
    const cut = log.block([truncate(1, 3), record(1, 4, "four anew"), trim(1, 2), define(2, "b"), record(2, 1, "of b")]).frames[0]!;
    const truncation = { segment: 1, offset: cut, after: 3 };
    log.rotate([entry(1, "a", 4, 2, [truncation]), entry(2, "b", 1)]);
    log.block([record(1, 5, "five anew"), record(2, 2, "of b")]);
    log.rotate([entry(1, "a", 5, 2, [truncation]), entry(2, "b", 2)]);
    log.block([record(2, 3, "of b")]);
    log.block([]);
    const { begun } = advanced(await looks.onward());
    const followed = { states: states(table), truncations: table.byId(1)!.truncations };
    const indexes = [segments[0]!.index!, ...begun];
    const recovered = await looks.anew();
    assert.deepEqual(followed, { states: states(recovered.table), truncations: recovered.table.byId(1)!.truncations });
    assert.deepEqual(followed.states, [["a", 2, 5], ["b", 1, 3]]);
    for (const [at, { index }] of recovered.segments.entries()) {
      assert.deepEqual([...indexes[at]!.runs].map(([id, run]) => [id, run.firstSequence, run.lastSequence, run.records]), [...index!.runs].map(([id, run]) => [id, run.firstSequence, run.lastSequence, run.records]));
      assert.deepEqual([indexes[at]!.endOffset, indexes[at]!.lastBlock, indexes[at]!.lastChecksum], [index!.endOffset, index!.lastBlock, index!.lastChecksum]);
    }
  });
});

test("a truncation that is past in the next checkpoint hides its records as long as the superblock that was read keeps their segment", async () => {
  await beside(async ({ log, looks, publish }) => {
    log.rotate();
    const old = log.block([define(1, "a"), record(1, 1, "one"), record(1, 2, "two")]).frames[2]!;
    const cut = log.block([truncate(1, 1)]).frames[0]!;
    const truncation = { segment: 1, offset: cut, after: 1 };
    log.rotate([entry(1, "a", 1, 1, [truncation])]);
    log.block([record(1, 2, "two anew"), trim(1, 2)]);
    log.block([]);
    const { table } = await looks.anew();
    const state = table.byId(1)!;
    assert.deepEqual([state.truncations, state.isTruncated(2, 1, old)], [[truncation], true]);
    log.rotate([entry(1, "a", 2, 2, [{ ...truncation, isPast: true }])]);
    log.block([]);
    assert.equal(advanced(await looks.onward()).firstSegment, 1);
    assert.deepEqual([state.truncations, state.isTruncated(2, 1, old)], [[truncation], true]);
    // One that was encoded before the segment was freed.
    state.truncations = [{ ...truncation, isPast: true }];
    log.rotate([entry(1, "a", 2, 2, [truncation])]);
    log.block([]);
    await publish({ firstSegment: 2 });
    assert.equal(advanced(await looks.onward()).firstSegment, 2);
  });
});

test("a new epoch, a released segment and a recycled file make a look begin anew", async () => {
  await beside(async ({ log, looks, publish }) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    log.block([]);
    await looks.anew();
    log.reopen();
    await publish({});
    log.block([record(1, 2, "of the second epoch")]);
    log.block([]);
    let look = await looks.onward();
    assert.equal(look.kind, "anew");
    assert.equal((await looks.onward()).kind, "same");
    log.block([trim(1, 3)]);
    log.rotate([entry(1, "a", 2, 3)]);
    log.block([]);
    await publish({ firstSegment: 2, horizon: log.nextBlock - 1 });
    renameSync(log.path(1), log.path(3));
    look = await looks.onward();
    assert.equal(look.kind, "anew");
    if (look.kind === "anew") assert.deepEqual(states(look.recovered.table), [["a", 3, 2]]);
  });
});

test("a block that an older epoch left behind its end is not taken for one that goes on", async () => {
  await beside(async ({ log, looks, publish }) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    // In flight when the writer stopped: nobody was told that it is there.
    log.block([record(1, 2, "dead")], { unchained: true });
    log.reopen();
    await publish({});
    const { table } = await looks.anew();
    assert.deepEqual(states(table), [["a", 1, 1]]);
    assert.equal((await looks.onward()).kind, "same");
    log.block([record(1, 2, "alive")]);
    log.block([]);
    advanced(await looks.onward());
    assert.deepEqual(states(table), [["a", 1, 2]]);
  });
});

test("a look that reads the superblock just before a release does not find an empty table", async () => {
  await beside(async ({ log, looks, publish, whenListed }) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    log.block([trim(1, 2)]);
    whenListed(async () => {
      const kept = log.rotate([entry(1, "a", 1, 2)]);
      await publish({ firstSegment: 2, horizon: kept.sequence });
      renameSync(log.path(1), path.join(log.directory, "00000003.segment"));
    });
    const { table } = await looks.anew();
    assert.deepEqual(states(table), [["a", 2, 1]]);
  });
});

test("a writer that ends in silence is noticed: what it wrote last is shown", async () => {
  await beside(async ({ log, looks, setWriter }) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    log.block([record(1, 2, "two")]);
    const { table } = await looks.anew();
    assert.deepEqual(states(table), [["a", 1, 1]]);
    setWriter(false);
    for (;;) {
      const look = await looks.onward();
      if (look.kind === "same") continue;
      assert.equal(look.kind, "anew");
      if (look.kind === "anew") assert.deepEqual(states(look.recovered.table), [["a", 1, 2]]);
      break;
    }
    assert.equal((await looks.onward()).kind, "same");
  });
});

test("damage where the chain goes on is for a look anew to tell", async () => {
  await beside(async ({ log, looks }) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one")]);
    log.block([]);
    await looks.anew();
    const damaged = log.block([record(1, 2, "two")]);
    blocks(log, 3, 8);
    log.write(damaged.segment, damaged.frames[0]! + 24, Buffer.from("TWO"));
    const look = await looks.onward();
    assert.equal(look.kind, "anew");
    if (look.kind === "anew") {
      assert.equal(look.recovered.report.verdict, "damaged");
      assert.equal(look.recovered.follow, null);
    }
  });
});

test("a checkpoint of which a part is there yet is waited for", async () => {
  await beside(async ({ log, looks }) => {
    log.rotate();
    log.block([define(1, "a"), define(2, "b"), record(1, 1, "one")]);
    log.block([]);
    const { table } = await looks.anew();
    log.enter(2);
    log.block([{ ...checkpoint([entry(1, "a", 1)])[0]!, flags: frameFlag.groupGoesOn }]);
    log.block([]);
    await looks.onward();
    assert.deepEqual(states(table), [["a", 1, 1], ["b", 1, 0]]);
    log.block([{ ...checkpoint([entry(2, "b", 0)])[0]!, flags: frameFlag.groupContinued }, record(2, 1, "of b")]);
    log.block([]);
    const look = await looks.onward();
    assert.deepEqual(states(look.kind === "anew" ? look.recovered.table : table), [["a", 1, 1], ["b", 1, 1]]);
  });
});

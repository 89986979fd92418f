// Replay alone, on frames in memory: the same frames give the same state however they are cut into blocks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Replay } from "#src/core/replay.js";
import { SegmentIndex } from "#src/core/segment-index.js";
import { frameBytes, frameFlag, frameHeaderBytes, groupFramesMax } from "#src/format/frame.js";
import { Memory } from "#src/format/memory.js";
import { checkpoint, define, drop, entry, fragments, group, record, trim, truncate, type TestFrame } from "../recovery/log-builder.js";

const blockBytes = 1024 * 1024;

/** A replay whose blocks lie 1 MiB apart in segment 1, each with one run of frames. */
class Lane {
  readonly replay = new Replay();
  index = new SegmentIndex(1, 1000, 4096);
  #offset = 4096;

  constructor() {
    this.replay.beginSegment(this.index);
  }

  block(frames: readonly TestFrame[]): this {
    const memory = new Memory(new ArrayBuffer(64 + frames.reduce((sum, frame) => sum + frameBytes(frame.payload.length), 0)));
    let at = 64;
    for (const frame of frames) {
      memory.words[(at >>> 2) + 1] = (frame.payload.length | (frame.kind << 24)) + (frame.flags ?? 0);
      memory.words[(at >>> 2) + 2] = frame.partition;
      memory.words[(at >>> 2) + 3] = frame.time ?? 0;
      memory.words[(at >>> 2) + 4] = frame.sequence;
      memory.bytes.set(frame.payload, at + frameHeaderBytes);
      at += frameBytes(frame.payload.length);
    }
    this.replay.handleFrames({ memory, from: 64, to: at, blockStart: 0, blockOffset: this.#offset });
    this.#offset += blockBytes;
    return this;
  }

  nextSegment(): this {
    this.index = new SegmentIndex(this.index.segment + 1, 1000, 4096);
    this.#offset = 4096;
    this.replay.beginSegment(this.index);
    return this;
  }
}

function states(replay: Replay): unknown[] {
  return [...replay.table].map((state) => [state.id, state.name, state.firstSequence, state.lastSequence, state.placedSequence, state.durableSequence, state.truncations.map(({ after }) => after)]);
}

function runs(index: SegmentIndex): unknown[] {
  return [...index.runs].map(([partition, { firstSequence, lastSequence, records, payloadBytes, firstTime, lastTime }]) => [partition, firstSequence, lastSequence, records, payloadBytes, firstTime, lastTime]);
}

const everything: readonly TestFrame[] = [
  ...checkpoint([entry(1, "a", 10, 3), entry(2, "b", 0)]),
  { ...record(1, 11, "eleven"), time: 5 },
  ...group(record(1, 12, "x"), define(3, "c"), record(3, 1, "new"), { ...record(1, 13, "y"), time: 9 }),
  ...fragments(2, 1, "a record ", "in three ", "parts"),
  trim(1, 12),
  record(2, 2, ""),
  truncate(1, 12),
  record(1, 13, "anew"),
  ...group(truncate(1, 12), record(2, 3, "zz"), record(1, 13, "anew again"), truncate(3, 0)),
];

test("however the frames are cut into blocks, table and index are the same", () => {
  const expected = new Lane().block(everything);
  expected.replay.finish();
  assert.deepEqual(expected.replay.contradictions, []);
  assert.deepEqual(states(expected.replay), [
    [1, "a", 12, 13, 13, 13, [12]],
    [2, "b", 1, 3, 3, 3, []],
    [3, "c", 1, 0, 0, 0, [0]],
  ]);
  assert.deepEqual(runs(expected.index), [[1, 11, 13, 5, 22, 1005, 1009], [2, 1, 3, 3, 25, 1000, 1000], [3, 0, 0, 1, 3, 1000, 1000]]);
  for (let cuts = 0; cuts < 1 << (everything.length - 1); cuts++) {
    const lane = new Lane();
    let from = 0;
    for (let at = 1; at <= everything.length; at++) {
      if (at < everything.length && (cuts & (1 << (at - 1))) === 0) continue;
      lane.block(everything.slice(from, at));
      from = at;
    }
    lane.replay.finish();
    assert.deepEqual([states(lane.replay), runs(lane.index), lane.replay.contradictions], [states(expected.replay), runs(expected.index), []], `cuts ${cuts.toString(2)}`);
  }
});

test("an open group changes nothing until its last frame, and nothing at all when a new epoch begins", () => {
  const lane = new Lane().block(checkpoint([entry(1, "a", 0)]));
  const frames = group(record(1, 1, "one"), record(1, 2, "two"), record(1, 3, "three"));
  lane.block(frames.slice(0, 2));
  assert.equal(lane.replay.groupOpen, true);
  assert.equal(lane.replay.table.byName("a")?.lastSequence, 0);
  lane.replay.handleEpochStart();
  lane.block([record(1, 1, "anew")]);
  lane.replay.finish();
  assert.deepEqual([lane.replay.table.byName("a")?.lastSequence, lane.replay.discardedFrames, lane.replay.contradictions], [1, 2, []]);
  assert.deepEqual(lane.index.voids, [{ from: 4096 + blockBytes + 64, to: 4096 + blockBytes + 64 + 2 * frameBytes(3) }]);
  assert.equal(lane.index.isVoid(4096 + blockBytes + 64), true);
});

test("a dropped partition is gone with its losses; its name is free, its id is not, whatever the next checkpoint lists", () => {
  const lane = new Lane().block([...checkpoint([entry(1, "a", 3), entry(2, "b", 0)]), drop(2), drop(1), define(3, "a"), record(3, 1, "anew"), drop(3)]);
  lane.nextSegment().block([...checkpoint([]).map((frame) => ({ ...frame, sequence: 3 })), define(4, "a"), record(4, 1, "again")]);
  lane.replay.finish();
  assert.deepEqual([states(lane.replay), lane.replay.contradictions], [[[4, "a", 1, 1, 1, 1, []]], []]);
  assert.deepEqual(new Lane().block([...checkpoint([]).map((frame) => ({ ...frame, sequence: 3 })), define(3, "a")]).replay.contradictions.length, 1);
});

test("frames of a dropped partition, and a checkpoint that lists it, contradict; behind a gap a checkpoint without it tells of the drop", () => {
  const begun = (): Lane => new Lane().block([...checkpoint([entry(1, "a", 3), entry(2, "b", 1)])]);
  assert.match(begun().block([drop(1), record(1, 4, "x")]).replay.contradictions[0]!.reason, /partition 1 is not defined/);
  assert.match(begun().block([drop(1)]).nextSegment().block(checkpoint([entry(1, "a", 3), entry(2, "b", 1)])).replay.contradictions[0]!.reason, /was dropped/);
  assert.match(begun().nextSegment().block(checkpoint([entry(2, "b", 1)])).replay.contradictions[0]!.reason, /lacks a partition/);
  const gap = begun();
  gap.replay.handleGap(1000);
  gap.nextSegment().block(checkpoint([entry(2, "b", 1)]));
  gap.replay.finish();
  assert.deepEqual([states(gap.replay), gap.replay.losses.ranges(gap.replay.table), gap.replay.contradictions], [[[2, "b", 1, 1, 1, 1, []]], [], []]);
});

test("a truncation between two fragments ends the record: what follows of it is none", () => {
  const [first, second] = fragments(1, 4, "beginning ", "end");
  const [head, cut, rest] = group({ ...first!, flags: first!.flags! & frameFlag.recordGoesOn }, truncate(1, 1), { ...second!, flags: second!.flags! & frameFlag.recordContinued });
  const lane = new Lane().block([...checkpoint([entry(1, "a", 3)]), head!, cut!, rest!]);
  lane.replay.finish();
  assert.equal(lane.replay.table.byName("a")?.lastSequence, 4);
  assert.match(lane.replay.contradictions.map(({ reason }) => reason).join(), /^a record goes on that never began$/);
});

for (const [where, cut] of [["in the same block", 0], ["in the next block", 1]] as const) {
  test(`a record behind a group that breaks off, ${where}, is taken where it lies, and nothing of the group is`, () => {
    const lane = new Lane().block([...checkpoint([entry(1, "a", 0)]), record(1, 1, "one")]);
    const whole = group(record(1, 2, "two"), record(1, 3, "three"), record(1, 4, "four"));
    const begin = whole.slice(0, 2);
    const groupAt = 4096 + blockBytes + 64;
    const groupBytes = frameBytes(3) + frameBytes(5);
    const anew = record(1, 2, "two, anew");
    if (cut === 0) lane.block([...begin, anew]);
    else lane.block(begin).block([anew]);
    const anewAt = cut === 0 ? groupAt + groupBytes : groupAt + blockBytes;
    lane.replay.finish();
    assert.match(lane.replay.contradictions.map(({ reason }) => reason).join(), /^a group breaks off/);
    assert.deepEqual(lane.replay.losses.ranges(lane.replay.table), [{ partition: 1, firstSequence: 3, lastSequence: 3 }]);
    const run = lane.index.runs.get(1);
    const place = run?.entry(run.entryAtOrBefore(2));
    assert.deepEqual([run?.records, run?.lastSequence, place?.sequence, (place?.blockOffset ?? 0) + (place?.frameOffset ?? 0)], [2, 2, 2, anewAt]);
    assert.deepEqual(lane.index.voids, [{ from: groupAt, to: groupAt + groupBytes }]);
  });
}

test("of two whole frames with one sequence behind a gap the newer is live, also after checkpoints that know of no truncation", () => {
  const lane = new Lane().block([...checkpoint([entry(1, "a", 0)]), record(1, 1, "one"), record(1, 2, "two")]);
  lane.replay.handleGap(Number.POSITIVE_INFINITY);
  lane.block([record(1, 2, "two, anew")]);
  const newerAt = 4096 + blockBytes + 64;
  lane.nextSegment().block(checkpoint([entry(1, "a", 2)]));
  lane.replay.handleGap(0);
  lane.nextSegment().block(checkpoint([entry(1, "a", 3)]));
  lane.nextSegment().block([...checkpoint([entry(1, "a", 3)]), record(1, 4, "four")]);
  lane.replay.finish();
  const state = lane.replay.table.byName("a");
  assert.deepEqual(state?.truncations, [{ segment: 1, offset: newerAt, after: 1 }]);
  assert.deepEqual([state.lastSequence, lane.replay.contradictions], [4, []]);
});

test("what a checkpoint says of truncations stands beside those that were guessed in a gap", () => {
  const lane = new Lane().block([...checkpoint([entry(1, "a", 0)]), ...[1, 2, 3, 4, 5, 6].map((sequence) => record(1, sequence, "old"))]);
  lane.replay.handleGap(Number.POSITIVE_INFINITY);
  lane.block([record(1, 5, "five, anew")]);
  const newerAt = 4096 + blockBytes + 64;
  const real = { segment: 1, offset: newerAt - 4096, after: 2 };
  lane.nextSegment().block(checkpoint([entry(1, "a", 5, 1, [real])]));
  lane.nextSegment().block([...checkpoint([entry(1, "a", 5, 1, [real])]), truncate(1, 3)]);
  lane.replay.finish();
  assert.deepEqual(lane.replay.contradictions, []);
  assert.deepEqual(lane.replay.table.byName("a")?.truncations, [real, { segment: 3, offset: 4096 + 64 + 24 + checkpoint([entry(1, "a", 5, 1, [real])])[0]!.payload.length, after: 3 }]);
});

test("a checkpoint passes through an open group and speaks of the state before it", () => {
  const lane = new Lane().block(checkpoint([entry(1, "a", 0)]));
  const frames = group(record(1, 1, "one"), record(1, 2, "two"), record(1, 3, "three"));
  const first = lane.index;
  lane.block(frames.slice(0, 1)).nextSegment();
  const parts = checkpoint([entry(1, "a", 0), entry(2, "b", 0)], 40);
  lane.replay.table.define(2, "b");
  lane.block(parts.slice(0, 1));
  assert.equal(lane.replay.checkpointIncomplete, true);
  lane.block(parts.slice(1));
  assert.equal(lane.replay.checkpointIncomplete, false);
  lane.block(frames.slice(1));
  lane.replay.finish();
  assert.deepEqual(lane.replay.contradictions, []);
  assert.deepEqual([first.runs.get(1)?.lastSequence, lane.index.runs.get(1)?.firstSequence, lane.index.runs.get(1)?.lastSequence], [1, 2, 3]);
  assert.equal(first.goesOn, true);
});

test("a large group on its way costs numbers, not payloads", () => {
  const lane = new Lane().block(checkpoint([entry(1, "a", 0)]));
  const payload = new Uint8Array(64 * 1024);
  const count = 4000;
  const before = process.memoryUsage().arrayBuffers;
  for (let sequence = 1; sequence < count; sequence++) {
    const frames = group(record(1, 0, ""), record(1, sequence, payload), record(1, 0, ""));
    lane.block(sequence === 1 ? [{ ...frames[1]!, flags: group(record(1, 0, ""), record(1, 0, ""))[0]!.flags! }] : [frames[1]!]);
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < (count * payload.length) / 2, "250 MB of payload are not held");
  lane.block(group(record(1, 0, ""), record(1, count, payload)).slice(1));
  assert.deepEqual([lane.replay.table.byName("a")?.lastSequence, lane.index.runs.get(1)?.payloadBytes], [count, count * payload.length]);
});

test("a gap makes losses of what would be contradictions, and the next checkpoint settles them", () => {
  const lane = new Lane().block([...checkpoint([entry(1, "a", 0), entry(2, "b", 0)]), record(1, 1, "one"), record(2, 1, "eins")]);
  lane.replay.handleGap(4096);
  lane.replay.losses.missFrames(Number.POSITIVE_INFINITY);
  lane.block([record(1, 5, "five"), record(3, 2, "of a partition whose definition is lost")]);
  assert.equal(lane.replay.losses.isExact(0), false);
  assert.deepEqual(lane.replay.losses.ranges(lane.replay.table), [
    { partition: 1, firstSequence: 2, lastSequence: 4 },
    { partition: 3, firstSequence: 1, lastSequence: 1 },
  ]);
  const settled = new Lane().block([...checkpoint([entry(1, "a", 0), entry(2, "b", 0)]), record(1, 1, "one"), record(2, 1, "eins")]);
  settled.replay.handleGap(4096);
  settled.replay.losses.missFrames(Number.POSITIVE_INFINITY);
  settled.nextSegment().block([...checkpoint([entry(1, "a", 3), entry(2, "b", 1), entry(3, "c", 2)]), record(3, 3, "drei")]);
  settled.replay.finish();
  assert.deepEqual([settled.replay.contradictions, settled.replay.losses.isExact(0)], [[], true]);
  assert.deepEqual(settled.replay.losses.ranges(settled.replay.table), [
    { partition: 1, firstSequence: 2, lastSequence: 3 },
    { partition: 3, firstSequence: 1, lastSequence: 2 },
  ]);
});

test("a group that never ends is kept up to the limit of a group and no further; what follows it is read", () => {
  const lane = new Lane().block([...checkpoint([entry(1, "a", 0)])]);
  const goesOn = (count: number): TestFrame[] => Array.from({ length: count }, () => ({ ...record(1, 1, ""), flags: frameFlag.groupContinued | frameFlag.groupGoesOn }));
  lane.block([{ ...record(1, 1, ""), flags: frameFlag.groupGoesOn }, ...goesOn(2 ** 16 - 1)]);
  for (let frames = 2 ** 16; frames < groupFramesMax; frames += 2 ** 16) lane.block(goesOn(2 ** 16));
  assert.deepEqual([lane.replay.groupOpen, lane.replay.contradictions], [true, []]);
  lane.block(goesOn(1));
  assert.equal(lane.replay.groupOpen, false);
  assert.match(lane.replay.contradictions[0]!.reason, /more than 1048576 frames/);
  lane.block([...goesOn(1), { ...record(1, 1, ""), flags: frameFlag.groupContinued }, record(1, 1, "fresh")]);
  assert.equal(lane.replay.table.byId(1)!.lastSequence, 1);
});

test("contradictions are kept to a bounded number", () => {
  const lane = new Lane().block(checkpoint([]));
  for (let count = 0; count < 500; count++) lane.block([record(9, 1, "nobody's")]);
  assert.equal(lane.replay.contradictions.length, 100);
});

// What holds for a partition, and which segment is looked into next.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RetentionRules, RetentionSchedule, type Look } from "#src/core/retention.js";

const none = Number.POSITIVE_INFINITY;

test("a partition's own name goes before a beginning of it, and a longer beginning before a shorter one", () => {
  const rules = new RetentionRules({
    maxAgeMs: 1000,
    partitions: { "a*": { maxRecords: 1 }, "ab*": { maxRecords: 2, maxAgeMs: 50 }, abc: { maxBytes: 3 }, "audit*": "keep", "x*": { maxAgeMs: 5000 } },
  });
  assert.deepEqual(rules.of("other"), { isKept: false, maxBytes: none, maxAgeMs: 1000, maxRecords: none });
  assert.deepEqual(rules.of("a"), { isKept: false, maxBytes: none, maxAgeMs: 1000, maxRecords: 1 });
  assert.deepEqual(rules.of("abd"), { isKept: false, maxBytes: none, maxAgeMs: 50, maxRecords: 2 });
  assert.deepEqual(rules.of("abc"), { isKept: false, maxBytes: 3, maxAgeMs: 1000, maxRecords: none });
  assert.ok(rules.of("audit").isKept && rules.of("audit.log").isKept);
  assert.ok(rules.of("\u0000cursors").isKept, "what the log hides is not touched");
  assert.deepEqual(rules.ages, [50, 1000, 5000]);
  assert.ok(rules.limitsPartitions);
  assert.ok(!new RetentionRules({ maxBytes: 1, partitions: { a: "keep", b: { maxAgeMs: 1 } } }).limitsPartitions);
  assert.deepEqual(new RetentionRules({ maxBytes: 1 }).ages, []);
});

function drain(schedule: RetentionSchedule, now: number): string[] {
  const looks: string[] = [];
  for (let look: Look | null = schedule.poll(now); look !== null; look = schedule.poll(now)) {
    looks.push(`${look.reason.kind}${look.reason.kind === "age" ? look.reason.maxAgeMs : ""} ${look.lane}/${look.segment}`);
    assert.deepEqual(schedule.poll(now), look, "it is due until it was looked into");
    schedule.handleLooked(look);
  }
  return looks;
}

test("by size: the oldest segments of all lanes go, just as many as it takes to fit", () => {
  const schedule = new RetentionSchedule({ lanes: 2, maxBytes: 500, reservedBytes: 200, ages: [], looksAtGrown: false });
  schedule.handleSealed(0, { segment: 1, bytes: 100, lastTime: 10 }, true);
  schedule.handleSealed(1, { segment: 1, bytes: 100, lastTime: 5 }, true);
  schedule.handleSealed(0, { segment: 2, bytes: 100, lastTime: 30 }, false);
  assert.deepEqual(drain(schedule, 1000), [], "it fits exactly");
  schedule.handleSealed(0, { segment: 3, bytes: 1, lastTime: 40 }, false);
  assert.deepEqual(drain(schedule, 1000), ["size 1/1"]);
  schedule.handleSealed(1, { segment: 2, bytes: 200, lastTime: 60 }, false);
  assert.deepEqual(drain(schedule, 1000), ["size 0/1", "size 0/2"]);
  assert.equal(schedule.dueAt, none);
});

test("by size: a segment that goes by itself makes room; one that was given up and can't go is not made up for by others", () => {
  const schedule = new RetentionSchedule({ lanes: 1, maxBytes: 300, reservedBytes: 0, ages: [], looksAtGrown: false });
  for (const segment of [1, 2, 3]) schedule.handleSealed(0, { segment, bytes: 100, lastTime: segment }, false);
  schedule.handleKept(0, 2);
  schedule.handleSealed(0, { segment: 4, bytes: 100, lastTime: 4 }, false);
  assert.deepEqual(drain(schedule, 0), []);
  schedule.handleSealed(0, { segment: 5, bytes: 100, lastTime: 5 }, false);
  assert.deepEqual(drain(schedule, 0), ["size 0/2"]);
  schedule.handleKept(0, 2);
  assert.deepEqual(drain(schedule, 0), []);
  schedule.handleSealed(0, { segment: 6, bytes: 100, lastTime: 6 }, false);
  assert.deepEqual(drain(schedule, 0), ["size 0/3"]);
  schedule.handleKept(0, 4);
  assert.deepEqual(drain(schedule, 0), []);
});

test("by age: a segment is due when its newest record is older, once for each age, and the next time is known", () => {
  const schedule = new RetentionSchedule({ lanes: 2, maxBytes: none, reservedBytes: 0, ages: [100, 1000], looksAtGrown: false });
  schedule.handleSealed(0, { segment: 7, bytes: 1, lastTime: 5000 }, true);
  schedule.handleSealed(1, { segment: 3, bytes: 1, lastTime: 5050 }, false);
  assert.equal(schedule.dueAt, 5100);
  assert.deepEqual(drain(schedule, 5100), [], "just as old is not older");
  assert.deepEqual(drain(schedule, 5101), ["age100 0/7"]);
  assert.equal(schedule.dueAt, 5150);
  assert.deepEqual(drain(schedule, 6001), ["age100 1/3", "age1000 0/7"]);
  assert.deepEqual(drain(schedule, 9999), ["age1000 1/3"]);
  assert.equal(schedule.dueAt, none);
});

test("what has grown is looked at once, and not what was there before the log was opened", () => {
  const schedule = new RetentionSchedule({ lanes: 1, maxBytes: none, reservedBytes: 0, ages: [], looksAtGrown: true });
  schedule.handleSealed(0, { segment: 1, bytes: 1, lastTime: 1 }, true);
  assert.deepEqual(drain(schedule, 9), []);
  schedule.handleSealed(0, { segment: 2, bytes: 1, lastTime: 1 }, false);
  schedule.handleSealed(0, { segment: 4, bytes: 1, lastTime: 1 }, false);
  assert.deepEqual(drain(schedule, 9), ["grown 0/2", "grown 0/4"]);
});

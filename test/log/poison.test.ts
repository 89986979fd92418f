// A write that really fails: what was pending is unknown and says so, nothing more is taken, reopening finds all that was acknowledged.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { runLogChild } from "./child-process.js";
import { freshPath, onEachBackend, small, withLog } from "./log-fixture.js";

interface Outcome {
  readonly code?: string;
  readonly message?: string;
  readonly cause?: string | null;
  readonly value?: unknown;
}

onEachBackend("poison", (backend) => {
  test("descriptors that can't be written: pending and later appends are POISONED, reads go on, reopening has all that was acknowledged", async (t) => {
    if (!existsSync("/proc/self/fd")) return t.skip("no /proc/self/fd: descriptors can't be exchanged");
    const directory = freshPath();
    const { answers, stderr, code } = await runLogChild({ scenario: "writeUntilRefused", backend, directory, argument: "descriptors" });
    assert.deepEqual([stderr, code], ["", 0]);
    const [answer] = answers as unknown as (Record<string, Outcome> & { acknowledged: number })[];
    for (const operation of ["pending", "append", "enqueue", "batch", "write", "trim", "truncate", "sync", "drain", "tail"]) {
      const outcome = answer![operation] as Outcome;
      assert.equal(outcome.code, "RINGWALL_POISONED", `${operation}: ${JSON.stringify(outcome)}`);
      assert.match(outcome.message ?? "", /lane-00.*may or may not be durable.*open it again/s);
      assert.equal(outcome.cause, "RINGWALL_IO", "the cause says what the device answered");
    }
    assert.deepEqual(answer!["get"], { value: 1 });
    await withLog(directory, { backend, ...small, segmentBytes: 64 * 1024 * 1024 }, async (log) => {
      const partition = log.partition("p");
      assert.deepEqual(log.info.recovery[0]!.lost, []);
      assert.ok(partition.lastSeq >= answer!.acknowledged, `${partition.lastSeq} of ${answer!.acknowledged}`);
      let due = 1;
      for await (const { seq, data } of partition.read()) {
        assert.equal(seq, due);
        assert.equal(data.length, due++ === 1 ? 1 : 5000);
      }
      assert.equal(due, partition.lastSeq + 1);
      assert.equal(await partition.append("on with it"), due);
    });
  });
});

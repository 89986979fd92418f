// A log that nobody uses: it keeps no process alive, uses no processor, and has covered what it acknowledged.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Log } from "#src/index.js";
import { runLogChild } from "./child-process.js";
import { contents, freshPath, onEachBackend, small, untilDurable, withLog } from "./log-fixture.js";

test("the detector of unhandled rejections is no decoration: such a process fails", async () => {
  const { code, stderr } = await runLogChild({ scenario: "unhandled", backend: "fs", directory: freshPath() });
  assert.notEqual(code, 0);
  assert.match(stderr, /RINGWALL_NOT_FOUND/);
});

onEachBackend("idle", (backend) => {
  test("a process that leaves a log open, with a tail on it, ends by itself; the log is as it was acknowledged", async () => {
    const directory = freshPath();
    const outcome = await runLogChild({ scenario: "leaveOpen", backend, directory });
    assert.deepEqual(outcome, { code: 0, answers: [{ tailed: 2 }], stderr: "" });
    await withLog(directory, { backend, ...small }, async (log) => {
      assert.equal(log.info.recovery[0]!.verdict, "clean");
      assert.deepEqual(await contents(log.partition("p")), ["1", "2"]);
    });
  });

  test("an open log with a waiting tail uses no processor and writes nothing", async () => {
    const { answers, stderr } = await runLogChild({ scenario: "idle", backend, directory: freshPath() });
    assert.equal(stderr, "");
    assert.equal(answers[0]!["blocksWritten"], 0);
    assert.ok((answers[0]!["micros"] as number) < 50_000, JSON.stringify(answers));
  });

  test("the last acknowledged record is covered without further appends: a read-only opening sees it", async () => {
    const directory = freshPath();
    await withLog(directory, { backend, ...small }, async (log) => {
      const reader = await Log.open(directory, { backend, readOnly: true });
      for (let index = 1; index <= 3; index++) {
        await log.partition("p").append(`${index}`);
        // Its tail looks again until the beacon is there; without one it would wait for ever.
        await untilDurable(reader.partition("p"), index);
      }
      const { blocks } = log.stats()[0]!;
      await reader.close();
      assert.equal(blocks, 6, "one beacon for each of three pauses");
    });
  });
});

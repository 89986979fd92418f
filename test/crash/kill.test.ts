// Killed processes: nothing acknowledged is ever lost. The long version is `npm run crash`.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { Log } from "#src/index.js";
import { backends, uringRefusal } from "./backends.js";
import { History } from "./history.js";
import { runKills } from "./kill-campaign.js";
import { optionSets, type OptionSet } from "./option-sets.js";
import { LossError } from "./oracle.js";
import { partitionOf, shapeOf } from "./partition-names.js";
import { Tally } from "./tally.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-kill-"));
let keep = false;
after(() => {
  if (!keep) fs.rmSync(root, { recursive: true, force: true });
});

describe("killed writers", () => {
  if (uringRefusal !== null) test("on uring", { skip: uringRefusal }, () => undefined);

  test("300 kills at random times, each in the log that the last one left: every acknowledged record is there", async (t) => {
    const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    t.diagnostic(`npm run crash -- --seed ${seed} --kills 300 replays the seeds`);
    const { tally, losses } = await runKills({ kills: 300, seed, root, jobs: 2, killsPerLog: 8, onProgress: (line) => t.diagnostic(line) });
    keep = losses.length > 0;
    assert.deepEqual(losses, []);
    assert.equal(tally.crashes, 300);
    assert.ok(tally.acknowledgedRecords > 1000, `the writers were heard: ${String(tally)}`);
  });
});

/** What somebody might do to a log between a crash and its judgement; each must be noticed. */
const tamperings: readonly { readonly title: string; readonly change: (log: Log) => Promise<unknown> }[] = [
  { title: "the last acknowledged record is gone", change: (log) => longest(log).truncate(longest(log).lastSeq - 1) },
  { title: "the first acknowledged record is gone", change: (log) => longest(log).trim(longest(log).firstSeq + 1) },
  { title: "a record is there that nobody wrote", change: (log) => longest(log).append("foreign") },
  { title: "a partition is there that nobody wrote", change: (log) => partitionOf(log, 99).append("foreign") },
  {
    title: "the last acknowledged record has another content",
    change: async (log) => {
      const partition = longest(log);
      const last = await partition.get(partition.lastSeq);
      assert.ok(last !== undefined);
      const content = Buffer.from(last.data);
      content.writeUInt8(content.readUInt8(content.length - 1) ^ 1, content.length - 1);
      await partition.truncate(partition.lastSeq - 1);
      await partition.append(content);
    },
  },
];

function longest(log: Log): ReturnType<typeof partitionOf> {
  const [number] = [...shapeOf(log)].sort(([, a], [, b]) => b.last - b.first - (a.last - a.first))[0] as [number, unknown];
  return partitionOf(log, number);
}

describe("the judgement bites", () => {
  for (const { title, change } of tamperings) {
    test(title, async () => {
      const directory = path.join(root, title.replaceAll(" ", "-"));
      const history = new History({ directory, seed: 7, set: optionSets[0] as OptionSet, tally: new Tally() });
      await history.finish(history.start("fs", { operationsMax: 400 }));
      await history.check("writable", "fs");
      const log = await Log.open(directory, { backend: "fs" });
      await change(log);
      await log.close();
      await assert.rejects(history.check("read-only", backends[0] as "uring" | "fs"), LossError);
    });
  }
});

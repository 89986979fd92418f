// A batch that was acknowledged and lost a member to damage: what is left of it is the same to readers, repair and verify.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Log, repairLog } from "#src/index.js";
import { verifyLog } from "#src/cli/verify/verify-log.js";
import { freshPath, small } from "../log/log-fixture.js";
import { readAll } from "./read-all.js";

/** A batch over two partitions, its third member damaged. `isSealed`: its segment has an index. */
async function damagedBatch(isSealed: boolean): Promise<string> {
  const directory = freshPath();
  const log = await Log.open(directory, { ...small, backend: "fs" });
  await log.partition("a").append("before");
  await log.write([{ partition: "a", data: "member one" }, { partition: "b", data: "member two" }, { partition: "a", data: "member three" }, { partition: "b", data: "member four" }]);
  if (isSealed) log.rotate();
  await log.partition("a").append("behind");
  await log.close();
  const segment = path.join(directory, "lane-00", "00000001.segment");
  assert.equal(fs.existsSync(segment.replace(".segment", ".index")), isSealed);
  const bytes = fs.readFileSync(segment);
  bytes[bytes.indexOf("member three")]! ^= 1;
  fs.writeFileSync(segment, bytes);
  return directory;
}

for (const [title, isSealed, left, lost] of [
  ["an index proves that it was complete: the other members are read", true, ["a 1 before", "a 2 member one", "a 4 behind", "b 1 member two", "b 2 member four"], ["a 3 to 3"]],
  ["nothing proves that it was complete: none of it is read", false, ["a 1 before", "a 4 behind"], ["a 2 to 3", "b 1 to 2"]],
] as const) {
  test(`a damaged member of an acknowledged batch, ${title}, by readers, repair and verify alike`, async () => {
    const directory = await damagedBatch(isSealed);
    const reader = await Log.open(directory, { readOnly: true, backend: "fs" });
    const contents = await readAll(reader);
    await reader.close();
    assert.deepEqual([...contents].flatMap(([name, { records }]) => [...records].map(([sequence, { text }]) => `${name} ${String(sequence)} ${text}`)), left);
    assert.deepEqual([...contents].flatMap(([name, partition]) => partition.lost.map(({ first, last }) => `${name} ${String(first)} to ${String(last)}`)), lost);

    const repaired = await repairLog(directory, "", { dryRun: true, backend: "fs" });
    assert.deepEqual(repaired.partitions.flatMap(({ name, missing }) => missing.map(({ firstSequence, lastSequence }) => `${String(name)} ${String(firstSequence)} to ${String(lastSequence)}`)), lost);

    const verdict = await verifyLog({ directory, backend: "fs", isProgressWanted: false });
    const named = verdict.findings.flatMap((finding) => finding.lost ?? []);
    assert.deepEqual(named.map(({ name, firstSequence, lastSequence }) => `${String(name)} ${String(firstSequence)} to ${String(lastSequence)}`), lost);
  });
}

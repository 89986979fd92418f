// Which records repair takes where some are moved copies: those that a reader of the damaged lane reads, in order.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { chooseKernels } from "#src/format/kernels.js";
import { ReadBuffers } from "#src/recovery/segment-reader.js";
import { walkRecords } from "#src/repair/surviving-records.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { alignment, define, entry, moved, record, type LogBuilder } from "../recovery/log-builder.js";
import { buildForgottenTruncation, recover, withLog } from "../recovery/recovering.js";

async function survivors(log: LogBuilder): Promise<string[]> {
  const recovered = await recover(log, { readOnly: true });
  assert.equal(recovered.report.verdict, "damaged");
  assert.deepEqual(recovered.report.lost, []);
  const { epoch, epochSegment, epochOffset } = log.laneRecord;
  const taken: string[] = [];
  await walkRecords({
    source: {
      files: nodeFileSystem(), lane: 0, uuid: log.uuid, alignment, kernels: chooseKernels(), boundary: { epoch, segment: epochSegment, offset: epochOffset }, buffers: new ReadBuffers(undefined),
    },
    recovered,
    loadIndex: () => Promise.reject(new Error("no segment is trusted here")),
    take: ({ sequence, data }) => {
      taken.push(`${String(sequence)} ${Buffer.from(data).toString()}`);
      return undefined;
    },
    onDamage: () => undefined,
  });
  return taken;
}

test("an old superblock keeps a freed segment whose record was truncated and written anew: its copy is taken", async () => {
  await withLog(async (log) => {
    buildForgottenTruncation(log);
    assert.deepEqual(await survivors(log), ["1 one", "2 two", "3 three"]);
  });
});

test("a record is damaged where it was appended and has a copy: the copy is taken, between its neighbours", async () => {
  await withLog(async (log) => {
    log.rotate();
    log.block([define(1, "a"), record(1, 1, "one"), record(1, 2, "two"), record(1, 3, "three")]);
    log.rotate([entry(1, "a", 3)]);
    log.block([moved(1, 2, "two")]);
    log.block([]);
    const at = log.blocks[1]!.frames[2]! + 24;
    log.write(1, at, Uint8Array.of(readFileSync(log.path(1))[at]! ^ 1));
    assert.deepEqual(await survivors(log), ["1 one", "2 two", "3 three"]);
  });
});

// Does to a log everything that this library does with logs, and demands of each step: done, or refused with a code.
//
// What a step says is checked where something can be said whatever the bytes are: ranges are ranges, a read record is
// read again the same alone (but for what `checkAlone` says of forged doubles), a record appended to a log that let itself
// be opened is there after the next opening, and what repair makes is sound.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { inspectLog } from "#src/cli/inspect/inspect-log.js";
import { collectStatistics } from "#src/cli/stats/stats-command.js";
import { statsText } from "#src/cli/stats/stats-text.js";
import { verifyLog, type Verdict } from "#src/cli/verify/verify-log.js";
import { Log, RingwallError, type Partition } from "#src/index.js";
import { laneDirectoryName } from "#src/format/names.js";
import { chooseKernels } from "#src/format/kernels.js";
import { recoverLane } from "#src/recovery/recover-lane.js";
import { readSuperblock } from "#src/recovery/superblock-file.js";
import { repairLog } from "#src/repair/repair-log.js";
import { chooseStorage } from "#src/storage/choose.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import type { WrittenLog } from "./hostile-log.js";
import type { Random } from "./random.js";

/** Partitions and records looked at one by one, so that an input takes milliseconds. */
const looksMax = 40;
const lossesMax = 50;

/** How each step ended, counted. */
export type Outcomes = Map<string, number>;

/** On absurd logs each step but reading comes one time in so many: reading finds most, repair takes longest. */
const stepOdds = 3;

export async function judge(written: WrittenLog, workPath: string, random: Random, outcomes: Outcomes): Promise<void> {
  const { directory } = written;
  const step = async <T>(name: string, action: () => Promise<T>): Promise<T | null> => {
    if (written.strayed > 0 && name !== "read" && random.below(stepOdds) > 0) return null;
    const [result, outcome] = await codeOf(name, action);
    outcomes.set(`${name}: ${outcome}`, (outcomes.get(`${name}: ${outcome}`) ?? 0) + 1);
    return result;
  };
  const reader = await step("read", () => readOnly(written));
  const verdict = await step("verify", () => verifyLog({ directory, backend: "fs", isProgressWanted: false }));
  if (verdict !== null) checkVerdict(verdict);
  await step("inspect", () => inspect(directory));
  await step("stats", async () => statsText(JSON.parse(JSON.stringify(await collectStatistics(directory, "fs"))) as Awaited<ReturnType<typeof collectStatistics>>));
  for (const options of [{ liveWriter: true }, { trustIndexes: false }]) await step(`recover ${Object.keys(options)[0]!}`, () => recover(directory, options));
  await step("dry repair", () => repairLog(directory, path.join(workPath, "none"), { backend: "fs", dryRun: true }));
  await step("repair", () => repair(directory, path.join(workPath, "repaired")));
  // The last step: it changes the log.
  const wrote = await step("write", () => write(directory));
  if (written.strayed > 0) return;
  assert.ok(reader !== null && wrote !== null && verdict?.findings.length === 0, `a sound log is sound: ${JSON.stringify(verdict?.findings)}`);
}

async function codeOf<T>(name: string, action: () => Promise<T>): Promise<[T | null, string]> {
  try {
    return [await action(), "done"];
  } catch (error) {
    if (error instanceof RingwallError) return [null, error.code];
    throw new Error(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`, { cause: error });
  }
}

/** Every record, over and around what is called lost. */
async function readOnly(written: WrittenLog): Promise<void> {
  const { directory, strayed, records } = written;
  const log = await Log.open(directory, { backend: "fs", readOnly: true });
  try {
    assert.ok(JSON.stringify(log.info).length > 0);
    const partitions = log.partitions();
    for (const partition of partitions.slice(0, looksMax)) {
      const lost = (log.info.recovery[partition.lane]?.lost ?? []).filter(({ name }) => name === partition.name);
      const count = await readPartition(partition, strayed > 0 ? { written, lost } : null);
      if (strayed > 0) continue;
      const expected = records.get(`${String(partition.lane)}/${partition.name}`);
      assert.deepEqual([partition.firstSeq, partition.lastSeq, count], [expected?.first, expected?.last, partition.lastSeq - partition.firstSeq + 1], `all of ${partition.name}`);
    }
    if (strayed === 0) assert.equal(partitions.length, records.size);
  } finally {
    await log.close();
  }
}

/** A log that is not sound, and what of the partition it calls lost. */
interface Strayed {
  readonly written: WrittenLog;
  readonly lost: readonly { readonly firstSequence: number; readonly lastSequence: number }[];
}

/** Returns how many records there are. `strayed`: where the log is not sound. */
async function readPartition(partition: Partition, strayed: Strayed | null): Promise<number> {
  let count = 0;
  let looks = 0;
  let losses = 0;
  for (let from = partition.firstSeq; from <= partition.durableSeq && losses < lossesMax; losses++) {
    try {
      for await (const batch of partition.readBatches({ from })) {
        for (const { seq, time, data } of batch) {
          assert.ok(seq >= from, "sequences ascend");
          from = seq + 1;
          count++;
          assert.ok(!Number.isNaN(new Date(time).getTime()), `time ${String(time)} is a date`);
          if (++looks > looksMax) continue;
          await checkAlone(partition, { seq, data }, strayed);
        }
      }
      break;
    } catch (error) {
      if (!(error instanceof RingwallError) || error.code !== "RINGWALL_DAMAGED") throw error;
      const { lastSequence } = (error.details ?? {}) as { lastSequence?: number };
      // Without a range it is the segment that can't be entered.
      if (lastSequence === undefined) break;
      assert.ok(lastSequence >= from, `a loss that leads nowhere: ${error.message}`);
      from = lastSequence + 1;
    }
  }
  return count;
}

/** By itself a record is what it is among others. */
async function checkAlone(partition: Partition, { seq, data }: { readonly seq: number; readonly data: Uint8Array }, strayed: Strayed | null): Promise<void> {
  const what = `record ${String(seq)} of ${partition.name} alone`;
  const hasIndexes = strayed !== null && fs.readdirSync(path.join(strayed.written.directory, laneDirectoryName(partition.lane))).some((name) => name.endsWith(".index"));
  const again = await partition.get(seq).catch((error: unknown) => {
    // An index that lies sends `get` past the record, and one that does not know of it, since it follows from nothing, has no place for it; reading
    // on from the one before it may still meet it.
    const isKnownLost = strayed?.lost.some(({ firstSequence, lastSequence }) => firstSequence <= seq && seq <= lastSequence) === true;
    if ((hasIndexes || isKnownLost) && error instanceof RingwallError && error.code === "RINGWALL_DAMAGED" && error.place.sequence === seq) return null;
    throw error;
  });
  if (again === null) return;
  assert.ok(again !== undefined, `${what} is there`);
  if (Buffer.compare(again.data, data) === 0) return;
  const payloads = strayed?.written.payloads.get(`${String(partition.lane)}/${String(seq)}`) ?? [];
  assert.ok(hasIndexes && isOneOf(payloads, data) && isOneOf(payloads, again.data), `${what} is the same`);
}

/**
 * Whether `data` is that of frames written with its sequence. No writer gives a sequence out twice without a truncation in
 * between, which hides the first; where two are forged into a segment, its index, if there is one, is believed.
 */
function isOneOf(payloads: readonly Uint8Array[], data: Uint8Array): boolean {
  return data.length === 0 ? payloads.some((payload) => payload.length === 0) : isMadeOf(payloads, data);
}

/** A record in fragments is several of them. */
function isMadeOf(payloads: readonly Uint8Array[], data: Uint8Array): boolean {
  if (data.length === 0) return true;
  return payloads.some((payload) => payload.length > 0 && payload.length <= data.length && Buffer.compare(payload, data.subarray(0, payload.length)) === 0 && isMadeOf(payloads, data.subarray(payload.length)));
}

function checkVerdict({ reports }: Verdict): void {
  for (const { lost, damaged, discardedBlocks } of reports) {
    for (const { firstSequence, lastSequence } of lost) assert.ok(firstSequence >= 1 && firstSequence <= lastSequence && lastSequence <= 2 ** 52, `lost ${String(firstSequence)} to ${String(lastSequence)}`);
    for (const { from, to } of damaged) assert.ok(from >= 0 && from <= to, `damaged ${String(from)} to ${String(to)}`);
    assert.ok(discardedBlocks.length < 5000, "no more blocks are dropped than there are");
  }
}

async function inspect(directory: string): Promise<void> {
  const { storage } = chooseStorage({ backend: "fs" });
  try {
    for await (const item of inspectLog({ storage, directory, segment: undefined, listsBlocks: true, listsFrames: true, limit: 1000 })) {
      assert.ok(!JSON.stringify(item).includes("invariant broken"), JSON.stringify(item));
    }
  } finally {
    await storage.close();
  }
}

async function recover(directory: string, options: { readonly liveWriter?: boolean; readonly trustIndexes?: boolean }): Promise<void> {
  const files = nodeFileSystem();
  const { superblock } = await readSuperblock(files, directory);
  for (const lane of superblock.lanes.keys()) {
    const { table } = await recoverLane({ files, directory: path.join(directory, laneDirectoryName(lane)), lane, superblock, kernels: chooseKernels(), readOnly: true, liveWriter: false, ...options });
    for (const { name, firstSequence, lastSequence } of table) {
      assert.ok(firstSequence >= 1 && lastSequence >= firstSequence - 1 && lastSequence <= 2 ** 52, `${name}: ${String(firstSequence)} to ${String(lastSequence)}`);
    }
  }
}

async function repair(directory: string, target: string): Promise<void> {
  const report = await repairLog(directory, target, { backend: "fs" });
  assert.ok(JSON.stringify(report).length > 0);
  const { findings, records } = await verifyLog({ directory: target, backend: "fs", isProgressWanted: false });
  assert.deepEqual([findings, records >= report.records], [[], true], "what repair made is sound");
  const log = await Log.open(target, { backend: "fs", readOnly: true });
  try {
    let read = 0;
    for (const partition of log.partitions()) read += await readPartition(partition, null);
    assert.equal(read, report.records, "every record that was saved is there");
  } finally {
    await log.close();
  }
}

/** Opens it for writing, and a record appended then is there after the next opening, which finds the log sound. */
async function write(directory: string): Promise<void> {
  const options = { backend: "fs", bufferBytes: 64 * 1024, bufferCount: 4, segmentBytes: 1 << 20 } as const;
  const log = await Log.open(directory, options);
  const places: { readonly name: string; readonly seq: number }[] = [];
  try {
    for (const name of [log.partitions()[0]?.name ?? "new", "another"]) places.push({ name, seq: await log.partition(name).append("appended") });
  } finally {
    await log.close();
  }
  const again = await Log.open(directory, options);
  try {
    for (const { name, seq } of places) assert.equal(Buffer.from((await again.partition(name).get(seq))?.data ?? []).toString(), "appended", `record ${String(seq)} of ${name}`);
  } finally {
    await again.close();
  }
}

// A process whose log is always moving live records on, until it is killed: `node reclaiming-writer.js <directory> <backend> <facts>`.
//
// Each line that it adds to the file of facts, which a kill does not take back, is a fact: "old 17" is durable, "busy trimming 900" is asked for, "busy trimmed 900" is durable,
// "reclaimed" that segments were freed since the last time. On its standard output "." says that copies were placed, "r" that segments were freed whose
// records had been moved. It never ends by itself, however long it is left alone, and its log does not grow.

import fs from "node:fs";
import { Log, type Partition } from "#src/index.js";
import { reclaimedText } from "./reclaimed-text.js";

const [directory, backend, facts] = process.argv.slice(2) as [string, "uring" | "fs", string];
const descriptor = fs.openSync(facts, "a");
/** Live ones: up to so many they grow, down to so many they are trimmed, and so on. */
const oldRecordsMax = 900;
const oldRecordsMin = 450;

function say(fact: string): void {
  fs.writeSync(descriptor, `${fact}\n`);
}

async function fill(partition: Partition, count: number): Promise<void> {
  const first = partition.lastSeq + 1;
  const appends = Array.from({ length: count }, (_, at) => partition.append(reclaimedText(partition.name, first + at)));
  await Promise.all(appends.map((append) => append.then((seq) => { say(`${partition.name} ${seq}`); })));
}

async function trim(partition: Partition, before: number): Promise<void> {
  say(`${partition.name} trimming ${before}`);
  await partition.trim(before);
  say(`${partition.name} trimmed ${before}`);
}

// So slow that a round is under way most of the time.
const log = await Log.open(directory, { backend, segmentBytes: 1024 * 1024, bufferBytes: 16 * 1024, bufferCount: 4, reclaim: { factor: 1.1, bytesPerSecond: 4 * 1024 * 1024 } });
const [old, busy] = [log.partition("old"), log.partition("busy")];
for (let moved = 0, reclaimed = 0, grows = true; ; ) {
  const live = old.lastSeq - old.firstSeq + 1;
  if (live >= oldRecordsMax) grows = false;
  else if (live <= oldRecordsMin) grows = true;
  if (grows) await fill(old, 60);
  else await trim(old, old.firstSeq + 1);
  await fill(busy, 400);
  await trim(busy, busy.lastSeq - 20);
  const [stats] = log.stats();
  if (stats === undefined) continue;
  if (stats.bytesMoved > moved) process.stdout.write(".");
  if (stats.segmentsReclaimed > reclaimed) {
    say("reclaimed");
    process.stdout.write("r");
  }
  ({ bytesMoved: moved, segmentsReclaimed: reclaimed } = stats);
}

// The writing process of `bench recover`: fills a log, says so, and waits to be killed with everything open.

import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { laneDirectoryName, parseLaneFile } from "../../format/names.js";
import { Log } from "../../thread/log.js";
import { fill, layOut, writtenMark, type FillRequest } from "./unclean-log.js";

const indexMillisMax = 20_000;

function missingIndexes(): number {
  const kinds = fs.readdirSync(path.join(request.directory, laneDirectoryName(0))).map((name) => parseLaneFile(name).kind);
  const segments = log.stats().reduce((sum, lane) => sum + lane.segments, 0);
  return segments - 1 - kinds.filter((kind) => kind === "index").length;
}

const request = JSON.parse(process.argv[2] ?? "{}") as FillRequest;
await layOut(request);
// What is written is synced in the end: each block's own flush would cost a bulk load half of the disk.
const log = await Log.open(request.directory, { ...request.options, durability: { mode: "none" } });
await fill(log, request, (bytes) => { process.stdout.write(`${String(bytes)}\n`); });
// Index files are written in the background, and a disk that has just taken so much is slow with them. A writer at a steady
// load has all but the latest: what the kill finds should not depend on the minute before it.
for (const until = performance.now() + indexMillisMax; missingIndexes() > 0 && performance.now() < until; ) await sleep(20);
process.stdout.write(`${writtenMark}\n`);
// Longer than anyone waits for the kill; if nobody is there to kill, the log is closed all the same.
await new Promise((resolve) => setTimeout(resolve, 60_000));
await log.close();

// `get` of records that the page cache does not have: a closed log, and rounds that drop it from the cache whenever each place was visited.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { RingwallError } from "../../../base/errors.js";
import type { Partition } from "../../../log/partition.js";
import { CommandError } from "../../report-failure.js";
import { Samples, type Quantiles } from "../samples.js";

export interface ColdGets {
  /** Of a closed log, or of one that is open for reading. */
  readonly directory: string;
  readonly partition: Partition;
  readonly recordBytes: number;
  /** Calls under way at once. */
  readonly depth: number;
  readonly seconds: number;
  readonly isStopped: () => boolean;
}

export interface ColdFigures {
  readonly operationsPerSecond: number;
  /** From the call of `get` until it resolved. */
  readonly micros: Quantiles;
  /** What the device gave, by the system's own count: next to nothing would mean that the page cache answered. Absent where the system does not tell. */
  readonly deviceBytesPerGet?: number;
}

/** Two places are so far apart that what one `get` reads holds nothing of another's. */
const placeBytes = 64 * 1024;

/** Dropping is not in the figures. A pass visits each place once, in random order. */
export async function coldGetRound(request: ColdGets): Promise<ColdFigures> {
  const { directory, partition, recordBytes, depth, seconds, isStopped } = request;
  const samples = new Samples();
  const step = Math.ceil(placeBytes / recordBytes) + 1;
  let gets = 0;
  let deviceBytes = 0;
  let millis = 0;
  const isOver = (): boolean => isStopped() || millis >= seconds * 1000;
  do {
    dropCached(directory);
    const places = shuffled(Math.max(1, Math.floor(partition.lastSeq / step)));
    const first = 1 + Math.floor(Math.random() * Math.min(step, partition.lastSeq));
    const before = bytesFromDevice();
    const started = performance.now();
    const deadline = started + seconds * 1000 - millis;
    const call = async (): Promise<void> => {
      for (let place = places.pop(); place !== undefined && performance.now() < deadline && !isStopped(); place = places.pop()) {
        const called = performance.now();
        const record = await partition.get(Math.min(partition.lastSeq, first + place * step));
        samples.record(performance.now() - called);
        if (record?.data.length !== recordBytes) throw new RingwallError("RINGWALL_NOT_FOUND", "a durable record was not found whole", { place: { partition: partition.name } });
        gets++;
      }
    };
    await Promise.all(Array.from({ length: depth }, call));
    millis += performance.now() - started;
    deviceBytes += bytesFromDevice() - before;
  } while (!isOver());
  return { operationsPerSecond: (gets / millis) * 1000, micros: samples.quantiles(1000), ...(deviceBytes > 0 ? { deviceBytesPerGet: deviceBytes / gets } : {}) };
}

/** Throws CommandError where the cache can't be dropped: figures out of it would pass for the device's. */
function dropCached(directory: string): void {
  const names = fs.readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".segment"));
  for (const name of names) {
    const { status, stderr } = spawnSync("dd", [`if=${path.join(directory, name)}`, "iflag=nocache", "count=0", "status=none"], { encoding: "utf8" });
    if (status !== 0) throw new CommandError(`dd can't drop ${name} from the page cache: ${stderr || "it is not installed (package coreutils)"}`, "NOT_INSTALLED");
  }
}

function shuffled(count: number): number[] {
  const places = Array.from({ length: count }, (_, place) => place);
  for (let at = count - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [places[at], places[other]] = [places[other] as number, places[at] as number];
  }
  return places;
}

/** Read by this process so far; 0 where the system does not tell. */
function bytesFromDevice(): number {
  try {
    return Number(/^read_bytes: (\d+)$/m.exec(fs.readFileSync("/proc/self/io", "latin1"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

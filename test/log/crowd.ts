// A crowd around one log: a writer that goes through segments as fast as it can, and readers that check every record.
// `crowd.js write|read <directory> <options>`; obeys lines on its standard input, answers in lines of JSON.

import fs from "node:fs";
import { createInterface } from "node:readline";
import { Log, RingwallError, type LogOptions, type Partition } from "#src/index.js";

/** "t" is truncated now and then; the others only grow. All are trimmed. */
export const crowdPartitions = ["a", "b", "t"] as const;

/** What record `seq` of a partition holds, whoever writes it, and in whatever life. */
export function payloadOf(name: string, seq: number): Buffer {
  let state = (seq * 2654435761 + name.charCodeAt(0)) >>> 0;
  const words = Buffer.alloc(8 + 4 * (state % 400));
  words.writeDoubleLE(seq, 0);
  for (let at = 8; at < words.length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words.writeUInt32LE(state, at);
  }
  return words;
}

export interface Tally {
  /** By partition: the last record that any tail saw. */
  readonly last: Record<string, number>;
  records: number;
  trimmed: number;
  truncated: number;
  wrong: string | null;
}

export function newTally(): Tally {
  return { last: {}, records: 0, trimmed: 0, truncated: 0, wrong: null };
}

/** Tails a partition until the signal: order and content are checked; what is trimmed or truncated meanwhile is gone round. */
export async function follow(partition: Partition, tally: Tally, signal: AbortSignal, isSlow: boolean): Promise<void> {
  let from = partition.firstSeq;
  while (!signal.aborted && tally.wrong === null) {
    let due = from;
    try {
      for await (const { seq, data } of partition.tail({ from, signal })) {
        if (seq !== due) tally.wrong = `${partition.name}: ${seq} where ${due} was due`;
        else if (!payloadOf(partition.name, seq).equals(data)) tally.wrong = `${partition.name} ${seq}: other bytes`;
        if (tally.wrong !== null) return;
        due++;
        tally.records++;
        tally.last[partition.name] = partition.name === "t" ? seq : Math.max(seq, tally.last[partition.name] ?? 0);
        // So that the writer overtakes it.
        if (isSlow && seq % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (error) {
      const { code, details } = error instanceof RingwallError ? error : { code: String(error), details: null };
      if (code === "RINGWALL_TRIMMED") {
        tally.trimmed++;
        from = Math.max(due, (details as { firstSequence?: number } | null)?.firstSequence ?? partition.firstSeq);
      } else if (code === "RINGWALL_NOT_FOUND") {
        tally.truncated++;
        from = (details as { truncatedAfter: number }).truncatedAfter + 1;
        tally.last[partition.name] = from - 1;
      } else if (code !== "RINGWALL_ABORTED" && code !== "RINGWALL_CLOSED") tally.wrong = `${partition.name} at ${due}: ${String(error)}`;
      if (code === "RINGWALL_CLOSED") return;
    }
  }
}

function answer(value: unknown): void {
  fs.writeSync(1, `${JSON.stringify(value)}\n`);
}

function lastOnes(log: Log): Record<string, number> {
  return Object.fromEntries(log.partitions().map(({ name, durableSeq }) => [name, durableSeq]));
}

async function write(directory: string, options: LogOptions): Promise<void> {
  const log = await Log.open(directory, options);
  answer({ last: lastOnes(log) });
  const stop = new AbortController();
  const tally = newTally();
  const tails = crowdPartitions.flatMap((name) => [false, true].map((isSlow) => follow(log.partition(name), tally, stop.signal, isSlow)));
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  let isTold = false;
  const told = lines.next().then(() => { isTold = true; });
  for (let round = 1; !isTold; round++) {
    for (const name of crowdPartitions) {
      const partition = log.partition(name);
      const first = partition.lastSeq + 1;
      await Promise.all(Array.from({ length: 40 }, (_, at) => partition.append(payloadOf(name, first + at))));
      if (round % 7 === 0) await partition.trim(Math.max(partition.firstSeq, partition.lastSeq - 300));
      if (name === "t" && round % 5 === 0) await partition.truncate(Math.max(partition.firstSeq, partition.lastSeq - 10));
    }
    if (round % 11 === 0) log.rotate();
  }
  await told;
  stop.abort();
  await Promise.all(tails);
  const { segmentsReleased } = log.stats()[0] ?? { segmentsReleased: 0 };
  answer({ last: lastOnes(log), tally, segmentsReleased });
  await log.close();
}

async function read(directory: string, options: LogOptions): Promise<void> {
  const log = await Log.open(directory, { ...options, readOnly: true });
  const stop = new AbortController();
  const tally = newTally();
  const tails = crowdPartitions.flatMap((name) => [false, true].map((isSlow) => follow(log.partition(name), tally, stop.signal, isSlow)));
  answer({ open: true });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "stop") break;
    answer(tally);
  }
  stop.abort();
  await Promise.all(tails);
  await log.close();
  answer(tally);
}

if (process.argv[1] === import.meta.filename) {
  const [, , role, directory = "", options = "{}"] = process.argv;
  await (role === "write" ? write : read)(directory, JSON.parse(options) as LogOptions);
  process.stdin.destroy();
}

// The reading process of `bench read`: rounds of one way, when it is told to, and nothing besides.

import { Log } from "../../../thread/log.js";
import { logFactsOf } from "../log-settings.js";
import { readRound } from "./read-ways.js";
import type { ReaderOrder, ReaderReply, ReaderRequest } from "./reader-process.js";
import type { ToldFailure } from "./told-process.js";

const { directory, options, recordBytes, way, heapBytes } = JSON.parse(process.argv[2] ?? "{}") as ReaderRequest;

/** As an application's state: many small objects. */
function makeObjects(bytes: number): object[] {
  const objects: object[] = [];
  const end = process.memoryUsage().heapUsed + bytes;
  while (process.memoryUsage().heapUsed < end) {
    for (let count = 0; count < objectsAtOnce; count++) objects.push({ id: objects.length, name: `object ${String(objects.length)}`, parts: [count, count + 1] });
  }
  return objects;
}

const objectsAtOnce = 10_000;

const reply = (message: ReaderReply | ToldFailure): void => { process.send?.(message); };
const fail = (error: unknown): void => { reply({ failure: String(error) }); };

try {
  const objects = heapBytes > 0 ? makeObjects(heapBytes) : [];
  const log = await Log.open(directory, { ...options, readOnly: true });
  const partition = log.partition("bench");
  // Into the page cache: blocks may have been written past it.
  for await (const records of partition.readBatches()) if (records.length === 0) break;
  const obey = async (order: ReaderOrder): Promise<void> => {
    if (order.kind === "round") reply({ kind: "read", figures: await readRound({ partition, recordBytes, way, seconds: order.seconds }) });
    else {
      // Until now they are not to be collected.
      objects.length = 0;
      await log.close();
      process.disconnect();
    }
  };
  process.on("message", (order: ReaderOrder) => { obey(order).catch(fail); });
  // Whoever started it is gone.
  process.on("disconnect", () => { process.exit(); });
  reply({ kind: "ready", facts: logFactsOf(log), records: partition.lastSeq, objects: objects.length });
} catch (error) {
  fail(error);
  process.disconnect();
}

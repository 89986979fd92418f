// A process that appends numbered calls of three producers until it is killed: `node repeating-writer.js <directory> <backend>`.
//
// It knows nothing of what was acknowledged before: from some hundred calls before the last that it finds, it repeats everything.
// Each acknowledgement is one byte on its standard output.

import { Log, type Partition } from "#src/index.js";

const [directory, backend] = process.argv.slice(2) as [string, "uring" | "fs"];
const repeated = 700;

async function lastNumbers(partition: Partition): Promise<Map<string, number>> {
  const last = new Map<string, number>();
  for await (const { data } of partition.read()) {
    const [producer, number] = Buffer.from(data).toString().trim().split(" ") as [string, string];
    last.set(producer, Number(number));
  }
  return last;
}

async function produce(partition: Partition, producer: string, from: number): Promise<never> {
  for (let seq = from; ; ) {
    const calls: Promise<unknown>[] = [];
    for (const end = seq + 1 + ((seq * 7) % 60); seq < end; seq++) {
      const data = `${producer} ${seq}`.padEnd((seq * 31) % 600);
      // What a number stands for is the same in every life.
      const call = seq % 5 === 0 ? partition.appendBatch([data, data], { producer, seq }) : partition.append(data, { producer, seq });
      calls.push(call.then(() => process.stdout.write(".")));
    }
    await Promise.all(calls);
  }
}

const log = await Log.open(directory, { backend, segmentBytes: 1024 * 1024, bufferBytes: 16 * 1024, bufferCount: 4 });
const partition = log.partition("p");
const last = await lastNumbers(partition);
await Promise.all(["a", "b", "c"].map((producer) => produce(partition, producer, Math.max(1, (last.get(producer) ?? 0) - repeated))));

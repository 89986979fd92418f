// A log beside a list in memory: random appends, batches, trims, truncations, rotations, crashes, reopenings; both must agree.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Log } from "#src/index.js";
import { contents, crashCopy, freshPath, seeded, small, withLog, type Backend } from "./log-fixture.js";

interface List {
  first: number;
  readonly records: string[];
}

export interface ModelOptions {
  readonly backend: Backend;
  /** 1: no record and no batch that spans blocks. */
  readonly blocksPerRecordMax: number;
}

const bufferBytes = 16 * 1024;
const epochs = 12;
const steps = 60;

export async function compareWithLists(t: TestContext, { backend, blocksPerRecordMax }: ModelOptions): Promise<void> {
  const random = seeded(t);
  const lists = new Map<string, List>();
  const pending: Promise<unknown>[] = [];
  const options = { ...small, backend, bufferBytes };
  let serial = 0;
  const record = (bytesMax: number): string => `${serial++} `.padEnd(random(bytesMax), ".");

  const step = async (log: Log): Promise<void> => {
    const name = `p${random(4)}`;
    const partition = log.partition(name);
    if (!lists.has(name)) lists.set(name, { first: 1, records: [] });
    const list = lists.get(name) as List;
    switch (random(10)) {
      case 0:
        // Trim and truncation in turn, each validated against what is there when it is called.
        await Promise.all(pending.splice(0));
        list.first += list.records.splice(0, random(list.records.length + 1)).length;
        pending.push(partition.trim(list.first));
        break;
      case 1:
      case 2:
        list.records.length = random(list.records.length + 1);
        pending.push(partition.truncate(list.first + list.records.length - 1));
        break;
      case 3:
        if (random(3) === 0) log.rotate();
        break;
      case 4: {
        const isWhole = blocksPerRecordMax === 1;
        const batch = Array.from({ length: isWhole ? 1 : 1 + random(20) }, () => record(3000));
        list.records.push(...batch);
        pending.push(partition.appendBatch(batch));
        break;
      }
      default: {
        const data = record(random(4) === 0 ? Math.floor(blocksPerRecordMax * (bufferBytes - 100)) : 500);
        list.records.push(data);
        pending.push(partition.append(data));
      }
    }
  };

  const check = async (log: Log): Promise<void> => {
    assert.deepEqual(log.info.recovery[0]!.lost, []);
    for (const [name, { first, records }] of lists) {
      const partition = log.partition(name);
      assert.deepEqual([partition.firstSeq, partition.lastSeq, partition.durableSeq], [first, first + records.length - 1, first + records.length - 1], name);
      assert.deepEqual(await contents(partition), records, name);
    }
  };

  let directory = freshPath();
  for (let epoch = 0; epoch < epochs; epoch++) {
    directory = await withLog(directory, options, async (log) => {
      await check(log);
      for (let count = 0; count < steps; count++) await step(log);
      await Promise.all(pending.splice(0));
      await check(log);
      return random(2) === 0 ? directory : crashCopy(directory);
    });
  }
}

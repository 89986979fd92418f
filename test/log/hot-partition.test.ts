// One partition that appends as fast as it can: the others have their turn after what was there before them, and no more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RingwallError, type Log, type Partition } from "#src/index.js";
import { freshPath, onEachBackend, small, ways, withWay } from "./log-fixture.js";

/** Of the hot one, at any time. */
const hotUnderWay = 3000;
const coldAppends = 10;

/** Appends one record behind the other until it is stopped, `hotUnderWay` of them at a time. */
class HotAppends {
  acknowledged = 0;
  #isStopped = false;
  readonly #loops: Promise<void>[];

  constructor(partition: Partition) {
    this.#loops = Array.from({ length: hotUnderWay }, async () => {
      while (!this.#isStopped) {
        await partition.append(Buffer.alloc(500));
        this.acknowledged++;
      }
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
  }
}

function enqueues(partition: Partition, data: Uint8Array): boolean {
  try {
    partition.enqueue(data);
    return true;
  } catch (error) {
    assert.ok(error instanceof RingwallError && error.code === "RINGWALL_BACKPRESSURE", String(error));
    return false;
  }
}

/** Fills the memory to its limit, waits until there is room, and so on. */
async function enqueueHot(log: Log, isStopped: () => boolean): Promise<number> {
  const partition = log.partition("hot");
  let refusals = 0;
  while (!isStopped()) {
    while (enqueues(partition, Buffer.alloc(2000))) continue;
    refusals++;
    await log.drain();
  }
  return refusals;
}

onEachBackend("a hot partition", (backend) => {
  for (const way of ways) {
    test(`thousands of its appends wait: another's is acknowledged behind those that came before it (${way})`, async () => {
      await withWay(way, freshPath(), { backend, ...small, segmentBytes: 16 * 1024 * 1024 }, async (log) => {
        const hot = new HotAppends(log.partition("hot"));
        for (let index = 0; index < coldAppends; index++) {
          const before = hot.acknowledged;
          await log.partition(`cold ${index % 3}`).append("cold");
          // Those of its own block are acknowledged together with it.
          const overtaken = hot.acknowledged - before;
          assert.ok(overtaken <= hotUnderWay + 100, `${overtaken} of the hot partition came first`);
        }
        await hot.stop();
        assert.ok(hot.acknowledged >= hotUnderWay);
      });
    });

    test(`it fills the memory to the limit again and again: who waits for room as it does gets in, in its turn (${way})`, async () => {
      await withWay(way, freshPath(), { backend, ...small, segmentBytes: 16 * 1024 * 1024 }, async (log) => {
        let isDone = false;
        let refusals = 0;
        const hot = enqueueHot(log, () => isDone);
        const cold = Array.from({ length: 3 }, async (_, number) => {
          const partition = log.partition(`cold ${number}`);
          for (let index = 0; index < 20; index++) {
            if (!enqueues(partition, Buffer.alloc(1000))) {
              refusals++;
              await log.drain();
              assert.ok(enqueues(partition, Buffer.alloc(1000)), `record ${index} of ${partition.name} is refused behind the wait for room`);
            }
            // Meanwhile the hot one fills the memory again.
            await log.sync();
          }
        });
        await Promise.all(cold).finally(() => { isDone = true; });
        assert.ok((await hot) > 0 && refusals > 0, "there was something to wait for");
        await log.sync();
        for (let number = 0; number < 3; number++) assert.equal(log.partition(`cold ${number}`).durableSeq, 20);
      });
    });
  }
});

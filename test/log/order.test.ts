// Sequences and order: contiguous per partition, acknowledged first in first out, atomic batches, backpressure.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Log, RingwallError, type Partition } from "#src/index.js";
import { contents, crashCopy, freshPath, onEachBackend, refused, seeded, small, untilDurable, withLog } from "./log-fixture.js";

/** The longest that a test's record is, in text that starts with its own name. */
function padded(name: string, bytes: number): string {
  return name + ".".repeat(Math.max(0, bytes - name.length));
}

onEachBackend("order", (backend) => {
  test("thousands of appends that nobody awaits: sequences in order of the calls, acknowledged in that order", async (t) => {
    const random = seeded(t);
    const directory = freshPath();
    const names = ["a", "b", "c"];
    const expected = new Map(names.map((name) => [name, [] as string[]]));
    const acknowledged = new Map(names.map((name) => [name, [] as number[]]));
    await withLog(directory, { backend, ...small, segmentBytes: 4 * 1024 * 1024 }, async (log) => {
      const pending: Promise<unknown>[] = [];
      for (let index = 0; index < 6000; index++) {
        const name = names[random(3)] as string;
        // One in fifty is larger than a buffer and goes in fragments between the small ones.
        const data = padded(`${name} ${index}`, random(50) === 0 ? 16_000 + random(40_000) : random(300));
        (expected.get(name) as string[]).push(data);
        const due = (expected.get(name) as string[]).length;
        pending.push(
          log.partition(name).append(data).then((seq) => {
            assert.equal(seq, due);
            assert.ok(log.partition(name).durableSeq >= seq, "acknowledged is durable");
            (acknowledged.get(name) as number[]).push(seq);
          }),
        );
        if (index % 700 === 0) await pending[pending.length - 1 - random(Math.min(100, pending.length))];
      }
      await Promise.all(pending);
    });
    await withLog(directory, { backend }, async (log) => {
      for (const name of names) {
        const texts = expected.get(name) as string[];
        assert.deepEqual(acknowledged.get(name), texts.map((_, index) => index + 1), `acknowledgements of ${name}`);
        assert.deepEqual(await contents(log.partition(name)), texts);
      }
    });
  });

  test("append, enqueue, appendBatch and write mixed: one order, no hole, in every partition", async (t) => {
    const random = seeded(t);
    const directory = freshPath();
    const expected = new Map<string, string[]>();
    let count = 0;
    const next = (name: string): string => {
      const data = padded(`${name} ${count++}`, random(20) === 0 ? 20_000 + random(20_000) : random(600));
      if (!expected.has(name)) expected.set(name, []);
      (expected.get(name) as string[]).push(data);
      return data;
    };
    const due = (name: string): number => (expected.get(name) ?? []).length + 1;
    await withLog(directory, { backend, ...small }, async (log) => {
      const pending: Promise<void>[] = [];
      const expect = (promise: Promise<unknown>, value: unknown): void => void pending.push(promise.then((result) => assert.deepEqual(result, value)));
      for (let round = 0; round < 1500; round++) {
        // New partitions appear all the time.
        const name = `p${random(1 + (round >> 6))}`;
        const partition = log.partition(name);
        const first = due(name);
        switch (random(4)) {
          case 0:
            expect(partition.append(next(name)), first);
            break;
          case 1:
            if (log.needDrain) await log.drain();
            assert.equal(partition.enqueue(next(name)), first);
            break;
          case 2: {
            const size = 1 + random(8);
            expect(partition.appendBatch(Array.from({ length: size }, () => next(name))), { first, last: first + size - 1 });
            break;
          }
          default: {
            const other = `w${random(1 + (round >> 6))}`;
            const sequences = [first, due(other), first + 1];
            expect(log.write([name, other, name].map((target) => ({ partition: target, data: next(target) }))), sequences);
          }
        }
      }
      await Promise.all(pending);
      await log.sync();
      for (const [name, texts] of expected) assert.equal(log.partition(name).durableSeq, texts.length);
    });
    await withLog(directory, { backend }, async (log) => {
      assert.equal(log.partitions().length, expected.size);
      for (const [name, texts] of expected) assert.deepEqual(await contents(log.partition(name)), texts);
    });
  });

  test("a write over new partitions, the same one twice and an old one: all sequences, one order", async () => {
    const directory = freshPath();
    await withLog(directory, { backend, ...small }, async (log) => {
      await log.partition("old").append("old 1");
      const items = ["new", "old", "new", "other", "old"].map((partition, index) => ({ partition, data: `item ${index}` }));
      assert.deepEqual(await log.write(items), [1, 2, 2, 1, 3]);
    });
    await withLog(directory, { backend }, async (log) => {
      assert.deepEqual(await contents(log.partition("new")), ["item 0", "item 2"]);
      assert.deepEqual(await contents(log.partition("old")), ["old 1", "item 1", "item 4"]);
      assert.deepEqual(await contents(log.partition("other")), ["item 3"]);
    });
  });

  test("a batch larger than a segment, over new partitions, is one: nothing of it is durable before all of it is", async () => {
    const directory = freshPath();
    await withLog(directory, { backend, ...small, bufferCount: 8 }, async (log) => {
      await log.partition("start").append("x");
      const items = Array.from({ length: 300 }, (_, index) => ({ partition: `p${index % 7}`, data: padded(`${index}`, 8000) }));
      const written = log.write(items);
      const seen = new Set<number>();
      let done = false;
      const watch = (async () => {
        while (!done) {
          seen.add(items.slice(0, 7).reduce((sum, item) => sum + log.partition(item.partition).durableSeq, 0));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      await written;
      done = true;
      await watch;
      for (const sum of seen) assert.ok(sum === 0 || sum === 300, `durable: ${[...seen].join(", ")}`);
    });
    await withLog(directory, { backend }, async (log) => {
      for (let index = 0; index < 7; index++) {
        const texts = await contents(log.partition(`p${index}`));
        assert.deepEqual(texts.map((record) => parseInt(record, 10)), Array.from({ length: texts.length }, (_, at) => at * 7 + index));
      }
    });
  });

  test("sync makes durable what was enqueued before it, in every partition", async () => {
    const directory = freshPath();
    await withLog(directory, { backend, ...small, bufferCount: 64 }, async (log) => {
      for (let index = 1; index <= 500; index++) {
        assert.equal(log.partition("a").enqueue(`a${index}`), index);
        assert.equal(log.partition("b").enqueue(padded(`b${index}`, 100)), index);
      }
      await log.sync();
      assert.equal(log.partition("a").durableSeq, 500);
      assert.equal(log.partition("b").durableSeq, 500);
      await withLog(crashCopy(directory), { backend }, async (copy) => {
        assert.equal((await contents(copy.partition("a"))).length, 500);
        assert.equal((await contents(copy.partition("b"))).length, 500);
      });
      // With nothing to do it resolves too.
      await log.sync();
    });
  });

  test("enqueued without any sync: durable at the end of the turn by itself", async () => {
    await withLog(freshPath(), { backend, ...small }, async (log) => {
      log.partition("p").enqueue("first");
      log.partition("p").enqueue("second");
      await untilDurable(log.partition("p"), 2);
      assert.deepEqual(await contents(log.partition("p")), ["first", "second"]);
    });
  });

  test("backpressure: past the limit enqueue throws and takes no sequence, drain makes room, nothing is lost", async () => {
    const directory = freshPath();
    const expected: string[] = [];
    let refusals = 0;
    await withLog(directory, { backend, ...small }, async (log) => {
      const partition = log.partition("p");
      await partition.append("0");
      expected.push("0");
      for (let index = 1; index <= 400; ) {
        try {
          const data = padded(`${index}`, 3000);
          assert.equal(partition.enqueue(data), index + 1);
          expected.push(data);
          index++;
        } catch (error) {
          assert.ok(error instanceof RingwallError);
          assert.equal(error.code, "RINGWALL_BACKPRESSURE");
          assert.match(error.message, /drain/);
          assert.equal(partition.lastSeq, index, "a refused enqueue takes no sequence");
          assert.ok(log.needDrain);
          refusals++;
          await log.drain();
          assert.equal(log.needDrain, false);
        }
      }
      // An append waits instead.
      await Promise.all(Array.from({ length: 50 }, (_, index) => { expected.push(padded(`append ${index}`, 9000)); return partition.append(padded(`append ${index}`, 9000)); }));
    });
    assert.ok(refusals > 0, "the limit was reached");
    await withLog(directory, { backend }, async (log) => assert.deepEqual(await contents(log.partition("p")), expected));
  });

  test("needDrain heeded: enqueue is never refused", async () => {
    await withLog(freshPath(), { backend, ...small }, async (log) => {
      const partition = log.partition("p");
      for (let index = 1; index <= 2000; index++) {
        if (log.needDrain) await log.drain();
        assert.equal(partition.enqueue(padded(`${index}`, 1000)), index);
      }
      await log.sync();
      assert.equal(partition.durableSeq, 2000);
    });
  });

  test("one record far larger than all buffers together passes enqueue, and what follows it waits", async () => {
    await withLog(freshPath(), { backend, ...small, bufferCount: 2 }, async (log) => {
      const partition = log.partition("p");
      assert.equal(partition.enqueue(new Uint8Array(2 * 1024 * 1024)), 1);
      await refused("RINGWALL_BACKPRESSURE", () => partition.enqueue("does not fit beside it"));
      await log.drain();
      assert.equal(partition.enqueue("now"), 2);
      await log.sync();
      assert.equal(partition.durableSeq, 2);
    });
  });

  test("two handles, two calls of partition(): one sequence", async () => {
    await withLog(freshPath(), { backend, ...small }, async (log) => {
      const [one, two] = [log.partition("p"), log.partition("p")] as [Partition, Partition];
      const sequences = await Promise.all([one.append("1"), two.append("2"), one.append("3"), log.write([{ partition: "p", data: "4" }])]);
      assert.deepEqual(sequences, [1, 2, 3, [4]]);
      assert.deepEqual([one.lastSeq, two.durableSeq], [4, 4]);
    });
  });

  test("many logs at once in one process keep to themselves", async () => {
    const logs = await Promise.all(Array.from({ length: 6 }, () => Log.open(freshPath(), { backend, ...small })));
    await Promise.all(logs.map((log, index) => Promise.all(Array.from({ length: 200 }, (_, n) => log.partition("p").append(`${index} ${n}`)))));
    for (const [index, log] of logs.entries()) {
      assert.deepEqual(await contents(log.partition("p")), Array.from({ length: 200 }, (_, n) => `${index} ${n}`));
      await log.close();
    }
  });
});

// A read-only opening beside a writer in another process: what it sees, and when; through rotation, trim, recycling and the writer's death.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Log } from "#src/index.js";
import { RemoteWriter } from "./child-process.js";
import { contents, freshPath, listing, onEachBackend, refused, untilDurable, withLog } from "./log-fixture.js";

onEachBackend("beside a writer", (backend) => {
  /** A writer in another process and a reader here. */
  async function together(body: (writer: RemoteWriter, reader: Log, directory: string) => Promise<void>): Promise<void> {
    const directory = freshPath();
    const writer = await RemoteWriter.open(backend, directory);
    try {
      await withLog(directory, { backend, readOnly: true }, (reader) => body(writer, reader, directory));
    } finally {
      await writer.kill();
    }
  }

  test("what the writer has acknowledged is seen, in partitions that came later too", async () => {
    await together(async (writer, reader) => {
      assert.deepEqual(reader.partitions(), []);
      const waiting = untilDurable(reader.partition("p"), 3);
      await writer.order({ action: "append", count: 3 });
      await waiting;
      assert.deepEqual(await contents(reader.partition("p")), ["1 ", "2 ", "3 "]);
      const later = untilDurable(reader.partition("later"), 2);
      await writer.order({ action: "append", partition: "later", count: 2 });
      await later;
      assert.deepEqual(reader.partitions().map(({ name, durableSeq }) => [name, durableSeq]), [["p", 3], ["later", 2]]);
      assert.equal((await reader.partition("later").get(2))!.seq, 2);
    });
  });

  test("it writes nothing, and takes no lock", async () => {
    await together(async (writer, reader, directory) => {
      await writer.order({ action: "append", count: 10 });
      await untilDurable(reader.partition("p"), 10);
      const before = listing(directory);
      await withLog(directory, { backend, readOnly: true }, async (other) => {
        assert.equal((await contents(other.partition("p"))).length, 10);
        await refused("RINGWALL_READ_ONLY", () => other.partition("p").append("x"));
        await refused("RINGWALL_READ_ONLY", () => other.sync());
      });
      assert.deepEqual(listing(directory), before);
    });
  });

  test("a tail follows through rotations, and through segments that are freed and used anew behind it", async () => {
    await together(async (writer, reader) => {
      const seen: number[] = [];
      const tailed = (async () => {
        for await (const record of reader.partition("p").tail({ from: 1 })) {
          assert.equal(Buffer.from(record.data).toString(), `${record.seq} `.padEnd(9000, "."));
          seen.push(record.seq);
          if (record.seq === 1600) return;
        }
      })();
      let released = 0;
      for (let round = 1; round <= 8; round++) {
        await writer.order({ action: "append", count: 200, bytes: 9000 });
        await untilDurable(reader.partition("p"), round * 200);
        // Only what the tail has read goes.
        while ((seen[seen.length - 1] ?? 0) < round * 200) await new Promise((resolve) => setTimeout(resolve, 1));
        ({ stats: { segmentsReleased: released } } = await writer.order({ action: "trim", value: round * 200 }));
      }
      await tailed;
      assert.deepEqual(seen, Array.from({ length: 1600 }, (_, index) => index + 1));
      assert.ok(released >= 8, `${released} segments were freed`);
      await writer.order({ action: "append", partition: "q" });
      await untilDurable(reader.partition("q"), 1);
      // Its own view: opened anew it starts where the trim left.
      await withLog(reader.info.directory, { backend, readOnly: true }, async (other) => {
        assert.equal(other.partition("p").firstSeq, 1600);
        await refused("RINGWALL_TRIMMED", () => other.partition("p").get(5));
      });
    });
  });

  test("a reader that is overtaken by a trim ends with TRIMMED, never with other bytes", async () => {
    await together(async (writer, reader) => {
      await writer.order({ action: "append", count: 400, bytes: 9000 });
      await untilDurable(reader.partition("p"), 400);
      const reading = reader.partition("p").read();
      for (let seq = 1; seq <= 10; seq++) assert.equal((await reading.next()).value!.seq, seq);
      await writer.order({ action: "trim", value: 401 });
      for (let round = 0; round < 3; round++) await writer.order({ action: "append", partition: "q", count: 200, bytes: 9000 });
      await untilDurable(reader.partition("q"), 600);
      await assert.rejects(
        async () => {
          for (let due = 11; ; due++) {
            const { value, done } = await reading.next();
            if (done === true) throw new Error(`ended before ${due}`);
            assert.equal(value.seq, due);
            assert.equal(Buffer.from(value.data).toString(), `${due} `.padEnd(9000, "."));
          }
        },
        { code: "RINGWALL_TRIMMED" },
      );
    });
  });

  test("a truncation by the writer is seen, and what is written instead", async () => {
    await together(async (writer, reader) => {
      await writer.order({ action: "append", count: 10 });
      await untilDurable(reader.partition("p"), 10);
      await writer.order({ action: "truncate", value: 4 });
      await writer.order({ action: "append", count: 1, bytes: 50 });
      await writer.order({ action: "append", partition: "q" });
      // Its look at "q" sees the truncation as well.
      await untilDurable(reader.partition("q"), 1);
      assert.deepEqual(await contents(reader.partition("p")), ["1 ", "2 ", "3 ", "4 ", "5 ".padEnd(50, ".")]);
    });
  });

  test("a truncation of which nothing is left but its trace, every segment up to it being freed while nobody looked: a tail is told where it went", async () => {
    await together(async (writer, reader) => {
      await writer.order({ action: "append", count: 20 });
      await untilDurable(reader.partition("p"), 20);
      const tails = [12, 20].map((from) => reader.partition("p").tail({ from }));
      for (const [at, tail] of tails.entries()) for (let seq = at === 0 ? 12 : 20; seq <= 20; seq++) assert.equal((await tail.next()).value!.seq, seq);
      await writer.order({ action: "truncate", value: 12 });
      await writer.order({ action: "rotate" });
      await writer.order({ action: "append", count: 2, bytes: 50 });
      await writer.order({ action: "trim", value: 14 });
      await writer.order({ action: "rotate" });
      await writer.order({ action: "append", count: 16, bytes: 50 });
      const { last, stats } = await writer.order({ action: "trim", value: 15 });
      assert.deepEqual([last, stats.segmentsReleased], [30, 2]);
      for (const tail of tails) await assert.rejects(tail.next(), { code: "RINGWALL_NOT_FOUND", details: { partition: "p", truncatedAfter: 12 } });
      assert.equal(reader.partition("p").firstSeq, 15);
    });
  });

  test("the writer dies, another takes over, closes, and a third one: the reader goes on", async () => {
    const directory = freshPath();
    let writer = await RemoteWriter.open(backend, directory);
    await writer.order({ action: "append", count: 5 });
    const reader = await Log.open(directory, { backend, readOnly: true });
    await untilDurable(reader.partition("p"), 5);
    await writer.kill();
    writer = await RemoteWriter.open(backend, directory);
    const second = untilDurable(reader.partition("p"), 10);
    await writer.order({ action: "append", count: 5 });
    await second;
    await writer.order({ action: "close" });
    writer = await RemoteWriter.open(backend, directory);
    const third = untilDurable(reader.partition("p"), 15);
    await writer.order({ action: "append", count: 5 });
    await third;
    assert.equal((await contents(reader.partition("p"))).length, 15);
    await reader.close();
    await writer.kill();
  });

  test("a reader's tail ends with its signal, and with its close", async () => {
    await together(async (_writer, reader) => {
      const abort = new AbortController();
      const aborted = refused("RINGWALL_ABORTED", () => reader.partition("p").tail({ signal: abort.signal }).next());
      const closed = refused("RINGWALL_CLOSED", () => reader.partition("p").tail().next());
      abort.abort();
      await aborted;
      await reader.close();
      await closed;
    });
  });
});

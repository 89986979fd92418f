// Many readers around a writer that rotates, trims, truncates and recycles as fast as it can, is killed, and comes back: in the
// writer's thread, beside a lane in a thread of its own, and in other processes.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Log, LogOptions } from "#src/index.js";
import { crowdPartitions, payloadOf, type Tally } from "./crowd.js";
import { freshPath, onEachBackend, withLog } from "./log-fixture.js";

/** Records of every partition that every reader must see, before the kill and behind it. */
const recordsDue = Number(process.env["RINGWALL_CROWD_RECORDS"] ?? 2000);
const program = fileURLToPath(new URL("./crowd.js", import.meta.url));

class Member {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #stderr = "";

  constructor(role: "write" | "read", directory: string, options: LogOptions) {
    this.#child = spawn(process.execPath, [program, role, directory, JSON.stringify(options)], { stdio: ["pipe", "pipe", "pipe"], timeout: 600_000, killSignal: "SIGKILL" });
    this.#answers = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
    this.#child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (this.#stderr += chunk));
  }

  async answer<T>(): Promise<T> {
    const { done, value } = (await this.#answers.next()) as IteratorResult<string, undefined>;
    if (done === true) throw new Error(`a member of the crowd ended: ${this.#stderr}`);
    return JSON.parse(value) as T;
  }

  ask<T>(line: string): Promise<T> {
    this.#child.stdin?.write(`${line}\n`);
    return this.answer<T>();
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}

/** Until every reader has seen so many records more, of every partition. */
async function untilSeen(readers: readonly Member[], more: number): Promise<Tally[]> {
  return Promise.all(
    readers.map(async (reader) => {
      const before = (await reader.ask<Tally>("tally")).last;
      for (;;) {
        const tally = await reader.ask<Tally>("tally");
        assert.equal(tally.wrong, null);
        if (crowdPartitions.every((name) => (tally.last[name] ?? 0) >= (before[name] ?? 0) + more)) return tally;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }),
  );
}

onEachBackend("a crowd", (backend) => {
  for (const lane of ["inline", "thread"] as const) {
    test(`readers in other processes and tails of the writer, lane ${lane}: every record in order and whole, over a kill of the writer`, { timeout: 600_000 }, async (t) => {
      const directory = freshPath();
      const options: LogOptions = { backend, segmentBytes: 1024 * 1024, bufferBytes: 64 * 1024, bufferCount: 4, lane };
      let writer = new Member("write", directory, options);
      await writer.answer();
      const readers = Array.from({ length: 3 }, () => new Member("read", directory, { backend }));
      try {
        for (const reader of readers) await reader.answer();
        await untilSeen(readers, recordsDue);
        await writer.kill();
        const seen = await Promise.all(readers.map((reader) => reader.ask<Tally>("tally")));
        writer = new Member("write", directory, options);
        const recovered = (await writer.answer<{ last: Record<string, number> }>()).last;
        for (const { last } of seen) {
          for (const name of ["a", "b"]) assert.ok((last[name] ?? 0) <= (recovered[name] ?? 0), `${name}: a reader saw ${last[name]}, and ${recovered[name]} came back`);
        }
        await untilSeen(readers, recordsDue);
        const end = await writer.ask<{ last: Record<string, number>; tally: Tally; segmentsReleased: number }>("stop");
        assert.equal(end.tally.wrong, null);
        assert.ok(end.segmentsReleased > 3, `${end.segmentsReleased} segments were freed`);
        const tallies = await Promise.all(readers.map((reader) => reader.ask<Tally>("stop")));
        t.diagnostic(JSON.stringify([...tallies, end.tally].map(({ records, trimmed, truncated }) => ({ records, trimmed, truncated }))));
        for (const { wrong, last } of tallies) {
          assert.equal(wrong, null);
          for (const name of ["a", "b"]) assert.ok((last[name] ?? 0) <= (end.last[name] ?? 0));
        }
        await withLog(directory, { backend, readOnly: true }, checkAll);
      } finally {
        for (const member of [writer, ...readers]) await member.kill();
      }
    });
  }
});

async function checkAll(log: Log): Promise<void> {
  for (const partition of log.partitions()) {
    for await (const { seq, data } of partition.read()) assert.ok(payloadOf(partition.name, seq).equals(data), `${partition.name} ${seq}`);
  }
}

// Where benches write, what they leave, and what they refuse.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { errorOf } from "../cli/ringwall.js";
import { quick, runBench, startBench, withDirectory } from "./run-bench.js";

const short = ["append", "--callers", "4", "--seconds", "0.1", "--warm-up", "0.1", "--enqueue-records", "0", "--no-trim", ...quick];

describe("what a bench leaves", () => {
  test("nothing of its own, and everything of others", async () => {
    await withDirectory(async (directory) => {
      const foreign = path.join(directory, "superblock");
      fs.writeFileSync(foreign, "someone's log");
      const result = await runBench([...short, "--dir", directory]);
      assert.equal(result.code, 0, result.stderr);
      assert.match(result.text, /^ +records\/s +MB\/s +p50 µs/);
      assert.deepEqual(fs.readdirSync(directory), ["superblock"]);
      assert.equal(fs.readFileSync(foreign, "utf8"), "someone's log");
    });
  });

  test("directories that it had to make go too", async () => {
    await withDirectory(async (directory) => {
      const result = await runBench([...short, "--dir", path.join(directory, "a", "b")]);
      assert.equal(result.code, 0, result.stderr);
      assert.deepEqual(fs.readdirSync(directory), []);
    });
  });

  test("--keep leaves the log", async () => {
    await withDirectory(async (directory) => {
      const result = await runBench([...short, "--dir", directory, "--keep"]);
      assert.equal(result.code, 0, result.stderr);
      const [fresh] = fs.readdirSync(directory);
      assert.ok(fs.existsSync(path.join(directory, fresh ?? "", "log-1", "superblock")));
    });
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`${signal} in the middle: exit code, nothing printed, nothing left`, async () => {
      await withDirectory(async (directory) => {
        const running = startBench(["append", "--callers", "2", "--seconds", "60", "--dir", directory, "--json", ...quick]);
        await until(() => fs.readdirSync(directory, { recursive: true }).some((name) => String(name).endsWith(".segment")));
        running.child.kill(signal);
        const result = await running.end();
        assert.equal(result.code, signal === "SIGINT" ? 130 : 143, result.stderr);
        assert.equal(result.text, "");
        assert.deepEqual(fs.readdirSync(directory), []);
      });
    });
  }
});

describe("what a bench refuses", () => {
  const cases: readonly { readonly title: string; readonly args: readonly string[]; readonly message: RegExp }[] = [
    { title: "no callers", args: ["append", "--callers", "0"], message: /--callers/ },
    { title: "a negative number", args: ["append", "--callers", "-4"], message: /--callers/ },
    { title: "records of no bytes", args: ["append", "--bytes", "0"], message: /--bytes/ },
    { title: "seconds that are none", args: ["append", "--seconds", "soon"], message: /--seconds/ },
    { title: "an unknown backend", args: ["append", "--backend", "tape"], message: /--backend/ },
    { title: "an unknown durability", args: ["append", "--durability", "maybe"], message: /--durability/ },
    { title: "an unknown rival", args: ["append", "--compare", "sqlite"], message: /--compare/ },
    { title: "a floor under many callers", args: ["append", "--callers", "1000", "--floor"], message: /--floor .*272 KiB/ },
    { title: "a baseline for batches", args: ["append", "--batch", "2", "--compare", "baseline"], message: /--batch 1/ },
    { title: "more in flight than memory", args: ["append", "--callers", "100000", "--bytes", "16MiB"], message: /1 GiB/ },
    { title: "rounds without end", args: ["floor", "--repeat", "1001"], message: /--repeat/ },
    { title: "an unknown option", args: ["floor", "--callers", "1"], message: /--callers/ },
    { title: "no bytes to recover", args: ["recover", "--bytes", "0"], message: /--bytes/ },
  ];
  for (const { title, args, message } of cases) {
    test(title, async () => {
      await withDirectory(async (directory) => {
        const result = await runBench([...args, "--dir", directory]);
        assert.equal(result.code, 2, result.text);
        assert.match(result.stderr, message);
        assert.equal(result.text, "");
        assert.deepEqual(fs.readdirSync(directory), []);
      });
    });
  }

  test("options that the log refuses: its own error, and nothing left", async () => {
    await withDirectory(async (directory) => {
      const result = await runBench(["append", "--buffer-bytes", "1000", "--dir", directory, "--json"]);
      assert.equal(result.code, 2);
      assert.equal(errorOf(result).code, "RINGWALL_INVALID_OPTION");
      assert.deepEqual(fs.readdirSync(directory), []);
    });
  });

  test("a directory in which nothing can be made", async () => {
    await withDirectory(async (directory) => {
      const file = path.join(directory, "file");
      fs.writeFileSync(file, "");
      const result = await runBench(["floor", "--dir", path.join(file, "below"), "--json"]);
      assert.equal(result.code, 2);
      assert.match(errorOf(result).code, /^RINGWALL_/);
    });
  });
});

/** Polls what only the file system tells; the test's own limit ends it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

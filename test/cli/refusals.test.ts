// What is refused: with a message that names the place, the right exit code, and the same as JSON.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { root } from "../docs/markdown.js";
import { errorOf, ringwall, start, withPlace } from "./ringwall.js";

describe("usage", () => {
  const cases: readonly (readonly string[])[] = [
    ["catt", "x"],
    ["cat"],
    ["cat", "x", "a", "--from", "0"],
    ["cat", "x", "a", "--limit", "many"],
    ["append", "x", "a", "--whole", "--length-prefixed"],
    ["append", "x", "a", "--backend", "tape"],
    ["stats", "x", "--nonsense"],
  ];
  for (const args of cases) {
    test(`${args.join(" ")}: 2, with a message`, async () => {
      const result = await ringwall(args);
      assert.equal(result.code, 2);
      assert.match(result.stderr, /^ringwall: /);
      assert.doesNotMatch(result.stderr, /\n {4}at /);
      const asJson = await ringwall([...args, "--json"]);
      assert.equal(asJson.code, 2);
      assert.equal(errorOf(asJson).code, "USAGE");
    });
  }

  test("--version is the package's", async () => {
    const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
    const { code, text } = await ringwall(["--version"]);
    assert.deepEqual([code, text], [0, `${version}\n`]);
  });

  test("--help of every command has an example and the exit codes, and is 0", async () => {
    assert.equal((await ringwall(["--help"])).code, 0);
    for (const command of ["append", "cat", "tail", "doctor", "inspect", "verify", "repair", "backup", "stats", "trim", "drop"]) {
      const help = await ringwall([command, "--help"]);
      assert.equal(help.code, 0);
      assert.match(help.text, /Example:\n {2}\$ .*ringwall /);
      assert.match(help.text, /Exit codes:\n {2}0 /);
      assert.match(help.text, /--json/);
      assert.match(help.text, /--backend/);
    }
  });
});

describe("no log", () => {
  const readers = (log: string): string[][] => [["cat", log, "a"], ["tail", log, "a"], ["tail", log, "a", "-f"], ["stats", log], ["verify", log], ["inspect", log], ["append", log, "a", "--no-create"]];

  test("a directory that is not there: 2, RINGWALL_NOT_FOUND, and nothing is created", async () => {
    await withPlace(async (log) => {
      for (const args of readers(log)) {
        const result = await ringwall([...args, "--json"]);
        assert.equal(result.code, 2, args.join(" "));
        assert.equal(errorOf(result).code, "RINGWALL_NOT_FOUND", args.join(" "));
        assert.equal(errorOf(result).place["path"], log);
      }
    });
  });

  test("a directory with other files: 2, and append writes nothing into it", async () => {
    await withPlace(async (_, directory) => {
      writeFileSync(path.join(directory, "letter.txt"), "dear");
      for (const args of readers(directory)) assert.equal((await ringwall(args)).code, 2, args.join(" "));
      const result = await ringwall(["append", directory, "a", "--json"], { input: "x\n" });
      assert.equal(result.code, 2);
      assert.equal(errorOf(result).code, "RINGWALL_NOT_A_LOG");
      assert.equal(execFileSync("ls", ["-A", directory], { encoding: "utf8" }), "letter.txt\n");
    });
  });

  test("a file instead of a directory: 2", async () => {
    await withPlace(async (_, directory) => {
      const file = path.join(directory, "file");
      writeFileSync(file, "text");
      for (const args of readers(file)) {
        const result = await ringwall(args);
        assert.equal(result.code, 2, args.join(" "));
        assert.match(result.stderr, /^ringwall: /);
        assert.doesNotMatch(result.stderr, /should not have happened/, args.join(" "));
      }
    });
  });
});

test("a partition that is not there: 1, and those that are there are named", async () => {
  await withPlace(async (log) => {
    await ringwall(["append", log, "orders"], { input: "x\n" });
    for (const command of ["cat", "tail"]) {
      const result = await ringwall([command, log, "oders"]);
      assert.equal(result.code, 1);
      assert.match(result.stderr, /^ringwall: .* partition "oders": there is no such partition\. The log has "orders"\.\n$/);
    }
  });
});

test("sequences behind the end give nothing, with 0", async () => {
  await withPlace(async (log) => {
    await ringwall(["append", log, "a"], { input: "x\n" });
    const result = await ringwall(["cat", log, "a", "--from", "7"]);
    assert.deepEqual([result.code, result.text, result.stderr], [0, "", ""]);
  });
});

test("a log that another process writes: append is refused with 2 and says who, the readers work", async () => {
  await withPlace(async (log) => {
    await ringwall(["append", log, "a"], { input: "x\n" });
    const writer = start(["append", log, "b"]);
    writer.child.stdin.write("held\n");
    const tail = start(["tail", log, "b", "-f"]);
    await tail.until((text) => text === "held\n");
    const refused = await ringwall(["append", log, "a", "--json"], { input: "y\n" });
    assert.equal(refused.code, 2);
    assert.equal(errorOf(refused).code, "RINGWALL_LOCKED");
    assert.match(errorOf(refused).message, new RegExp(`process ${String(writer.child.pid)} `));
    assert.equal((await ringwall(["cat", log, "a"])).text, "x\n");
    assert.equal((JSON.parse((await ringwall(["stats", log, "--json"])).text) as { locked: boolean }).locked, true);
    assert.equal((await ringwall(["inspect", log])).code, 0);
    const verified = await ringwall(["verify", log, "--json"]);
    assert.equal(verified.code, 0, verified.text + verified.stderr);
    tail.child.kill("SIGINT");
    writer.child.stdin.end();
    assert.equal((await writer.end()).code, 0);
    await tail.end();
  });
});

test("a log that this user may only read: the readers work, append is refused", async (context) => {
  if (process.getuid?.() === 0) return context.skip("root may write anywhere");
  await withPlace(async (log) => {
    await ringwall(["append", log, "a"], { input: "x\n" });
    for (const entry of [path.join(log, "lane-00"), log]) chmodSync(entry, 0o555);
    try {
      assert.equal((await ringwall(["cat", log, "a"])).text, "x\n");
      assert.equal((await ringwall(["verify", log])).code, 0);
      assert.equal((await ringwall(["append", log, "a"], { input: "y\n" })).code, 2);
    } finally {
      for (const entry of [log, path.join(log, "lane-00")]) chmodSync(entry, 0o755);
    }
  });
});

test("a full disk: append says up to which record everything is durable, and those can be read", async (context) => {
  if (process.getuid?.() !== 0) return context.skip("only root can mount a small file system");
  await withPlace(async (_, directory) => {
    const mount = path.join(directory, "small");
    mkdirSync(mount);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", mount], { stdio: "pipe" });
    } catch {
      return context.skip("mounting is not allowed here");
    }
    try {
      const line = "x".repeat(1000);
      const input = Array.from({ length: 60_000 }, (_, index) => `${String(index + 1)} ${line}\n`).join("");
      const log = path.join(mount, "log");
      const appended = await ringwall(["append", log, "a", "--json"], { input });
      assert.equal(appended.code, 2, appended.stderr);
      const failure = JSON.parse(appended.stderr) as { error: { code: string }; durable: { records: number; first: number; last: number } };
      assert.equal(failure.error.code, "RINGWALL_DISK_FULL");
      assert.ok(failure.durable.records > 1000, appended.stderr);
      const read = (await ringwall(["cat", log, "a"])).text.trimEnd().split("\n");
      assert.ok(read.length >= failure.durable.records);
      assert.deepEqual(read.slice(0, failure.durable.records), input.split("\n").slice(0, failure.durable.records));
    } finally {
      execFileSync("umount", [mount]);
    }
  });
});

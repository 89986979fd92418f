// append, cat and tail: what goes in comes out, in every shape, and every end has its exit code.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { spawn } from "node:child_process";
import { errorOf, mainPath, prefixed, ringwall, start, withPlace } from "./ringwall.js";

interface Summary {
  readonly partition: string;
  readonly records: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
  readonly recordsPerSecond: number;
  readonly interrupted: boolean;
}

const summaryOf = (text: string): Summary => JSON.parse(text) as Summary;

test("lines: what append takes from stdin is what cat gives, empty lines and a last line without a newline included", async () => {
  await withPlace(async (log) => {
    const appended = await ringwall(["append", log, "a", "--json"], { input: "one\n\nthree\r\nlast" });
    assert.equal(appended.code, 0, appended.stderr);
    const { recordsPerSecond, ...summary } = summaryOf(appended.text);
    assert.ok(recordsPerSecond > 0);
    assert.deepEqual({ ...summary, seconds: 0 }, { partition: "a", records: 4, bytes: 13, first: 1, last: 4, seconds: 0, interrupted: false });
    assert.equal((await ringwall(["cat", log, "a"])).text, "one\n\nthree\r\nlast\n");
  });
});

test("lines: a hundred thousand over many chunks and several files keep their order", async () => {
  await withPlace(async (log, directory) => {
    const lines = Array.from({ length: 100_000 }, (_, index) => `${String(index)} ${"x".repeat(index % 97)}\n`);
    const files = [lines.slice(0, 60_000), lines.slice(60_000)].map((part, index) => {
      const file = path.join(directory, String(index));
      writeFileSync(file, part.join(""));
      return file;
    });
    const appended = await ringwall(["append", log, "a", "--file", files[0]!, "--file", files[1]!]);
    assert.equal(appended.code, 0, appended.stderr);
    assert.match(appended.text, /^100 000 records \(.*\) in "a": sequences 1 to 100000, .* records\/s\n$/);
    assert.equal((await ringwall(["cat", log, "a"])).text, lines.join(""));
    const part = await ringwall(["cat", log, "a", "--from", "60000", "--to", "60010", "--limit", "3"]);
    assert.equal(part.text, lines.slice(59_999, 60_002).join(""));
    assert.equal((await ringwall(["tail", log, "a", "-n", "2"])).text, lines.slice(-2).join(""));
  });
});

test("--keep-newline keeps the newline in the record", async () => {
  await withPlace(async (log) => {
    await ringwall(["append", log, "a", "--keep-newline"], { input: "one\ntwo" });
    assert.equal((await ringwall(["cat", log, "a", "--length-prefixed"])).stdout.compare(prefixed([Buffer.from("one\n"), Buffer.from("two")])), 0);
  });
});

test("length-prefixed: binary, empty and large records come back byte for byte", async () => {
  await withPlace(async (log) => {
    const large = Buffer.alloc(3_000_000, "0123456789abcdef\n\0");
    const records = [Buffer.from([0, 255, 10, 13, 0]), Buffer.alloc(0), large, Buffer.from("\n\n"), Buffer.alloc(0)];
    const appended = await ringwall(["append", log, "b", "--length-prefixed"], { input: prefixed(records) });
    assert.equal(appended.code, 0, appended.stderr);
    const read = await ringwall(["cat", log, "b", "--length-prefixed"]);
    assert.equal(read.stdout.compare(prefixed(records)), 0);
  });
});

test("length-prefixed: an input that ends inside a record appends those before it, and says where", async () => {
  await withPlace(async (log) => {
    const input = Buffer.concat([prefixed([Buffer.from("one"), Buffer.from("two")]), Buffer.from([9, 0, 0, 0, 1])]);
    const appended = await ringwall(["append", log, "b", "--length-prefixed"], { input });
    assert.equal(appended.code, 2);
    assert.match(appended.stderr, /record that begins at byte 14: 8 of its 9 bytes is missing/);
    assert.match(appended.stderr, /durable are the first 2 records of the input: "b" 1 to 2/);
    assert.equal((await ringwall(["cat", log, "b"])).text, "one\ntwo\n");
  });
});

test("--whole makes one record of each file, of an empty one too", async () => {
  await withPlace(async (log, directory) => {
    const files = ["a\nb\n", ""].map((text, index) => {
      const file = path.join(directory, String(index));
      writeFileSync(file, text);
      return file;
    });
    assert.equal((await ringwall(["append", log, "w", "--whole", "--file", files[0]!, "--file", files[1]!])).code, 0);
    assert.equal((await ringwall(["cat", log, "w", "--length-prefixed"])).stdout.compare(prefixed([Buffer.from("a\nb\n"), Buffer.alloc(0)])), 0);
  });
});

test("a record above the limit is refused before memory is, and what came before it is durable", async () => {
  await withPlace(async (log) => {
    const appended = await ringwall(["append", log, "a", "--record-bytes-max", "1KiB", "--json"], { input: `short\n${"x".repeat(5000)}\nmore\n` });
    assert.equal(appended.code, 2);
    const failure = JSON.parse(appended.stderr) as { error: { code: string }; durable: Summary };
    assert.equal(failure.error.code, "RINGWALL_RECORD_TOO_LARGE");
    assert.equal(failure.durable.records, 1);
    assert.equal((await ringwall(["cat", log, "a"])).text, "short\n");
  });
});

test("--json: seq, time and data; bytes that are no UTF-8 come as base64", async () => {
  await withPlace(async (log) => {
    const before = Date.now();
    await ringwall(["append", log, "a", "--length-prefixed"], { input: prefixed([Buffer.from("zwölf\n"), Buffer.from([255, 0]), Buffer.alloc(0)]) });
    const lines = (await ringwall(["cat", log, "a", "--json"])).text.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(lines.map(({ time: _, ...rest }) => rest), [{ seq: 1, data: "zwölf\n" }, { seq: 2, dataBase64: "/wA=" }, { seq: 3, data: "" }]);
    for (const { time } of lines) assert.ok((time as number) >= before - 1 && (time as number) <= Date.now());
  });
});

test("the portable backend takes and gives the same", async () => {
  await withPlace(async (log) => {
    const env = { RINGWALL_NATIVE: "off" };
    assert.equal((await ringwall(["append", log, "a"], { input: "one\ntwo\n", env })).code, 0);
    assert.equal((await ringwall(["cat", log, "a"])).text, "one\ntwo\n");
    const refused = await ringwall(["append", log, "a", "--backend", "uring", "--json"], { input: "x\n", env });
    assert.equal(refused.code, 2);
    assert.equal(errorOf(refused).code, "RINGWALL_UNAVAILABLE");
  });
});

test("a missing file is found before anything is appended or created", async () => {
  await withPlace(async (log, directory) => {
    const appended = await ringwall(["append", log, "a", "--file", path.join(directory, "gone")]);
    assert.equal(appended.code, 2);
    assert.match(appended.stderr, /^ringwall: cannot read the file .*gone: ENOENT.* Nothing was appended\.\n$/);
    assert.equal((await ringwall(["stats", log])).code, 2);
  });
});

test("a reader that goes away ends cat quietly with 0", async () => {
  await withPlace(async (log) => {
    const input = "a line of some length, so that all of them fill every pipe\n".repeat(200_000);
    await ringwall(["append", log, "a"], { input });
    const shell = spawn("bash", ["-c", `"${process.execPath}" "${mainPath}" cat "${log}" a | head -n 1; echo "codes \${PIPESTATUS[*]}"`]);
    let text = "";
    let errors = "";
    shell.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    shell.stderr.setEncoding("utf8").on("data", (part: string) => (errors += part));
    await once(shell, "close");
    assert.equal(text, "a line of some length, so that all of them fill every pipe\ncodes 0 0\n");
    assert.equal(errors, "");
  });
});

test("progress goes to stderr where it is asked for, and nowhere else", async () => {
  await withPlace(async (log, directory) => {
    const file = path.join(directory, "input");
    writeFileSync(file, "a line\n".repeat(500_000));
    const shown = await ringwall(["append", log, "a", "--file", file, "--progress"]);
    assert.match(shown.stderr, /append \[.*\] \d+% \| [\d ]+ records/);
    assert.match(shown.text, /^500 000 records/);
    assert.equal((await ringwall(["append", log, "a", "--file", file])).stderr, "");
  });
});

test("Ctrl-C during append: what was accepted is durable, is told, and the exit code is 130", async () => {
  await withPlace(async (log) => {
    const follower = start(["append", log, "a", "--json"]);
    // Only what the command has read can be counted on: another process sees it once it is durable.
    follower.child.stdin.write("one\ntwo\nhalf a li");
    await appears(log);
    const reader = start(["tail", log, "a", "-f"]);
    await reader.until((text) => text === "one\ntwo\n");
    follower.child.kill("SIGINT");
    const appended = await follower.end();
    assert.equal(appended.code, 130, appended.stderr);
    const { records, last, interrupted } = summaryOf(appended.text);
    assert.deepEqual({ records, last, interrupted }, { records: 2, last: 2, interrupted: true });
    reader.child.kill("SIGINT");
    assert.equal((await reader.end()).code, 130);
    assert.equal((await ringwall(["cat", log, "a"])).text, "one\ntwo\n");
  });
});

test("tail -f gives the last records, then what another process appends, and 130 after Ctrl-C", async () => {
  await withPlace(async (log) => {
    await ringwall(["append", log, "a"], { input: "1\n2\n3\n" });
    const tail = start(["tail", log, "a", "-f", "-n", "2"]);
    await tail.until((text) => text === "2\n3\n");
    await ringwall(["append", log, "a"], { input: "4\n5\n" });
    await tail.until((text) => text === "2\n3\n4\n5\n");
    tail.child.kill("SIGINT");
    const result = await tail.end();
    assert.equal(result.code, 130);
    assert.equal(result.stderr, "");
  });
});

test("tail -f waits for a partition that is not there yet, and ends quietly when its reader goes away", async () => {
  await withPlace(async (log) => {
    await ringwall(["append", log, "other"], { input: "x\n" });
    const tail = start(["tail", log, "new", "-f", "-n", "1", "--json"]);
    await ringwall(["append", log, "new"], { input: "first\n" });
    await tail.until((text) => /"seq":1,.*"data":"first"/.test(text));
    tail.child.stdout.destroy();
    await ringwall(["append", log, "new"], { input: "second\n" });
    await ringwall(["append", log, "new"], { input: "third\n" });
    const result = await tail.end();
    assert.equal(result.code, 0, result.stderr);
  });
});

/** Resolves once the log has the partition: asks again, each time with a process that takes its time. */
async function appears(log: string): Promise<void> {
  for (;;) {
    const stats = await ringwall(["stats", log, "--json"]);
    if (stats.code === 0 && (JSON.parse(stats.text) as { partitions: unknown[] }).partitions.length > 0) return;
  }
}

test("cat --since and tail --since begin with the first record of that time", async () => {
  await withPlace(async (log) => {
    await ringwall(["append", log, "a"], { input: "one\ntwo\nthree\n" });
    const records = (await ringwall(["cat", log, "a", "--json"])).text.trim().split("\n").map((line) => JSON.parse(line) as { seq: number; time: number });
    const last = records[2]!.time;
    const due = `${["one", "two", "three"].slice(records.findIndex(({ time }) => time === last)).join("\n")}\n`;
    for (const since of [String(last), new Date(last).toISOString()]) {
      assert.equal((await ringwall(["cat", log, "a", "--since", since])).text, due);
      assert.equal((await ringwall(["tail", log, "a", "--since", since])).text, due);
    }
    assert.equal((await ringwall(["cat", log, "a", "--since", "1h", "--from", "2"])).text, "two\nthree\n");
    assert.equal((await ringwall(["cat", log, "a", "--since", String(last + 1)])).text, "");
    for (const wrong of ["yesterday", "12", "3 h"]) assert.equal((await ringwall(["cat", log, "a", "--since", wrong])).code, 2);
    assert.equal((await ringwall(["tail", log, "a", "--since", "1h", "-n", "3"])).code, 2);
  });
});

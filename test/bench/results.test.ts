// What is made of documents afterwards: comparison and chart.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { compareResults } from "#src/cli/bench/results/compare-command.js";
import { figuresOf } from "#src/cli/bench/results/result-file.js";
import { errorOf } from "../cli/ringwall.js";
import { quick, runBench, withDirectory, type Document } from "./run-bench.js";

const suiteLine = (contender: string, median: number, spread: number, machine: object = { cpus: 2 }): Document & { readonly bench: string } => ({
  bench: "producers", group: "1024 B", contender, settings: { backend: "uring", callers: 4 }, machine, options: {},
  median: { recordsPerSecond: median, ackMicros: { p50: 10 } },
  min: { recordsPerSecond: median - spread, ackMicros: { p50: 9 } },
  max: { recordsPerSecond: median + spread, ackMicros: { p50: 12 } },
});

describe("figures of a document", () => {
  test("of a suite: by path", () => {
    assert.deepEqual([...figuresOf(suiteLine("a", 100, 5))], [["recordsPerSecond", { median: 100, min: 95, max: 105 }], ["ackMicros.p50", { median: 10, min: 9, max: 12 }]]);
  });

  test("of a bench with its medians at the top, and rivals below", () => {
    const document = { bench: "append", recordsPerSecond: 5, rounds: 3, spread: { min: { recordsPerSecond: 4 }, max: { recordsPerSecond: 6 } }, baseline: { median: { x: 1 }, min: { x: 0 }, max: { x: 2 } }, ratios: { r: { median: 3, min: 2, max: 4 } } };
    assert.deepEqual(Object.fromEntries(figuresOf(document)), { "recordsPerSecond": { median: 5, min: 4, max: 6 }, "baseline.x": { median: 1, min: 0, max: 2 }, "ratios.r": { median: 3, min: 2, max: 4 } });
  });
});

describe("comparing", () => {
  test("ratios with their spread, and what lies outside both spreads", () => {
    const [first, second] = compareResults([suiteLine("a", 100, 10), suiteLine("b", 100, 10), suiteLine("gone", 1, 0)], [suiteLine("b", 105, 10), suiteLine("a", 200, 50, { cpus: 4 })]);
    assert.deepEqual([first?.compared, first?.differs], ["producers / 1024 B / a", ["cpus"]]);
    assert.deepEqual(first?.figures["recordsPerSecond"], { before: { median: 100, min: 90, max: 110 }, after: { median: 200, min: 150, max: 250 }, ratio: { median: 2, min: 150 / 110, max: 250 / 90 }, isOutside: true });
    assert.equal(first?.figures["ackMicros.p50"]?.isOutside, false);
    assert.deepEqual([second?.figures["recordsPerSecond"]?.isOutside, second?.differs], [false, []]);
  });

  test("documents of one title are paired in their order", () => {
    const compared = compareResults([suiteLine("a", 1, 0), suiteLine("a", 2, 0)], [suiteLine("a", 10, 0), suiteLine("a", 40, 0)]);
    assert.deepEqual(compared.map(({ figures }) => figures["recordsPerSecond"]?.ratio?.median), [10, 20]);
  });

  test("of two files, for people and for programs", async () => {
    await withDirectory(async (directory) => {
      const [before, after] = [100, 200].map((median) => write(directory, `${String(median)}.jsonl`, JSON.stringify(suiteLine("a", median, 1)))) as [string, string];
      const text = await runBench(["compare", before, after]);
      assert.equal(text.code, 0, text.stderr);
      assert.match(text.text, /recordsPerSecond +100 \(99\.\.101\) +200 \(199\.\.201\) +× 2 \(.*\) +outside/);
      assert.match(text.text, /ackMicros\.p50 +10 \(9\.\.12\) +10 \(9\.\.12\) +× 1 \([^)]*\)\n/);
      const json = await runBench(["compare", before, after, "--json"]);
      assert.equal((JSON.parse(json.text) as Document)["compared"], "producers / 1024 B / a");
    });
  });

  test("what is no file of documents, or has nothing in common, is refused", async () => {
    await withDirectory(async (directory) => {
      const good = write(directory, "good.jsonl", JSON.stringify(suiteLine("a", 1, 0)));
      const other = write(directory, "other.jsonl", JSON.stringify(suiteLine("b", 1, 0)));
      const cases: readonly (readonly [string, RegExp])[] = [[write(directory, "text", "hello"), /text:1: not JSON/], [write(directory, "empty", "\n"), /no document/], [write(directory, "array", "[1]"), /not a document/], [other, /in common/]];
      for (const [file, message] of cases) {
        const result = await runBench(["compare", good, file, "--json"]);
        assert.equal(result.code, 2, file);
        assert.equal(errorOf(result).code, "INPUT");
        assert.match(result.stderr, message);
      }
      const missing = await runBench(["compare", good, path.join(directory, "none"), "--json"]);
      assert.equal(errorOf(missing).code, "RINGWALL_NOT_FOUND");
    });
  });
});

describe("tables", () => {
  test("a row per contender with its ranges, ratios beside it, a table per group; what has no known figure is left out", async () => {
    await withDirectory(async (directory) => {
      const rated = { ...suiteLine("a", 1000, 100), ratios: { to: "b", of: { recordsPerSecond: { median: 2, min: 1.5, max: 2.5 } } } };
      const file = write(directory, "producers.jsonl", [rated, suiteLine("b", 500, 0), { ...suiteLine("c", 7, 0), group: "9 B" }, { bench: "producers", machine: {} }].map((line) => JSON.stringify(line)).join("\n"));
      const result = await runBench(["table", file]);
      assert.equal(result.code, 0, result.stderr);
      assert.deepEqual(result.text.trimEnd().split("\n"), [
        "### producers: 1024 B",
        "",
        "|  | records/s | p50 µs | ratios |",
        "| --- | --- | --- | --- |",
        "| a | 1 000 (900..1 100) | 10 (9..12) | records/s: 2.00 (1.50..2.50) × b |",
        "| b | 500 | 10 (9..12) |  |",
        "",
        "### producers: 9 B",
        "",
        "|  | records/s | p50 µs |",
        "| --- | --- | --- |",
        "| c | 7 | 10 (9..12) |",
      ]);
    });
  });

  test("of a bench with rivals in one document: a row each; the name of the file tells runs apart", async () => {
    await withDirectory(async (directory) => {
      const spread = (value: number): object => ({ median: { recordsPerSecond: value }, min: { recordsPerSecond: value }, max: { recordsPerSecond: value } });
      const document = { bench: "append", recordsPerSecond: 5, spread: { min: { recordsPerSecond: 4 }, max: { recordsPerSecond: 6 } }, baseline: spread(1), floor: { waiting: spread(3) }, ratios: { recordsPerSecondToBaseline: { median: 5, min: 4, max: 6 } } };
      const result = await runBench(["table", write(directory, "busy.jsonl", JSON.stringify(document)), "--json"]);
      const rows = result.text.trimEnd().split("\n").map((line) => JSON.parse(line) as Document);
      assert.deepEqual(rows.map(({ table, contender, ratios }) => [table, contender, ratios]), [
        ["busy: append", "baseline", ["recordsPerSecondToBaseline: 5.00 (4.00..6.00) ×"]],
        ["busy: append", "floor.waiting", []],
        ["busy: append", "ringwall", []],
      ]);
    });
  });
});

describe("plotting", () => {
  test("what `bench producers` printed becomes a chart with a line per quantile", async () => {
    await withDirectory(async (directory) => {
      const run = await runBench(["producers", "--backend", "fs", "--callers", "1,4", "--seconds", "0.1", "--warm-up", "0.05", ...quick, "--dir", directory, "--json"]);
      assert.equal(run.code, 0, run.stderr);
      const [file, out] = [write(directory, "producers.jsonl", run.text), path.join(directory, "latency.svg")];
      const result = await runBench(["plot", file, "--out", out]);
      assert.equal(result.code, 0, result.stderr);
      const svg = fs.readFileSync(out, "utf8");
      assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
      assert.ok(svg.endsWith("</svg>\n") && !svg.includes("NaN") && !svg.includes("Infinity"));
      // A line and its sample in the legend, of p50 and of p99; two loads on each.
      assert.equal(svg.match(/<polyline /g)?.length, 4);
      assert.equal(svg.match(/<circle /g)?.length, 4);
      for (const match of svg.matchAll(/c([xy])="([\d.]+)"/g)) assert.ok(Number(match[2]) >= 50 && Number(match[2]) <= 660, match[0]);
    });
  });

  test("a file without producers is refused, and nothing is written", async () => {
    await withDirectory(async (directory) => {
      const file = write(directory, "floor.jsonl", '{"bench":"floor"}');
      const result = await runBench(["plot", file, "--out", path.join(directory, "x.svg"), "--json"]);
      assert.deepEqual([result.code, errorOf(result).code], [2, "INPUT"]);
      assert.equal(fs.existsSync(path.join(directory, "x.svg")), false);
    });
  });
});

function write(directory: string, name: string, text: string): string {
  const file = path.join(directory, name);
  fs.writeFileSync(file, text);
  return file;
}

// inspect, verify, stats, doctor: what they say of whole and of damaged logs.

import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { Log } from "#src/index.js";
import { openUring } from "#src/storage/uring/uring-storage.js";
import { errorOf, ringwall, withPlace } from "./ringwall.js";

const lines = Array.from({ length: 30_000 }, (_, index) => `${String(index + 1)} ${"payload ".repeat(10)}`);

/** A closed log with several sealed segments: two partitions, `a` and `b`. */
async function fill(log: string): Promise<void> {
  for (const partition of ["a", "b"]) {
    const appended = await ringwall(["append", log, partition, "--segment-bytes", "1MiB"], { input: `${lines.join("\n")}\n` });
    assert.equal(appended.code, 0, appended.stderr);
  }
}

const segmentPath = (log: string, segment: number): string => path.join(log, "lane-00", `${String(segment).padStart(8, "0")}.segment`);
const indexPath = (log: string, segment: number): string => segmentPath(log, segment).replace(/segment$/, "index");

function flip(file: string, offset: number, bytes = 16): void {
  const before = readFileSync(file).subarray(offset, offset + bytes);
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, Buffer.from(before.map((byte) => byte ^ 0xff)), 0, bytes, offset);
  closeSync(descriptor);
}

interface Verdict {
  readonly clean: boolean;
  readonly findings: readonly { readonly path: string; readonly segment?: number; readonly costsRecords: boolean; readonly what: string; readonly lost?: { readonly name: string; readonly firstSequence: number; readonly lastSequence: number } }[];
  readonly recordsLost: number;
  readonly records: number;
  readonly segments: number;
}

async function verify(log: string): Promise<{ readonly code: number | null; readonly verdict: Verdict }> {
  const result = await ringwall(["verify", log, "--json"]);
  assert.equal(result.stderr, "");
  return { code: result.code, verdict: JSON.parse(result.text) as Verdict };
}

describe("a whole log", () => {
  test("verify reads every record of every segment and finds nothing", async () => {
    await withPlace(async (log) => {
      await fill(log);
      const { code, verdict } = await verify(log);
      assert.equal(code, 0, JSON.stringify(verdict.findings));
      assert.deepEqual([verdict.clean, verdict.records, verdict.recordsLost], [true, 60_000, 0]);
      assert.ok(verdict.segments > 3, String(verdict.segments));
      assert.match((await ringwall(["verify", log])).text, /^sound: 1 lane, \d+ segments, 60 000 records, .* read in /);
    });
  });

  test("stats: partitions, segments and what trimming would free", async () => {
    await withPlace(async (log) => {
      await fill(log);
      const stats = JSON.parse((await ringwall(["stats", log, "--json"])).text) as {
        locked: boolean; diskBytes: number; freeableBytes: number; trimmableBytes: number;
        partitions: Record<string, unknown>[]; segments: { current: boolean; neededBy: string[]; diskBytes: number }[];
      };
      const payloadBytes = lines.reduce((sum, line) => sum + line.length, 0);
      assert.deepEqual(stats.partitions, [
        { name: "a", lane: 0, first: 1, last: 30_000, records: 30_000, payloadBytes, oldestSegment: 1 },
        { name: "b", lane: 0, first: 1, last: 30_000, records: 30_000, payloadBytes, oldestSegment: stats.partitions[1]!["oldestSegment"] },
      ]);
      assert.equal(stats.locked, false);
      assert.deepEqual(stats.segments[0]!.neededBy, ["a"]);
      assert.equal(stats.segments.filter((segment) => segment.current).length, 1);
      assert.equal(stats.freeableBytes, 0);
      assert.equal(stats.trimmableBytes, stats.segments.filter((segment) => !segment.current).reduce((sum, segment) => sum + segment.diskBytes, 0));
      assert.ok(stats.diskBytes > stats.trimmableBytes && stats.trimmableBytes > 2_000_000);
      assert.match((await ringwall(["stats", log])).text, /"a" +1 +30000 +30 000/);
    });
  });

  test("stats: the log's own partitions only with --all", async () => {
    await withPlace(async (log) => {
      const opened = await Log.open(log);
      await opened.write([{ partition: "p", data: "x" }, { cursor: "c", seq: 1 }]);
      await opened.close();
      const names = async (...more: string[]): Promise<string[]> => (JSON.parse((await ringwall(["stats", log, "--json", ...more])).text) as { partitions: { name: string }[] }).partitions.map(({ name }) => name);
      assert.deepEqual([await names(), await names("--all")], [["p"], ["p", "\0cursor:c"]]);
      assert.match((await ringwall(["cat", log, "nothing"])).stderr, /The log has "p"\./);
    });
  });

  test("inspect: blocks lie back to back and their frames add up to the records", async () => {
    await withPlace(async (log) => {
      await fill(log);
      const document = JSON.parse((await ringwall(["inspect", log, "--json"])).text) as {
        superblock: { copies: { verdict: string }[]; locked: boolean };
        lanes: { recovery: { verdict: string }; segments: { segment: number; state: string; index: string; header: string; records: number; blocks: number; damage: unknown[] }[] }[];
      };
      assert.deepEqual(document.superblock.copies.map((copy) => copy.verdict), ["valid", "valid", "valid", "valid"]);
      const { recovery, segments } = document.lanes[0]!;
      assert.equal(recovery.verdict, "clean");
      const kept = segments.filter((segment) => segment.state === "kept");
      assert.equal(kept.reduce((sum, segment) => sum + segment.records, 0), 60_000);
      assert.ok(kept.every((segment) => segment.header === "valid" && segment.damage.length === 0));
      assert.ok(kept.slice(0, -1).every((segment) => segment.index === "valid"));

      const listed = (await ringwall(["inspect", log, "--segment", "1", "--frames", "--limit", "100000", "--json"])).text.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
      const blocks = listed.filter((item) => item["kind"] === "block") as { offset: number; bytes: number; sequence: number; verdict: string; frames: number }[];
      assert.equal(blocks.length, kept[0]!.blocks);
      blocks.slice(1).forEach((block, index) => {
        assert.equal(block.offset, blocks[index]!.offset + blocks[index]!.bytes);
        assert.equal(block.sequence, blocks[index]!.sequence + 1);
      });
      const frames = listed.filter((item) => item["kind"] === "frame");
      assert.equal(frames.length, blocks.reduce((sum, block) => sum + block.frames, 0));
      assert.equal(frames.filter((frame) => frame["type"] === "data" && frame["name"] === "a").length, kept[0]!.records);
      assert.equal((await ringwall(["inspect", log, "--segment", "999"])).code, 1);
    });
  });
});

describe("a damaged log", () => {
  test("a record in a sealed segment: verify names place, partition and sequences; cat stops there; --skip-damaged goes on", async () => {
    await withPlace(async (log) => {
      await fill(log);
      const segment = readFileSync(segmentPath(log, 1));
      const offset = segment.indexOf("2500 payload ");
      assert.ok(offset > 0, "where its record lies");
      flip(segmentPath(log, 1), offset);
      const { code, verdict } = await verify(log);
      assert.equal(code, 1);
      const lost = verdict.findings.flatMap((finding) => finding.lost ?? []);
      assert.deepEqual(lost.map(({ name, firstSequence, lastSequence }) => ({ name, firstSequence, lastSequence })), [{ name: "a", firstSequence: 2500, lastSequence: 2500 }], JSON.stringify(verdict.findings));
      assert.equal(verdict.recordsLost, 1);
      assert.ok(verdict.findings.some((finding) => finding.segment === 1 && finding.path === segmentPath(log, 1)));
      assert.ok(verdict.findings.every((finding) => !finding.path.endsWith(".index")), "the index is right, the segment is not");
      const first = lost[0]!.firstSequence;
      const last = lost[lost.length - 1]!.lastSequence;

      const text = await ringwall(["verify", log]);
      assert.equal(text.code, 1);
      assert.match(text.text, new RegExp(`LOST .*\n +partition "a": records? ${String(first)}`));

      const stopped = await ringwall(["cat", log, "a"]);
      assert.equal(stopped.code, 1);
      assert.equal(stopped.text, lines.slice(0, first - 1).map((line) => `${line}\n`).join(""));
      assert.match(stopped.stderr, new RegExp(`^ringwall: .*segment 1 .*partition "a" sequence ${String(first)}: `));
      const passed = await ringwall(["cat", log, "a", "--skip-damaged"]);
      assert.equal(passed.code, 1);
      assert.equal(passed.text, [...lines.slice(0, first - 1), ...lines.slice(last)].map((line) => `${line}\n`).join(""));
      assert.equal((await ringwall(["cat", log, "b"])).text, `${lines.join("\n")}\n`);

      const inspected = await ringwall(["inspect", log, "--json"]);
      assert.equal(inspected.code, 0, inspected.stderr);
      const { lanes } = JSON.parse(inspected.text) as { lanes: { segments: { segment: number; damage: { from: number; to: number }[] }[] }[] };
      const damage = lanes[0]!.segments.find((segment) => segment.segment === 1)!.damage;
      assert.ok(damage.length === 1 && damage[0]!.from <= offset && damage[0]!.to >= offset + 16, JSON.stringify(damage));
    });
  });

  test("a block header in the last segment: verify finds it, append is refused with 1, the readers work", async () => {
    await withPlace(async (log) => {
      await ringwall(["append", log, "a"], { input: `${lines.slice(0, 2000).join("\n")}\n` });
      flip(segmentPath(log, 1), 4096);
      const { code, verdict } = await verify(log);
      assert.equal(code, 1);
      assert.ok(verdict.findings.some((finding) => finding.segment === 1), JSON.stringify(verdict));
      const refused = await ringwall(["append", log, "a", "--json"], { input: "x\n" });
      assert.equal(refused.code, 1);
      assert.equal(errorOf(refused).code, "RINGWALL_DAMAGED");
      assert.equal((await ringwall(["inspect", log, "--blocks"])).code, 0);
      assert.equal((await ringwall(["stats", log])).code, 0);
    });
  });

  test("all four copies of the superblock: inspect still shows the segments; the others say why not", async () => {
    await withPlace(async (log) => {
      await ringwall(["append", log, "a"], { input: "one\ntwo\n" });
      for (let copy = 0; copy < 4; copy++) flip(path.join(log, "superblock"), copy * 4096 + 100);
      const inspected = await ringwall(["inspect", log, "--frames"]);
      assert.equal(inspected.code, 0, inspected.stderr);
      assert.equal(inspected.text.match(/copy \d {2}damaged/g)?.length, 4, inspected.text);
      assert.match(inspected.text, /block 1 .*: valid/);
      assert.match(inspected.text, /data partition number 1 2 /);
      for (const args of [["verify", log], ["cat", log, "a"], ["stats", log]]) {
        const result = await ringwall([...args, "--json"]);
        assert.equal(result.code, 1, args.join(" "));
        assert.equal(errorOf(result).code, "RINGWALL_DAMAGED");
      }
    });
  });

  test("one copy of the superblock, an index file, a header page: damage that costs no record, 1, and every record is there", async () => {
    await withPlace(async (log) => {
      await fill(log);
      flip(path.join(log, "superblock"), 4096 + 100);
      flip(indexPath(log, 2), 40);
      flip(segmentPath(log, 3), 50);
      const { code, verdict } = await verify(log);
      assert.equal(code, 1);
      assert.equal(verdict.recordsLost, 0);
      assert.deepEqual(verdict.findings.map((finding) => finding.costsRecords), [false, false, false], JSON.stringify(verdict.findings));
      assert.match((await ringwall(["verify", log])).text, /damaged: but no record is lost/);
      assert.equal((await ringwall(["cat", log, "a"])).text, `${lines.join("\n")}\n`);
    });
  });

  test("a missing segment file: verify says which records are gone, inspect shows the others", async () => {
    await withPlace(async (log) => {
      await fill(log);
      rmSync(segmentPath(log, 2));
      const { code, verdict } = await verify(log);
      assert.equal(code, 1);
      assert.ok(verdict.recordsLost > 1000, String(verdict.recordsLost));
      assert.equal((await ringwall(["inspect", log])).code, 0);
    });
  });

  test("random bytes instead of every file: inspect and verify end with a verdict, not with a stack", async () => {
    await withPlace(async (log) => {
      await fill(log);
      for (const name of readdirSync(path.join(log, "lane-00"))) {
        const file = path.join(log, "lane-00", name);
        writeFileSync(file, Buffer.alloc(readFileSync(file).length, "garbage \x01\xff"));
      }
      assert.ok(existsSync(path.join(log, "superblock")));
      const inspected = await ringwall(["inspect", log, "--frames"]);
      assert.equal(inspected.code, 0, inspected.stderr);
      assert.equal((await verify(log)).code, 1);
    });
  });
});

const here = openUring();

describe("doctor", () => {
  interface Diagnosis {
    readonly backend: string;
    readonly directory: string;
    readonly features: readonly { readonly name: string; readonly available: boolean; readonly reason?: string; readonly cost?: string }[];
    readonly flush: readonly { readonly backend: string; readonly method: string; readonly microsP50: number; readonly chosen: boolean }[];
    readonly log: string;
    readonly alignment: number;
  }

  test("measures each flush method, chooses one, leaves nothing behind, and tells about the log", async () => {
    await withPlace(async (log) => {
      await ringwall(["append", log, "a"], { input: "x\n" });
      const before = readdirSync(log).sort();
      const result = await ringwall(["doctor", log, "--json"]);
      assert.equal(result.code, 0, result.stderr);
      const diagnosis = JSON.parse(result.text) as Diagnosis;
      assert.equal(diagnosis.log, "not locked");
      assert.ok(diagnosis.flush.every((measured) => measured.microsP50 > 0));
      assert.deepEqual(diagnosis.flush.filter((measured) => measured.chosen).map((measured) => measured.backend), [diagnosis.backend]);
      assert.deepEqual(diagnosis.flush.filter((measured) => measured.backend === "fs").map((measured) => measured.method), ["dsync", "separate"]);
      assert.equal(diagnosis.alignment % 4096, 0);
      assert.deepEqual(readdirSync(log).sort(), before);
    });
  });

  test("the table of the ring's modes is the one that a new log there has, each with its reason", { skip: here.kind === "refused" ? here.reason : false }, async () => {
    await withPlace(async (log, directory) => {
      const { features, flush } = JSON.parse((await ringwall(["doctor", directory, "--json"])).text) as Diagnosis;
      await using opened = await Log.open(log, { backend: "uring" });
      await opened.partition("a").append("x");
      const names = opened.info.features.map(({ name }) => name as string);
      assert.deepEqual(features.map(({ name }) => name).filter((name) => names.includes(name)), names);
      const method = flush.find(({ chosen }) => chosen)?.method;
      for (const { name, isOn, reason } of opened.info.features) {
        const said = features.find((feature) => feature.name === name)!;
        assert.ok(said.available || (said.reason ?? "") !== "", `${name}: no reason`);
        // Doctor tries these two out, which a log does when asked; and a second measurement may choose another method.
        if (name === "SQPOLL" || name === "IOPOLL" || (name === "linked flush" && method !== opened.info.flushMethod)) continue;
        assert.deepEqual([said.available, said.reason], [isOn, isOn ? undefined : reason], name);
      }
    });
  });

  test("without the addon: the portable backend, why, and what it costs", async () => {
    await withPlace(async (log, directory) => {
      const env = { RINGWALL_NATIVE: "off" };
      const diagnosis = JSON.parse((await ringwall(["doctor", log, "--json"], { env })).text) as Diagnosis;
      assert.equal(diagnosis.backend, "fs");
      assert.equal(diagnosis.directory, directory);
      const uring = diagnosis.features.find((feature) => feature.name === "io_uring")!;
      assert.equal(uring.available, false);
      assert.match(uring.reason!, /RINGWALL_NATIVE=off/);
      assert.match(uring.cost!, /portable backend/);
      const text = await ringwall(["doctor", log], { env });
      assert.match(text.text, /no {2}native addon\n {4}why: {2}switched off/);
      assert.equal((await ringwall(["doctor", log, "--backend", "uring"], { env })).code, 2);
    });
  });
});

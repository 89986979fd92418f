// Short lives, cut off after every single event: what was acknowledged is there, groups are whole or absent, nothing comes back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveOptions, type LogOptions, type ResolvedOptions } from "#src/log/options.js";
import { cutEverywhere, type Life } from "./crash-points.js";
import type { Scribe } from "./scribe.js";

/** Buffers that two records fill, and segments of four of them: below what users may ask for. */
function options(more: LogOptions = {}): ResolvedOptions {
  return { ...resolveOptions({ bufferBytes: 16 * 1024, bufferCount: 4, blocksInFlight: 3, recordBytesMax: 1024 * 1024, ...more }), segmentBytes: 64 * 1024 };
}

function text(scribe: Scribe, name: string, bytes: number, more = 0): string {
  return `${name}${String(scribe.last(name) + 1 + more)} `.padEnd(bytes, name);
}

function appendMany(scribe: Scribe, name: string, count: number, bytes: number): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, () => scribe.append(name, text(scribe, name, bytes))));
}

const modes = {
  dsync: { options: options(), flushMethod: "dsync" },
  separate: { options: options(), flushMethod: "separate" },
  interval: { options: options({ durability: { mode: "interval", ms: 1 } }), flushMethod: "dsync" },
  /** Blocks come back in another order than they went. */
  slow: { options: options({ bufferCount: 3 }), flushMethod: "dsync", faults: { slow: 0.2 } },
  none: { options: options({ durability: { mode: "none" } }), flushMethod: "dsync" },
} as const;

const scripts: Readonly<Record<"appends" | "batches" | "truncations" | "trims", Life["script"]>> = {
  /** Side by side, over segments. */
  appends: async (scribe) => {
    await appendMany(scribe, "a", 3, 100);
    await Promise.all([appendMany(scribe, "a", 8, 7000), appendMany(scribe, "b", 8, 5000)]);
    await scribe.sync();
    await scribe.append("b", text(scribe, "b", 10));
    await scribe.close();
  },
  /** And records larger than a block and than a segment. */
  batches: async (scribe) => {
    await Promise.all([appendMany(scribe, "a", 1, 100), appendMany(scribe, "b", 1, 100)]);
    await scribe.write([{ partition: "a", data: text(scribe, "a", 9000) }, { partition: "b", data: text(scribe, "b", 9000) }, { partition: "a", data: text(scribe, "a", 9000, 1) }]);
    const large = scribe.append("a", text(scribe, "a", 40_000));
    await Promise.all([large, scribe.append("b", text(scribe, "b", 100))]);
    await scribe.append("c", text(scribe, "c", 90_000));
    await scribe.close();
  },
  /** And overwrites. */
  truncations: async (scribe) => {
    await appendMany(scribe, "a", 6, 3000);
    await scribe.truncate("a", 3);
    await scribe.append("a", text(scribe, "a", 200));
    await scribe.write([{ partition: "a", truncate: 2 }, { partition: "a", data: "a3 anew ".padEnd(12_000, "+") }, { partition: "a", data: "a4 anew ".padEnd(12_000, "+") }, { partition: "b", data: "b1" }]);
    await appendMany(scribe, "b", 8, 7000);
    await scribe.truncate("b", 4);
    await appendMany(scribe, "b", 8, 7000);
    await scribe.close();
  },
  /** That free segments, and a drop. */
  trims: async (scribe, log) => {
    await scribe.append("c", "c1");
    for (let round = 0; round < 3; round++) {
      await appendMany(scribe, "a", 9, 7000);
      await scribe.trim("a", scribe.last("a") - 1);
    }
    await scribe.trim("c", 2);
    await appendMany(scribe, "b", 4, 7000);
    await scribe.drop("a");
    await appendMany(scribe, "b", 9, 7000);
    assert.ok((log.stats()[0]?.segmentsReleased ?? 0) > 0, "segments were freed");
    await scribe.close();
  },
};

for (const [mode, script, fate] of [
  ["dsync", "appends", "nothing that was not flushed"],
  ["dsync", "appends", "everything"],
  ["dsync", "batches", "nothing that was not flushed"],
  ["dsync", "batches", "everything"],
  ["dsync", "truncations", "nothing that was not flushed"],
  ["dsync", "trims", "nothing that was not flushed"],
  ["slow", "appends", "nothing that was not flushed"],
  ["separate", "appends", "nothing that was not flushed"],
  ["interval", "appends", "nothing that was not flushed"],
  ["none", "appends", "nothing that was not flushed"],
  ["none", "trims", "nothing that was not flushed"],
] as const) {
  test(`${mode}, ${script}: cut off anywhere, of what was not durable ${fate} survives`, async (t) => {
    t.diagnostic(`${String(await cutEverywhere({ ...modes[mode], script: scripts[script] }, fate))} cuts`);
  });
}

// Killed writers that repeat all their calls with the same numbers: each call is there exactly once.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Log } from "#src/index.js";
import { backends, uringRefusal } from "./backends.js";
import { Random } from "./random.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-producers-"));
after(() => fs.rmSync(root, { recursive: true, force: true }));
const program = fileURLToPath(new URL("./repeating-writer.js", import.meta.url));

/** Runs a writer and kills it in the middle of its calls, once so many are acknowledged. */
async function killedAfter(acknowledgements: number, directory: string, backend: string): Promise<void> {
  const child = spawn(process.execPath, [program, directory, backend], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<unknown>((resolve) => child.once("exit", (code, signal) => { resolve(signal ?? code); }));
  let count = 0;
  child.stdout.on("data", (bytes: Buffer) => {
    count += bytes.length;
    if (count >= acknowledgements) child.kill("SIGKILL");
  });
  assert.equal(await ended, "SIGKILL", "the writer does not end by itself");
}

describe("killed producers", () => {
  if (uringRefusal !== null) test("on uring", { skip: uringRefusal }, () => undefined);
  for (const backend of backends) {
    test(`on ${backend}: 12 lives, each repeating hundreds of calls of the last, and every call is there once and in order`, async (t) => {
      const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
      t.diagnostic(`SEED=${seed} replays the moments`);
      const random = new Random(seed);
      const directory = path.join(root, backend);
      for (let life = 0; life < 12; life++) await killedAfter(1 + random.below(3500), directory, backend);
      await using log = await Log.open(directory, { backend });
      const found = new Map<string, string[]>();
      for await (const { data } of log.partition("p").read()) {
        const text = Buffer.from(data).toString().trim();
        const producer = text.split(" ")[0] as string;
        found.set(producer, [...(found.get(producer) ?? []), text]);
      }
      assert.deepEqual([...found.keys()].sort(), ["a", "b", "c"]);
      for (const [producer, texts] of found) {
        const last = Number((texts.at(-1) as string).split(" ")[1]);
        const due = Array.from({ length: last }, (_, index) => `${producer} ${index + 1}`).flatMap((text, index) => ((index + 1) % 5 === 0 ? [text, text] : [text]));
        assert.deepEqual(texts, due);
        assert.ok(last > 1000, `${producer} came to ${last}`);
      }
    });
  }
});

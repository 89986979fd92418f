// Writers killed while their log moves live records on: afterwards each live record is there once, with its bytes, and none that was trimmed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Log } from "#src/index.js";
import { backends, uringRefusal, type Backend } from "./backends.js";
import { Random } from "./random.js";
import { reclaimedText } from "./reclaimed-text.js";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-reclaim-"));
after(() => fs.rmSync(root, { recursive: true, force: true }));
const program = fileURLToPath(new URL("./reclaiming-writer.js", import.meta.url));
const kills = 6;

/** What all writers said of one partition. */
interface Told {
  durable: number;
  trimming: number;
  trimmed: number;
}

/** When a writer is killed: once it has said so often that copies were placed, counted from its first round that ended, or from the beginning. */
interface Moment {
  readonly copies: number;
  readonly isAfterRound: boolean;
}

/** Runs a writer and kills it at that moment, or later: this process may be held up. Resolves to its facts. */
async function killedInReclaim(directory: string, backend: Backend, { copies, isAfterRound }: Moment): Promise<string[]> {
  const facts = path.join(root, "facts");
  fs.rmSync(facts, { force: true });
  const child = spawn(process.execPath, [program, directory, backend, facts], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<unknown>((resolve) => child.once("exit", (code, signal) => { resolve(signal ?? code); }));
  let said = "";
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    said += text;
    const counted = isAfterRound ? (/r.*/.exec(said)?.[0] ?? "") : said;
    if (counted.replaceAll("r", "").length >= copies) child.kill("SIGKILL");
  });
  assert.equal(await ended, "SIGKILL", "the writer does not end by itself");
  return fs.readFileSync(facts, "utf8").split("\n").slice(0, -1);
}

function note(told: ReadonlyMap<string, Told>, fact: string): void {
  const [name = "", verb = "", number] = fact.split(" ");
  const of = told.get(name);
  if (of === undefined) return;
  if (verb === "trimming") of.trimming = Math.max(of.trimming, Number(number));
  else if (verb === "trimmed") of.trimmed = Math.max(of.trimmed, Number(number));
  else of.durable = Math.max(of.durable, Number(verb));
}

async function demand(log: Log, told: ReadonlyMap<string, Told>): Promise<void> {
  for (const [name, { durable, trimming, trimmed }] of told) {
    const partition = log.partition(name);
    const { firstSeq, lastSeq } = partition;
    assert.ok(lastSeq >= durable, `${name} ends at ${lastSeq}; ${durable} was acknowledged`);
    assert.ok(firstSeq >= trimmed && firstSeq <= trimming, `${name} begins at ${firstSeq}; trimmed to ${trimmed}, asked for ${trimming}`);
    let due = firstSeq;
    for await (const { seq, data } of partition.read()) {
      assert.equal(seq, due++);
      assert.equal(Buffer.from(data).toString(), reclaimedText(name, seq), `${name} ${seq}`);
    }
    assert.equal(due, lastSeq + 1, `${name} is read to its last`);
    if (firstSeq > 1) await assert.rejects(partition.get(firstSeq - 1), { code: "RINGWALL_TRIMMED" });
  }
}

describe("killed while records are moved", () => {
  if (uringRefusal !== null) test("on uring", { skip: uringRefusal }, () => undefined);
  for (const backend of backends) {
    test(`on ${backend}: ${kills} kills in one log, every live record is there, once and whole`, async (t) => {
      const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
      t.diagnostic(`SEED=${seed} replays the moments`);
      const random = new Random(seed);
      const directory = path.join(root, backend);
      const told = new Map<string, Told>(["old", "busy"].map((name) => [name, { durable: 0, trimming: 1, trimmed: 1 }]));
      let reclaimed = 0;
      for (let life = 0; life < kills; life++) {
        const facts = await killedInReclaim(directory, backend, { copies: 1 + random.below(4), isAfterRound: life % 2 === 1 });
        for (const fact of facts) note(told, fact);
        reclaimed += facts.filter((fact) => fact === "reclaimed").length;
        const log = await Log.open(directory, { backend: backends[life % backends.length] as Backend, readOnly: life % 3 !== 0 });
        assert.notEqual(log.info.recovery[0]?.verdict, "damaged");
        await demand(log, told);
        await log.close();
      }
      assert.ok(reclaimed > 0, "segments were freed whose records had been moved");
      t.diagnostic(`${(told.get("old") as Told).durable} and ${(told.get("busy") as Told).durable} records, ${reclaimed} rounds ended`);
    });
  }
});

// What a damaged log may do: be intact, refuse with a code, name what is lost, or end where nothing vouched for more.
// Never: a wrong record, an acknowledged record silently missing, an exception without a code.

import assert from "node:assert/strict";
import fs from "node:fs";
import { decodeSuperblock } from "#src/format/superblock.js";
import { Log, repairLog, RingwallError, type RecoveryReport, type RepairReport } from "#src/index.js";
import { verifyLog } from "#src/cli/verify/verify-log.js";
import type { Damage } from "./damages.js";
import type { Image } from "./image.js";
import { readAll, type Contents } from "./read-all.js";
import { staged } from "./stage.js";

export type Outcome = "intact" | "torn tail" | "loss named" | "refused";

export interface Outcomes {
  readonly writer: Outcome;
  readonly reader: Outcome;
  readonly verify: "sound" | "damage found" | "refused";
  readonly repair: "complete" | "incomplete" | "refused";
}

const caseMillisMax = 10_000;
const refusalCodes = new Set(["RINGWALL_DAMAGED", "RINGWALL_NOT_A_LOG", "RINGWALL_NEWER_FORMAT", "RINGWALL_NOT_FOUND", "RINGWALL_IO"]);

export async function judge(image: Image, damage: Damage): Promise<Outcomes> {
  const started = performance.now();
  const expectation = new Expectation(image, damage);
  const outcomes = await staged(image.files, damage, async (directory) => {
    const reader = await observeReader(directory, expectation);
    const verify = await observeVerify(directory, expectation, reader);
    const repair = await observeRepair(directory, expectation, reader);
    return { reader: reader.outcome, verify, repair };
  });
  const writer = await staged(image.files, damage, (directory) => observeWriter(directory, expectation));
  const millis = performance.now() - started;
  assert.ok(millis < caseMillisMax, `it took ${millis.toFixed(0)} ms`);
  return { writer, ...outcomes };
}

/** What is true of an image under a damage. */
class Expectation {
  readonly image: Image;
  /** The highest block that some untouched header, or the superblock, calls durable. */
  readonly horizon: number;

  constructor(image: Image, damage: Damage) {
    this.image = image;
    const now = (file: string): Buffer => {
      const changed = damage.changes.get(file) ?? image.files.get(file);
      return Buffer.isBuffer(changed) ? changed : Buffer.alloc(0);
    };
    const verdict = decodeSuperblock(now("superblock"));
    let horizon = verdict.kind === "valid" ? verdict.superblock.lanes[0]!.horizon : 0;
    for (const { file, offset, bytes, horizon: named } of image.blocks) {
      const header = now(file).subarray(offset, offset + 64);
      if (header.equals(image.files.get(file)!.subarray(offset, offset + 64)) && now(file).length >= offset + bytes) horizon = Math.max(horizon, named);
    }
    this.horizon = horizon;
  }

  /** Live records that are not in `contents` or differ; fails on a record that never was. `vouched`: a horizon covers them; `risen`: dead ones that came back. */
  missing(contents: Contents, what: string): { readonly all: number; readonly vouched: { readonly name: string; readonly sequence: number }[]; readonly risen: number } {
    const vouched: { name: string; sequence: number }[] = [];
    let all = 0;
    let risen = 0;
    for (const [name, { records }] of contents) {
      for (const [sequence, { text, time }] of records) {
        assert.ok(this.image.ever.has(`${name}/${String(sequence)}/${text}`), `${what}: a wrong record: ${name} ${String(sequence)} ${text.slice(0, 60)}`);
        const live = this.image.truth.get(name)?.records.get(sequence);
        if (live?.text !== text) risen++;
        else assert.equal(time, live.time, `${what}: the time of ${name} ${String(sequence)}`);
      }
    }
    for (const [name, { records }] of this.image.truth) {
      for (const [sequence, { text }] of records) {
        if (contents.get(name)?.records.get(sequence)?.text === text) continue;
        all++;
        if (this.image.blockOf.get(`${name}/${String(sequence)}`)! <= this.horizon) vouched.push({ name, sequence });
      }
    }
    return { all, vouched, risen };
  }
}

interface Observed {
  readonly outcome: Outcome;
  readonly contents: Contents;
  /** Vouched records that could not be read. */
  readonly vouchedMissing: number;
}

async function observeReader(directory: string, expectation: Expectation): Promise<Observed> {
  let log: Log;
  try {
    log = await Log.open(directory, { readOnly: true, backend: "fs" });
  } catch (error) {
    demandRefusal(error, "read-only open");
    return { outcome: "refused", contents: new Map(), vouchedMissing: Number.NaN };
  }
  try {
    const contents = await readAll(log);
    const report = log.info.recovery[0]!;
    return { ...judgeContents(contents, report, expectation, "reading"), contents };
  } finally {
    await log.close();
  }
}

function judgeContents(contents: Contents, report: RecoveryReport, expectation: Expectation, what: string): { readonly outcome: Outcome; readonly vouchedMissing: number } {
  const { all, vouched, risen } = expectation.missing(contents, what);
  for (const { name, sequence } of vouched) {
    const isNamed = !report.lostExact || report.lost.some((range) => (range.name === null || range.name === name) && range.firstSequence <= sequence && sequence <= range.lastSequence)
      || contents.get(name)?.lost.some(({ first, last }) => first <= sequence && sequence <= last) === true;
    assert.ok(isNamed, `${what}: ${name} ${String(sequence)} is silently missing (${report.verdict})`);
  }
  const isDamaged = report.verdict === "damaged" || [...contents.values()].some(({ lost }) => lost.length > 0);
  assert.ok(isDamaged || vouched.length === 0, `${what}: the verdict is ${report.verdict}, and ${String(vouched.length)} records are missing`);
  assert.ok(isDamaged || risen === 0 || all > 0, `${what}: ${String(risen)} dead records came back`);
  return { outcome: isDamaged ? "loss named" : all > 0 ? "torn tail" : "intact", vouchedMissing: vouched.length };
}

async function observeWriter(directory: string, expectation: Expectation): Promise<Outcome> {
  let log: Log;
  try {
    log = await Log.open(directory, { segmentBytes: 1024 * 1024, bufferBytes: 16 * 1024, bufferCount: 4, backend: "fs", create: false });
  } catch (error) {
    demandRefusal(error, "writer open");
    return "refused";
  }
  let isClosed = false;
  try {
    const { outcome } = judgeContents(await readAll(log), log.info.recovery[0]!, expectation, "the writer");
    // Sealed segments are trusted by their indexes: a loss in them is named when it is met. One that recovery met is refused.
    assert.notEqual(log.info.recovery[0]!.verdict, "damaged", "a writer must not go on in a lane that recovery calls damaged");
    const sequence = await log.partition("a").append("goes on");
    assert.equal(Buffer.from((await log.partition("a").get(sequence))!.data).toString(), "goes on");
    isClosed = true;
    await log.close();
    return outcome;
  } catch (error) {
    // What can't be written any more is a refusal, too.
    if (!(error instanceof RingwallError) || error.code !== "RINGWALL_POISONED") throw error;
    return "refused";
  } finally {
    if (!isClosed) await log.close().catch(() => undefined);
  }
}

async function observeVerify(directory: string, expectation: Expectation, reader: Observed): Promise<Outcomes["verify"]> {
  try {
    const { findings, recordsLost, isLossUnknown } = await verifyLog({ directory, backend: "fs", isProgressWanted: false });
    if (reader.vouchedMissing > 0) {
      assert.ok(findings.length > 0, "verify: sound, although records are missing");
      assert.ok(recordsLost > 0 || isLossUnknown, "verify: no loss, although records are missing");
    }
    if (findings.length === 0) assert.ok(reader.outcome !== "refused" && reader.outcome !== "loss named", `verify: sound, but reading says ${reader.outcome}`);
    return findings.length === 0 ? "sound" : "damage found";
  } catch (error) {
    demandRefusal(error, "verify");
    assert.equal(reader.outcome, "refused", "verify refuses what can be read");
    return "refused";
  }
}

async function observeRepair(directory: string, expectation: Expectation, reader: Observed): Promise<Outcomes["repair"]> {
  const target = `${directory}.repaired`;
  let report: RepairReport;
  try {
    report = await repairLog(directory, target, { backend: "fs" });
  } catch (error) {
    demandRefusal(error, "repair");
    assert.ok(reader.outcome === "refused", `repair refuses what can be read: ${String(error)}`);
    return "refused";
  }
  const log = await Log.open(target, { backend: "fs", create: false });
  try {
    assert.equal(log.info.recovery[0]!.verdict, "clean");
    judgeRepair(report, renamed(await readAll(log), report), expectation, reader);
    return report.complete ? "complete" : "incomplete";
  } finally {
    await log.close();
    fs.rmSync(target, { recursive: true, force: true });
  }
}

function judgeRepair(report: RepairReport, saved: Contents, expectation: Expectation, reader: Observed): void {
  const { vouched } = expectation.missing(saved, "repair");
  assert.equal([...saved.values()].reduce((sum, { records }) => sum + records.size, 0), report.records, "repair: what it reports is what it saved");
  for (const { name, sequence } of vouched) {
    const isNamed = report.isLossUnknown || report.partitions.some((partition) => (partition.name ?? name) === name && partition.missing.some((range) => range.firstSequence <= sequence && sequence <= range.lastSequence));
    assert.ok(isNamed, `repair: ${name} ${String(sequence)} is silently missing`);
  }
  assert.ok(!report.complete || vouched.length === 0, "repair: complete, although records are missing");
  for (const [name, { records }] of reader.contents) {
    for (const sequence of records.keys()) assert.ok(saved.get(name)?.records.has(sequence) === true, `repair: ${name} ${String(sequence)} can be read and was not saved`);
  }
}

/** The parts of the new log under their old names. */
function renamed(contents: Contents, report: RepairReport): Contents {
  const old = new Map<string, { records: Map<number, { text: string; time: number }>; lost: never[] }>();
  for (const { name, salvaged } of report.partitions) {
    const records = new Map<number, { text: string; time: number }>();
    for (const part of salvaged) for (const [sequence, record] of contents.get(part.name)?.records ?? []) records.set(sequence, record);
    // A record tells whose it was.
    old.set(name ?? [...records.values()][0]?.text.split(" ")[0] ?? "", { records, lost: [] });
  }
  return old;
}

function demandRefusal(error: unknown, what: string): void {
  if (!(error instanceof RingwallError) || !refusalCodes.has(error.code)) throw new Error(`${what} failed without a code of refusal: ${String(error)}`, { cause: error });
  if (error.code !== "RINGWALL_DAMAGED" || error.details === undefined) return;
  const report = error.details as Partial<RecoveryReport>;
  if (report.lost === undefined) return;
  for (const { firstSequence, lastSequence } of report.lost) assert.ok(firstSequence >= 1 && lastSequence >= firstSequence && Number.isSafeInteger(lastSequence), `${what}: an impossible range`);
}

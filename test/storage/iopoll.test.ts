// Polled I/O: the probe, and the writer on a ring on which nothing completes unless it looks.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { Log } from "#src/index.js";
import { loadNative, type NativeBinding } from "#src/native/binding.js";
import type { BlockWriter } from "#src/storage/storage.js";
import { noteOf } from "#src/storage/features.js";
import { probePolling, tryPolledIo } from "#src/storage/uring/iopoll-probe.js";
import { openUring } from "#src/storage/uring/uring-storage.js";

const native = loadNative();
const here = openUring();
const skip = here.kind === "refused" ? here.reason : false;
const directory = mkdtempSync(path.join(tmpdir(), "ringwall-iopoll-"));
after(() => rmSync(directory, { recursive: true }));

const binding = (): NativeBinding => (native as Extract<typeof native, { kind: "loaded" }>).binding;

/** One write of each page, four under way, each page of its own content. */
async function writePages(file: string, pages: number): Promise<{ readonly notes: readonly string[]; readonly errors: readonly unknown[] }> {
  const verdict = openUring({ ioPoll: "unprobed" });
  assert.ok(verdict.kind === "ok");
  const errors: unknown[] = [];
  let next = 0;
  let writer: BlockWriter | null = null;
  let id = 0;
  const done = new Promise<void>((resolve) => {
    let landed = 0;
    const begin = (slot: number): void => {
      const page = next++;
      writer!.memory.bytes.fill(1 + (page % 250), slot * 4096, (slot + 1) * 4096);
      writer!.write(id, page * 4096, slot * 4096, 4096, slot);
    };
    writer = verdict.storage.createWriter({
      bufferBytes: 4096, bufferCount: 4, alignment: 4096, flush: "dsync", writesInFlight: 4, onBatchEnd: () => undefined,
      onWritten: (slot, error) => {
        if (error !== null) errors.push(error);
        landed++;
        if (landed === pages) resolve();
        else if (next < pages) begin(slot);
      },
    });
    void writer.openFile(file).then((opened) => {
      id = opened;
      for (let slot = 0; slot < 4; slot++) begin(slot);
    });
  });
  await done;
  const notes = writer!.features.map(noteOf);
  await verdict.storage.close();
  return { notes, errors };
}

test("a writer that polls: every completion comes, every page is there", { skip }, async (t) => {
  const refused = tryPolledIo(binding(), directory);
  if (refused !== null && !refused.includes("read")) return t.skip(`not even polled writes work here: ${refused}`);
  const file = path.join(directory, "pages");
  writeFileSync(file, new Uint8Array(300 * 4096));
  const { notes, errors } = await writePages(file, 300);
  assert.deepEqual(errors, []);
  assert.ok(notes.includes("IOPOLL: on") && notes.some((note) => /^ring: .*, IOPOLL: /.test(note)), notes.join("; "));
  const written = readFileSync(file);
  for (let page = 0; page < 300; page++) assert.ok(written.subarray(page * 4096, (page + 1) * 4096).every((byte) => byte === 1 + (page % 250)), `page ${String(page)}`);
});

test("the probe says yes, or why not, and leaves nothing behind", { skip }, () => {
  const verdict = probePolling(binding(), directory);
  if (verdict.kind === "off") assert.match(verdict.reason, /poll queues|does not name the device|polled (read|write)|direct I\/O/);
  assert.deepEqual(readdirSync(directory).filter((name) => name.startsWith("probe.")), []);
});

test("{ iopoll: true }: the log works, and says whether it polls", { skip }, async () => {
  const log = await Log.open(path.join(directory, "log"), { iopoll: true, segmentBytes: 1024 * 1024 });
  assert.equal(await log.partition("a").append("polled"), 1);
  assert.ok(log.info.backendNotes.some((note) => note === "IOPOLL: on" || note.startsWith("IOPOLL: off: ")), log.info.backendNotes.join("; "));
  await log.close();
});

test("a log that can't flush by RWF_DSYNC does not poll, and says so", { skip }, async () => {
  const log = await Log.open(path.join(directory, "none"), { iopoll: true, segmentBytes: 1024 * 1024, durability: { mode: "none" } });
  assert.equal(await log.partition("a").append("not polled"), 1);
  assert.ok(log.info.backendNotes.some((note) => note.startsWith("IOPOLL: off: a polled write is made durable by RWF_DSYNC only")), log.info.backendNotes.join("; "));
  await log.close();
});

// What a writer's ring was set up with: by what io_uring_setup was given, by what the kernel shows, and by what the table of features says.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { Log, type BackendFeature, type LogOptions } from "#src/index.js";
import { loadNative, type NativeBinding } from "#src/native/binding.js";
import { noteOf } from "#src/storage/features.js";
import { params, setup } from "#src/storage/uring/kernel-interface.js";
import { openRing } from "#src/storage/uring/ring.js";
import { chooseRing, flagNames, type RingChoiceOptions } from "#src/storage/uring/ring-choice.js";
import { openUring } from "#src/storage/uring/uring-storage.js";

const here = openUring();
const skip = here.kind === "refused" ? here.reason : false;
const directory = mkdtempSync(path.join(tmpdir(), "ringwall-features-"));
after(() => { rmSync(directory, { recursive: true }); });

const inval = 22;
const eexist = 17;

function binding(): NativeBinding {
  const native = loadNative();
  assert.equal(native.kind, "loaded");
  return native.binding;
}

/** The flags that the kernel was asked for, in order, and those of the ring that it made. */
function flagsTaken(options: RingChoiceOptions): { readonly asked: readonly number[]; readonly taken: number } {
  const asked: number[] = [];
  const native = binding();
  const verdict = chooseRing({ ...native, ringSetup: (entries, words) => {
    asked.push((words[params.flags] as number) & ~setup.clamp);
    return native.ringSetup(entries, words);
  } }, options);
  assert.equal(verdict.kind, "open");
  const taken = verdict.ring.setupFlags & ~setup.clamp;
  verdict.ring.close();
  return { asked, taken };
}

function isTaken(flags: number): boolean {
  const verdict = openRing(binding(), { entries: 4, flags });
  if (verdict.kind === "open") verdict.ring.close();
  else assert.equal(verdict.errno, inval);
  return verdict.kind === "open";
}

describe("the flags of a ring", { skip }, () => {
  test("a lane's: SINGLE_ISSUER and COOP_TASKRUN, or as much of it as the kernel takes; the kernel confirms them", () => {
    const { singleIssuer, coopTaskrun } = setup;
    const wanted = [singleIssuer | coopTaskrun, coopTaskrun, 0];
    const expected = wanted.find(isTaken);
    const { asked, taken } = flagsTaken({ entries: 8 });
    assert.equal(flagNames(taken), flagNames(expected ?? -1));
    assert.deepEqual(asked, wanted.slice(0, wanted.indexOf(taken) + 1));
  });

  test("with SQPOLL: never COOP_TASKRUN or DEFER_TASKRUN, which the kernel refuses together with it", () => {
    for (const other of [setup.coopTaskrun, setup.taskrunFlag, setup.deferTaskrun | setup.singleIssuer]) assert.equal(isTaken(setup.sqPoll | other), false, flagNames(other));
    const { asked, taken } = flagsTaken({ entries: 8, sqPoll: { idleMillis: 5 } });
    assert.equal(flagNames(taken), flagNames(isTaken(setup.sqPoll | setup.singleIssuer) ? setup.sqPoll | setup.singleIssuer : setup.sqPoll));
    assert.equal(asked.at(-1), taken);
  });

  test("the CPU is handed on with its own flag", () => {
    const { asked, taken } = flagsTaken({ entries: 8, sqPoll: { idleMillis: 5, cpu: 0 } });
    assert.ok((taken & setup.sqAffinity) !== 0 && asked.every((flags) => (flags & setup.sqAffinity) !== 0));
  });

  test("of polled I/O: IOPOLL beside the others", () => {
    const { taken } = flagsTaken({ entries: 8, ioPoll: true });
    assert.match(flagNames(taken), /IOPOLL$/);
  });

  test("SINGLE_ISSUER has one owner: the kernel lets no other thread in", async (t) => {
    if (!isTaken(setup.singleIssuer)) return t.skip("this kernel does not know SINGLE_ISSUER");
    const verdict = openRing(binding(), { entries: 4, flags: setup.singleIssuer });
    assert.equal(verdict.kind, "open");
    const program = `import { parentPort, workerData } from "node:worker_threads";
      import { loadNative } from ${JSON.stringify(import.meta.resolve("#src/native/binding.js"))};
      parentPort.postMessage(loadNative().binding.ringEnter(workerData, 1, 0, 0));`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { workerData: verdict.ring.descriptor });
    const result = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    await worker.terminate();
    verdict.ring.close();
    assert.equal(result, -eexist);
  });
});

describe("the table of features", { skip }, () => {
  let count = 0;
  const rowsOf = async (options: LogOptions, look: (rows: readonly BackendFeature[]) => void = () => undefined): Promise<string> => {
    await using log = await Log.open(path.join(directory, String(count++)), { backend: "uring", ...options });
    await log.partition("a").append("x");
    const { features, backendNotes } = log.info;
    const notes = features.map(noteOf);
    assert.deepEqual(backendNotes.slice(0, notes.length), notes);
    for (const { isOn, reason, name } of features) assert.ok(isOn || (reason ?? "") !== "", `${name} is off without a reason`);
    look(features);
    return notes.join("\n");
  };

  test("every mode of the ring stands in it once, on or off", async () => {
    await rowsOf({}, (rows) => {
      assert.deepEqual(rows.map(({ name }) => name).sort(), [
        "COOP_TASKRUN", "DEFER_TASKRUN", "IOPOLL", "SINGLE_ISSUER", "SQPOLL", "blocks in flight", "completion", "direct I/O", "linked flush",
        "registered buffers", "registered files", "ring", "vectored writes",
      ]);
    });
  });

  test("the defaults, and why not more", async () => {
    const notes = await rowsOf({});
    assert.match(notes, /^SQPOLL: off: not asked for/m);
    assert.match(notes, /^IOPOLL: off: not asked for/m);
    assert.match(notes, /^DEFER_TASKRUN: off: nothing makes its descriptor readable/m);
    assert.match(notes, /^vectored writes: off: not asked for/m);
    assert.match(notes, /^blocks in flight: 4$/m);
    assert.match(notes, /^ring: .*: 256 entries$/m);
  });

  test("what options change shows", async () => {
    const notes = await rowsOf({ blocksInFlight: 2, gatherBytes: 1 << 20, ringEntries: 64, registeredBuffers: false, registeredFiles: false, completion: "spin" });
    for (const line of [/^blocks in flight: 2$/m, /^vectored writes: up to 1048576 bytes in one WRITEV$/m, /: 64 entries$/m, /^registered buffers: off: not wanted$/m, /^registered files: off: not wanted$/m, /^completion: looks for 1 ms/m]) assert.match(notes, line);
  });

  for (const lane of ["inline", "thread"] as const) {
    test(`SQPOLL, lane ${lane}: its idle time and CPU are said, and the kernel's thread is bound to that CPU`, async (t) => {
      let bound: readonly string[] = [];
      const notes = await rowsOf({ lane, sqpoll: { idleMs: 7000, cpu: 0 } }, () => { bound = pollers().map(({ cpus }) => cpus); }).catch((error: unknown) => error as Error);
      if (notes instanceof Error) return t.skip(`no SQPOLL here: ${notes.message}`);
      assert.match(notes, /^SQPOLL: sleeps after 7000 ms and is woken by io_uring_enter, pinned to CPU 0: asked for$/m);
      assert.match(notes, /^COOP_TASKRUN: off: the kernel refuses it together with SQPOLL$/m);
      assert.match(notes, /^linked flush: off: /m);
      assert.deepEqual(bound, ["0"]);
    });
  }
});

/** The kernel's threads that poll for this process. */
function pollers(): { readonly cpus: string }[] {
  const tasks = readdirSync("/proc/self/task").map((id) => readFileSync(`/proc/self/task/${id}/status`, "latin1"));
  return tasks.filter((status) => /^Name:\tiou-sqp/m.test(status)).map((status) => ({ cpus: /^Cpus_allowed_list:\t(.*)$/m.exec(status)?.[1] ?? "" }));
}

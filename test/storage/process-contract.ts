// What a backend promises to the process around it: event loop, limits, locks between processes. Real children, real kernel.

import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { chooseStorage } from "#src/storage/choose.js";

const childPath = fileURLToPath(new URL("./child.js", import.meta.url));

interface Outcome {
  readonly code: number | null;
  readonly answers: Record<string, unknown>[];
  readonly stderr: string;
}

interface ChildOptions {
  readonly backend: string;
  readonly scenario: string;
  readonly directory: string;
  /** Words before node: a shell that sets limits, a launcher that forbids system calls. */
  readonly launcher?: readonly string[];
  readonly native?: "off";
}

export async function runChild(options: ChildOptions): Promise<Outcome> {
  const child = startChild(options);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  const answers = stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, answers, stderr };
}

function startChild({ backend, scenario, directory, launcher = [], native }: ChildOptions): ChildProcess {
  const [command = process.execPath, ...args] = [...launcher, process.execPath, childPath, backend, scenario, directory];
  const env = { ...process.env, ...(native === undefined ? {} : { RINGWALL_NATIVE: native }) };
  return spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 });
}

/** Resolves once the child holds the lock. */
async function startHolder(options: Omit<ChildOptions, "scenario">): Promise<ChildProcess> {
  const child = startChild({ ...options, scenario: "hold-lock" });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the holder ended with ${String(code)}`)));
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

export function processContract(backend: "uring" | "fs"): void {
  describe(`${backend} in a process`, () => {
    let root = "";
    before(() => {
      root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-process-"));
    });
    after(() => fs.rmSync(root, { recursive: true, force: true }));
    const fresh = (): string => fs.mkdtempSync(path.join(root, "log-"));

    loopTests(backend, fresh);
    limitTests(backend, fresh);
    lockTests(backend, fresh);
  });
}

function loopTests(backend: string, fresh: () => string): void {
  test("an open writer does not keep the process alive, a write in flight does", async () => {
    const outcome = await runChild({ backend, scenario: "write-and-leave", directory: fresh() });
    assert.deepEqual(outcome, { code: 0, answers: [{ errors: [null, null] }, { last: null }], stderr: "" });
  });

  test("an open file and what it read do not keep the process alive, a read in flight does", async () => {
    const { code, answers, stderr } = await runChild({ backend, scenario: "read-and-leave", directory: fresh() });
    // The kernel may have read ahead: then the last read is answered before the script is through.
    assert.deepEqual({ code, stderr, count: answers.length }, { code: 0, stderr: "", count: 2 });
    assert.deepEqual(Object.assign({}, ...answers), { first: 4096, last: 8192 });
  });

  test("an idle writer uses no CPU", async () => {
    const { answers } = await runChild({ backend, scenario: "idle-cpu", directory: fresh() });
    assert.ok((answers[0]?.["micros"] as number) < 100_000, JSON.stringify(answers));
  });
}

function limitTests(backend: string, fresh: () => string): void {
  test("a file size limit in the middle of a write: the part below is written, the rest is refused as DISK_FULL", async () => {
    const directory = fresh();
    const launcher = ["/bin/sh", "-c", 'ulimit -f 64; exec "$@"', "sh"];
    const { answers, stderr } = await runChild({ backend, scenario: "write-until-refused", directory, launcher });
    const unitOfUlimit = 512;
    assert.equal(answers[0]?.["code"], "RINGWALL_DISK_FULL", stderr);
    assert.match(String(answers[0]?.["message"]), /EFBIG.*ulimit -f/s);
    // Shells count in 512 or 1024 bytes.
    assert.ok([64 * unitOfUlimit, 128 * unitOfUlimit].includes(answers[0]?.["bytes"] as number), JSON.stringify(answers));
  });

  test("a file size limit in the middle of parts written together: what is below is written, in order, and each part is refused", async () => {
    const launcher = ["/bin/bash", "-c", 'ulimit -f 20; exec "$@"', "bash"];
    const { answers, stderr } = await runChild({ backend, scenario: "gather-until-refused", directory: fresh(), launcher });
    // Pages 129 to 131, then 1, then 193: five pages of ten.
    assert.deepEqual(answers, [{ codes: new Array(4).fill("RINGWALL_DISK_FULL"), first: [129, 130, 131, 1, 193], bytes: 5 * 4096 }], stderr);
  });

  test("a full filesystem is DISK_FULL, and the path is named", async (t) => {
    const directory = fresh();
    if (!mountSmall(t, directory)) return;
    try {
      const { answers, stderr } = await runChild({ backend, scenario: "write-until-refused", directory });
      assert.equal(answers[0]?.["code"], "RINGWALL_DISK_FULL", stderr);
      assert.match(String(answers[0]?.["message"]), /segment.*ENOSPC/s);
    } finally {
      // Lazily: the kernel takes a dead process's ring apart in its own time, and the ring knows the file.
      execFileSync("umount", ["--lazy", directory]);
    }
  });
}

function mountSmall(t: TestContext, directory: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "ringwall-test", directory], { stdio: "pipe" });
    return true;
  } catch {
    t.skip("no right to mount a small tmpfs");
    return false;
  }
}

function lockTests(backend: "uring" | "fs", fresh: () => string): void {
  const tryLock = async (options: Omit<ChildOptions, "scenario">): Promise<Record<string, unknown>> => {
    const { answers, stderr } = await runChild({ ...options, scenario: "try-lock" });
    assert.equal(answers.length, 1, stderr);
    return answers[0] as Record<string, unknown>;
  };
  /** With and without the addon, on either side: they must exclude each other. */
  const natives: (readonly ["off" | undefined, "off" | undefined])[] = [[undefined, undefined], [undefined, "off"], ["off", undefined], ["off", "off"]];

  for (const [holderNative, otherNative] of natives) {
    const title = `owner ${holderNative === "off" ? "without" : "with"} the addon, other ${otherNative === "off" ? "without" : "with"}`;
    const holderOptions = (directory: string) => ({ backend: holderNative === "off" ? "fs" : backend, directory, ...(holderNative === undefined ? {} : { native: holderNative }) });
    const otherOptions = (directory: string) => ({ backend: otherNative === "off" ? "fs" : backend, directory, ...(otherNative === undefined ? {} : { native: otherNative }) });

    test(`lock between processes, ${title}: held while the owner lives, free once it is killed`, async () => {
      const directory = fresh();
      const storage = chooseStorage({ backend }).storage;
      const holder = await startHolder(holderOptions(directory));
      const refused = await tryLock(otherOptions(directory));
      assert.equal(refused["code"], "RINGWALL_LOCKED");
      assert.ok(String(refused["message"]).includes(`process ${String(holder.pid)} on host ${os.hostname()} since 20`), JSON.stringify(refused));
      assert.equal(await storage.isLocked(directory), true);
      await kill(holder);
      assert.deepEqual(await tryLock(otherOptions(directory)), { won: true, holders: [] });
      assert.equal(await storage.isLocked(directory), false);
      assert.deepEqual(fs.readdirSync(directory), []);
    });
  }

  test("lock between processes: of many that find a killed owner at once, never two hold it", async () => {
    const directory = fresh();
    await kill(await startHolder({ backend, directory }));
    const results = await Promise.all(Array.from({ length: 8 }, (_, index) => tryLock(index % 2 === 0 ? { backend, directory } : { backend: "fs", directory, native: "off" })));
    assert.ok(results.some((result) => result["won"] === true), JSON.stringify(results));
    for (const result of results) {
      if (result["won"] === true) assert.deepEqual(result["holders"], []);
      else assert.equal(result["code"], "RINGWALL_LOCKED", JSON.stringify(result));
    }
    assert.deepEqual(fs.readdirSync(directory), []);
  });

  test("lock: another thread of the process that holds it is refused", async () => {
    const { answers, stderr } = await runChild({ backend, scenario: "lock-in-worker", directory: fresh() });
    assert.equal(answers[0]?.["code"], "RINGWALL_LOCKED", stderr);
    assert.match(String(answers[0]?.["message"]), /this process/);
  });
}

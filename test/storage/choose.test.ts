// Which backend is taken, above all where the kernel refuses io_uring.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadNative } from "#src/native/binding.js";
import { chooseStorage } from "#src/storage/choose.js";

const chooseChild = fileURLToPath(new URL("./choose-child.js", import.meta.url));
// The source is not copied to the compiler's output.
const refuseSource = fileURLToPath(new URL("../../../test/storage/refuse-io-uring.c", import.meta.url));

interface Choice {
  readonly name?: string;
  readonly reason?: string;
  readonly sequence?: number;
  readonly code?: string;
  readonly message?: string;
}

describe("choosing a backend", () => {
  let directory = "";
  before(() => (directory = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-choose-"))));
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  test("fs is always there", () => {
    assert.equal(chooseStorage({ backend: "fs" }).storage.name, "fs");
  });

  test("auto says why", () => {
    const { storage, reason } = chooseStorage({ backend: "auto" });
    assert.match(reason, storage.name === "uring" ? /works here/ : /does not work here: ./);
  });

  test("without the addon: auto falls back, uring fails typed", () => {
    const choose = (backend: string): Choice => run(process.execPath, [chooseChild, backend], { RINGWALL_NATIVE: "off" });
    assert.equal(choose("auto").name, "fs");
    assert.match(choose("auto").reason ?? "", /addon is missing.*RINGWALL_NATIVE=off/);
    assert.equal(choose("uring").code, "RINGWALL_UNAVAILABLE");
  });

  for (const [name, errno, words] of [["EPERM", "1", /EPERM.*seccomp/], ["ENOSYS", "38", /ENOSYS/]] as const) {
    test(`where seccomp refuses io_uring with ${name}: auto falls back and works, uring fails typed`, (t) => {
      const missing = refuserMissing(directory);
      if (missing !== null) return t.skip(missing);
      const choose = (backend: string): Choice => run(path.join(directory, "refuse"), [errno, "0", process.execPath, chooseChild, backend], {});
      const auto = choose("auto");
      assert.equal(auto.name, "fs");
      assert.match(auto.reason ?? "", words);
      const forced = choose("uring");
      assert.equal(forced.code, "RINGWALL_UNAVAILABLE");
      assert.match(forced.message ?? "", words);
      assert.match(forced.message ?? "", /backend: "auto"/);
    });
  }

  test("where the kernel lets a small ring be and refuses a lane's: auto falls back, says why, and appends; uring fails typed", (t) => {
    const missing = refuserMissing(directory) ?? uringMissing();
    if (missing !== null) return t.skip(missing);
    const open = (backend: string): Choice => run(path.join(directory, "refuse"), ["12", "4", process.execPath, chooseChild, backend, path.join(directory, backend)], {});
    const auto = open("auto");
    assert.equal(auto.name, "fs", JSON.stringify(auto));
    assert.match(auto.reason ?? "", /tried and refused.*ENOMEM/);
    assert.equal(auto.sequence, 1);
    assert.equal(open("auto").sequence, 2, "the log is whole");
    assert.equal(open("uring").code, "RINGWALL_UNAVAILABLE");
  });
});

function run(command: string, args: string[], env: Readonly<Record<string, string>>): Choice {
  return JSON.parse(execFileSync(command, args, { env: { ...process.env, ...env }, encoding: "utf8" })) as Choice;
}

function uringMissing(): string | null {
  const { storage, reason } = chooseStorage({ backend: "auto" });
  return storage.name === "uring" ? null : reason;
}

/** Builds the launcher; a reason when it can't be. */
function refuserMissing(directory: string): string | null {
  if (process.platform !== "linux") return "seccomp is Linux's";
  if (loadNative().kind === "absent") return "no addon: io_uring is not even tried";
  try {
    execFileSync("cc", ["-O1", "-o", path.join(directory, "refuse"), refuseSource], { stdio: "pipe" });
    return null;
  } catch (error) {
    return `cc does not build the launcher: ${String(error).split("\n", 1)[0] ?? ""}`;
  }
}

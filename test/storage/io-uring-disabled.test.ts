// kernel.io_uring_disabled, really set: to 1, which refuses those who are not privileged. Other tests of this machine, run by root, don't notice.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openUring } from "#src/storage/uring/uring-storage.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const setting = "/proc/sys/kernel/io_uring_disabled";
const nobody = 65534;

const program = `
  import { Log } from "./dist/index.js";
  const log = await Log.open("./place/log", { segmentBytes: 1048576 });
  const sequence = await log.partition("a").append("portable");
  const { backend, backendReason } = log.info;
  await log.close();
  const refused = await Log.open("./place/other", { backend: "uring" }).then(() => "", (error) => error.code + ": " + error.message);
  console.log(JSON.stringify({ sequence, backend, backendReason, refused }));
`;

/** Why the kernel can't be told here, or null. */
function refusal(): string | null {
  if (process.getuid?.() !== 0) return "only root sets kernel.io_uring_disabled";
  if (openUring().kind === "refused") return "io_uring does not work here anyway";
  try {
    writeFileSync(setting, readFileSync(setting));
    return null;
  } catch (error) {
    return `kernel.io_uring_disabled can't be set: ${(error as Error).message}`;
  }
}

test("io_uring_disabled: the log is on node:fs and says why; forced io_uring is refused with the setting's name", { skip: refusal() ?? false }, async () => {
  const directory = mkdtempSync(path.join(tmpdir(), "ringwall-disabled-"));
  const before = readFileSync(setting, "latin1");
  try {
    // A copy that anyone may read: the clone may lie where only root looks.
    for (const name of ["dist", "prebuilds", "package.json"]) cpSync(path.join(root, name), path.join(directory, name), { recursive: true });
    writeFileSync(path.join(directory, "program.mjs"), program);
    mkdirSync(path.join(directory, "place"));
    chownSync(path.join(directory, "place"), nobody, nobody);
    chmodSync(directory, 0o755);
    writeFileSync(setting, "1");
    const { stdout } = await promisify(execFile)(process.execPath, ["program.mjs"], { cwd: directory, uid: nobody, gid: nobody });
    const said = JSON.parse(stdout) as { readonly sequence: number; readonly backend: string; readonly backendReason: string; readonly refused: string };
    assert.deepEqual([said.sequence, said.backend], [1, "fs"]);
    assert.match(said.backendReason, /EPERM: kernel\.io_uring_disabled is 1/);
    assert.match(said.refused, /^RINGWALL_UNAVAILABLE: .*kernel\.io_uring_disabled is 1/);
  } finally {
    writeFileSync(setting, before);
    rmSync(directory, { recursive: true });
  }
});

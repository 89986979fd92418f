// The comparison with peers, as far as it runs without their packages: the baselines by hand, and the judge of traces.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const peers = fileURLToPath(new URL("../../../bench/peers/", import.meta.url));

interface Row {
  readonly group?: string;
  readonly contender?: string;
  readonly isDurable?: boolean;
  readonly median?: { readonly recordsPerSecond: number; readonly ackMicros: { readonly p50: number } };
  readonly oursToThis?: { readonly recordsPerSecond: { readonly median: number } };
}

test("Ringwall and the baselines in one run: a line each, work was done, nothing is left", async () => {
  const directory = mkdtempSync(path.join(tmpdir(), "ringwall-peers-"));
  try {
    const chosen = ["--peers", "O_DSYNC group commit,fdatasync per append", "--workloads", "1x1024,16x100x1024", "--seconds", "0.1", "--repeat", "2", "--no-trim", "--json"];
    const { stdout } = await run(process.execPath, [path.join(peers, "main.mjs"), "--dir", directory, ...chosen]);
    const [, ...rows] = stdout.trim().split("\n").map((line) => JSON.parse(line) as Row);
    const names = ["ringwall", "ringwall, spinning", "ringwall on node:fs", "O_DSYNC group commit", "fdatasync per append"];
    assert.deepEqual(rows.map(({ group, contender }) => `${group} ${contender}`), ["1x1024", "16x100x1024"].flatMap((workload) => names.map((name) => `${workload} ${name}`)));
    for (const row of rows) {
      assert.ok(row.isDurable === true && row.median!.recordsPerSecond > 0 && row.median!.ackMicros.p50 > 0 && row.oursToThis!.recordsPerSecond.median > 0, JSON.stringify(row));
    }
    assert.deepEqual(readdirSync(directory), []);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("what is not known is named, with what is", async () => {
  const refused = (args: readonly string[]): Promise<string> => run(process.execPath, [path.join(peers, "main.mjs"), ...args]).then(() => "", (error: { readonly code: number; readonly stderr: string }) => `${String(error.code)} ${error.stderr}`);
  assert.match(await refused(["--dir", tmpdir(), "--peers", "mongo"]), /^2 peers: there is no peer "mongo"; there are O_DSYNC group commit, .*hypercore/);
  assert.match(await refused([]), /^2 peers: --dir names a directory/);
});

test("--help lists every flag that is taken, and what can be chosen", async () => {
  const { stdout } = await run(process.execPath, [path.join(peers, "main.mjs"), "--help"]);
  const taken = [...readFileSync(path.join(peers, "main.mjs"), "utf8").matchAll(/"?([a-z-]+)"?: \{ type: "(?:string|boolean)"/g)].map(([, flag]) => flag as string).filter((flag) => flag !== "help");
  assert.ok(taken.length > 5);
  assert.deepEqual(taken.filter((flag) => !stdout.includes(`  --${flag} `)), []);
  assert.match(stdout, /256x1024.*\n.*hypercore/);
});

const flushed = (index: number): string => [
  `7 write(9</x/markers>, "begin ${String(index)}\\n", 8) = 8`,
  '8 pwrite64(5</x/data/log>, "ringwall", 1024, 0 <unfinished ...>',
  '7 write(6</x/data/ahead>, "\\0\\0\\0\\0"..., 4096) = 4096',
  "8 <... pwrite64 resumed>) = 1024",
  "8 fdatasync(5</x/data/log>) = 0",
  `7 write(9</x/markers>, "acknowledged ${String(index)}\\n", 15) = 15`,
].join("\n");

test("a trace is durable when every file is flushed after its last write, and only then", async () => {
  const { judge } = (await import(path.join(peers, "trace.mjs"))) as { judge: (trace: string, directory: string, markers: string) => string };
  const verdict = (trace: string): string => judge(trace, "/x/data", "/x/markers");
  const whole = Array.from({ length: 20 }, (_, index) => flushed(index)).join("\n");
  assert.equal(verdict(whole), "durable");
  assert.equal(verdict(whole.replaceAll(/.*fdatasync.*\n/g, "")), "append 0: acknowledged while log was written and not flushed");
  assert.equal(verdict(whole.replaceAll("fdatasync(5</x/data/log>) = 0", "fdatasync(5</x/data/log>) = -1 EIO (Input/output error)")), "append 0: acknowledged while log was written and not flushed");
  assert.equal(verdict(`7 openat(AT_FDCWD, "/x/data/log", O_WRONLY|O_DSYNC) = 5</x/data/log>\n${whole.replaceAll(/.*fdatasync.*\n/g, "")}`), "durable");
  assert.equal(verdict(whole.replaceAll(/.*pwrite64.*\n/g, "").replaceAll(/.*ahead.*\n/g, "")), "append 0: acknowledged although nothing was written");
  assert.equal(verdict(flushed(0)), "only 1 of 20 acknowledgements were seen");
});

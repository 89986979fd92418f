// Whether an acknowledgement is durable, by what the process asks of the kernel: between the begin of an append and its
// acknowledgement every file that was written must have been flushed after its last write, by fsync or fdatasync, or
// been written through O_DSYNC, O_SYNC or RWF_DSYNC.
//
//   node trace.mjs [NAME …]      needs strace (Debian package "strace")
//
// Exit code 1 when an adapter states what its trace does not show, or the other way round. Writes through io_uring don't show in
// a trace: of Ringwall the portable backend is traced; for io_uring see test/crash/power.test.ts.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { adapters } from "./adapters/adapters.mjs";

const calls = "openat,open,creat,close,dup,dup2,dup3,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,msync";
const child = fileURLToPath(new URL("trace-child.mjs", import.meta.url));

/** Finished calls in the order of their ends: { name, text, result }. */
function* finished(trace) {
  const pending = new Map();
  for (const line of trace.split("\n")) {
    const [, pid, rest] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (rest === undefined) continue;
    if (rest.endsWith("<unfinished ...>")) {
      pending.set(pid, rest.slice(0, -"<unfinished ...>".length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const whole = resumed === null ? rest : (pending.get(pid) ?? "") + resumed[1];
    const [, name, text, result] = /^(\w+)\((.*)\) += (-?\d+)/.exec(whole) ?? [];
    if (name !== undefined) yield { name, text, result: Number(result) };
  }
}

/** "durable", or what was acknowledged too early. */
export function judge(trace, directory, markers) {
  const synchronous = new Set();
  let dirty = new Map();
  let isInside = false;
  let acknowledged = 0;
  let writes = 0;
  for (const { name, text, result } of finished(trace)) {
    if (result < 0) continue;
    const [, descriptor, file] = /^(\d+)<([^>]*)>/.exec(text) ?? [];
    if (name === "openat" || name === "open") {
      const key = String(result);
      if (/O_DSYNC|O_SYNC/.test(text)) synchronous.add(key);
      else synchronous.delete(key);
    } else if (file === markers) {
      isInside = text.includes("begin");
      if (isInside) {
        dirty = new Map();
        writes = 0;
        continue;
      }
      if (writes === 0) return `append ${acknowledged}: acknowledged although nothing was written`;
      if (dirty.size > 0) return `append ${acknowledged}: acknowledged while ${[...dirty.keys()].map((dirtyFile) => path.relative(directory, dirtyFile)).join(", ")} was written and not flushed`;
      acknowledged++;
    } else if (isInside && file?.startsWith(directory)) {
      if (name === "fsync" || name === "fdatasync") dirty.delete(file);
      // Zeros prepare the space ahead; nothing is acknowledged that needs them.
      else if (name.includes("write") && !/"(\\0)+"/.test(text)) {
        writes++;
        if (!synchronous.has(descriptor) && !/RWF_D?SYNC/.test(text)) dirty.set(file, true);
      }
    }
  }
  return acknowledged === 20 ? "durable" : `only ${acknowledged} of 20 acknowledgements were seen`;
}

function traceOne(name) {
  const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-trace-")));
  const data = path.join(directory, "data");
  const output = path.join(directory, "trace");
  const markers = path.join(directory, "markers");
  fs.mkdirSync(data);
  try {
    const run = spawnSync("strace", ["-f", "-y", "-s", "32", "-e", `trace=${calls}`, "-o", output, process.execPath, child, name, data, markers], { encoding: "utf8", timeout: 120_000 });
    if (run.error?.code === "ENOENT") throw new Error("strace is not installed: apt-get install strace");
    if (run.status !== 0) return `not run: ${run.stderr.split("\n").find((line) => /Error|error/.test(line)) ?? `exit code ${run.status}`}`;
    return judge(fs.readFileSync(output, "latin1"), data, markers);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = process.argv.slice(2);
  const all = [{ name: "ringwall on node:fs", isDurable: true }, ...adapters].filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  for (const { name, isDurable } of all) {
    const verdict = traceOne(name);
    const isAsStated = verdict.startsWith("not run") || (verdict === "durable") === isDurable;
    if (!isAsStated) process.exitCode = 1;
    console.log(`${isAsStated ? "ok   " : "WRONG"} ${name}: ${verdict}`);
  }
}

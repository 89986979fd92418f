// `npm run leaks [-- --cycles 10000 --backends uring,fs --directory DIR]`: opens and closes logs, and looks at what stays behind.
//
// Prints descriptors, mapped rings, mappings and memory twenty times on the way, then the growth per cycle. Exit code 1 when
// descriptors, rings or mappings grow, or memory does by more than test/leaks/campaign.ts allows; 2 when it can't be told here.
// Each backend has a process of its own. On a file system in memory, where there is one: a cycle takes some milliseconds there.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { orExit, setup } from "./setup.mjs";

const script = fileURLToPath(import.meta.url);
const defaultDirectory = existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();

async function main() {
  const { values } = parseArgs({
    options: { cycles: { type: "string", default: "10000" }, backends: { type: "string", default: "uring,fs" }, directory: { type: "string", default: defaultDirectory }, one: { type: "string" } },
  });
  const cycles = Number(values.cycles);
  if (!Number.isSafeInteger(cycles) || cycles < 20) {
    console.error("leaks: --cycles takes a number from 20");
    return 2;
  }
  if (process.platform !== "linux") {
    console.error("leaks: not judged: it reads /proc, which is Linux's");
    return 2;
  }
  if (values.one !== undefined) return await runOne(values.one, cycles, values.directory);
  if (process.env.RINGWALL_BUILT !== "1") orExit(() => setup());
  const codes = values.backends.split(",").map((backend) => {
    return spawnSync(process.execPath, [script, "--one", backend, "--cycles", values.cycles, "--directory", values.directory], { stdio: "inherit" }).status ?? 1;
  });
  return Math.max(...codes) === 2 && codes.includes(1) ? 1 : Math.max(...codes);
}

async function runOne(backend, cycles, directory) {
  const { chooseStorage } = await import("../dist/storage/choose.js");
  const { judge, line, measureCycles } = await import("../build/test/leaks/campaign.js");
  try {
    chooseStorage({ backend });
  } catch (error) {
    console.error(`leaks: ${backend}: not judged: ${error.message}`);
    return 2;
  }
  const root = mkdtempSync(path.join(directory, "ringwall-leaks-"));
  try {
    console.log(`leaks: ${cycles} cycles on ${backend} in ${root}`);
    const started = performance.now();
    const samples = await measureCycles({ backend, root, cycles, onSample: (sample) => console.log(line(sample)) });
    const { findings, summary } = judge(samples);
    console.log(`leaks: ${backend}: ${summary}; ${((performance.now() - started) / 1000).toFixed(0)} s`);
    for (const finding of findings) console.error(`leaks: ${backend}: ${finding}`);
    return findings.length === 0 ? 0 : 1;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

process.exitCode = await main();

// Counts the system calls of another process: by strace, which names them and slows the process down, or by perf.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { CommandError } from "../../report-failure.js";

export interface CallCount {
  readonly calls: number;
  readonly seconds: number;
  /** Empty where the counter only counts. */
  readonly byName: Readonly<Record<string, number>>;
}

export interface CountRequest {
  /** Of the process, or of the thread. */
  readonly pid: number;
  readonly seconds: number;
  readonly isOneThread: boolean;
}

export interface CallCounter {
  readonly name: "strace" | "perf";
  count(request: CountRequest): Promise<CallCount>;
}

const strace: CallCounter = {
  name: "strace",
  count: async ({ pid, seconds, isOneThread }) => {
    const { text, elapsed } = await attach("strace", ["-c", ...(isOneThread ? [] : ["-f"]), "-p", String(pid)], seconds, /attached/);
    const byName = parseSummary(text);
    return { calls: Object.values(byName).reduce((sum, calls) => sum + calls, 0), seconds: elapsed, byName };
  },
};

const perf: CallCounter = {
  name: "perf",
  count: async ({ pid, seconds, isOneThread }) => {
    const { text, elapsed } = await attach("perf", ["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", isOneThread ? "-t" : "-p", String(pid)], seconds, null);
    const match = /^(\d+),[^,]*,raw_syscalls:sys_enter/m.exec(text);
    if (match === null) throw new CommandError(`perf counted no system calls: ${text.trim()}`, "COUNTER");
    return { calls: Number(match[1]), seconds: elapsed, byName: {} };
  },
};

/** Throws CommandError that says what to install. */
export function chooseCounter(wanted: "auto" | "strace" | "perf"): CallCounter {
  const found = [strace, perf].find(({ name }) => (wanted === "auto" || wanted === name) && isInstalled(name));
  if (found !== undefined) return found;
  const packages = { auto: "neither strace nor perf is installed: install the package strace (or linux-perf)", strace: "strace is not installed: install the package strace", perf: "perf is not installed: install the package linux-perf" };
  throw new CommandError(`system calls can't be counted: ${packages[wanted]}`, "NOT_INSTALLED");
}

function isInstalled(name: string): boolean {
  return spawnSync(name, ["--version"], { stdio: "ignore" }).error === undefined;
}

/** Runs a counter beside the process for `seconds` from when it says `ready`, or from its start; ends it by SIGINT, as Ctrl-C would. */
async function attach(program: string, args: readonly string[], seconds: number, ready: RegExp | null): Promise<{ readonly text: string; readonly elapsed: number }> {
  const counter = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let text = "";
  const closed = once(counter, "close");
  let isClosed = false;
  void closed.then(() => { isClosed = true; });
  await new Promise<void>((resolve) => {
    const onText = (): void => { if (ready === null || ready.test(text)) resolve(); };
    counter.stderr.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      onText();
    });
    counter.once("spawn", onText);
    counter.once("close", () => { resolve(); });
  });
  const started = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const elapsed = (performance.now() - started) / 1000;
  if (isClosed) throw new CommandError(`${program} could not watch the writing process: ${text.trim()}`, "COUNTER");
  counter.kill("SIGINT");
  await closed;
  return { text, elapsed };
}

/** The table of `strace -c`: per cent, seconds, µs a call, calls, perhaps errors, name. */
export function parseSummary(text: string): Record<string, number> {
  const byName: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const match = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z_]\w*)$/.exec(line);
    if (match !== null && match[2] !== "total") byName[match[2] as string] = Number(match[1]);
  }
  return byName;
}

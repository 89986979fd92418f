// The suite `syscalls`: system calls per second of a writing process under sustained load, counted from outside.

import { CommandError } from "../../report-failure.js";
import type { BenchContext } from "../bench-run.js";
import { logOptionsOf, type LogFlags } from "../log-settings.js";
import { backendsOf } from "./log-entrant.js";
import type { Entrant, OpenGroup, Settings, Suite, SuiteFlags } from "./suite.js";
import { chooseCounter, type CallCount, type CallCounter } from "./syscall-counter.js";
import { WriterProcess } from "./writer-process.js";

export interface SyscallsFlags extends SuiteFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly bytes: number;
  readonly callers: number;
  readonly counter: "auto" | "strace" | "perf";
}

interface SyscallFigures {
  /** Of all threads of the writing process. */
  readonly callsPerSecond: number;
  /** Of the thread that the log lives in. */
  readonly logThreadCallsPerSecond: number;
  /** While that thread alone was counted. */
  readonly logThreadRecordsPerSecond: number;
  readonly callsPerRecord: number;
  /** While all threads were counted: strace slows what it counts. */
  readonly recordsPerSecond: number;
}

export const syscallsSuite: Suite<SyscallsFlags> = {
  measures: [
    { path: "callsPerSecond", title: "calls/s", digits: 1, isCompared: true },
    { path: "logThreadCallsPerSecond", title: "of the log's thread", digits: 1, isCompared: true },
    { path: "logThreadRecordsPerSecond", title: "records/s then", digits: 0 },
    { path: "callsPerRecord", title: "calls/record", digits: 3 },
    { path: "recordsPerSecond", title: "records/s, all counted", digits: 0 },
  ],
  groups: (flags) => {
    const counter = chooseCounter(flags.counter);
    return [{ name: `${String(flags.callers)} callers, ${String(flags.bytes)} B, counted by ${counter.name}`, open: (context) => openGroup(flags, counter, context) }];
  },
};

async function openGroup(flags: SyscallsFlags, counter: CallCounter, { place, interrupt }: BenchContext): Promise<OpenGroup> {
  const writers: WriterProcess[] = [];
  const close = async (): Promise<void> => {
    for (const writer of writers) await writer.close();
  };
  const variants = backendsOf(flags.backend).flatMap((backend): Variant[] => {
    if (backend === "fs") return [{ name: "fs", backend, sqpoll: false, lane: "inline" }];
    return [
      { name: "uring", backend, sqpoll: false, lane: "inline" },
      { name: "uring, SQPOLL", backend, sqpoll: true, lane: "inline" },
      { name: "lane thread", backend, sqpoll: false, lane: "thread" },
      { name: "lane thread, SQPOLL", backend, sqpoll: true, lane: "thread" },
    ];
  });
  const [first] = variants as [Variant];
  const entrants: Entrant[] = [];
  try {
    for (const { name, backend, sqpoll, lane } of variants) {
      const writer = await WriterProcess.start({ directory: place.fresh("syscalls"), callers: flags.callers, bytes: flags.bytes, options: { ...logOptionsOf({ ...flags, backend }), sqpoll, lane } }, interrupt.signal);
      writers.push(writer);
      const settings = { backend, sqpoll, lane, callers: flags.callers, bytes: flags.bytes, segmentBytes: flags.segmentBytes ?? "default", counter: counter.name };
      entrants.push(new SyscallEntrant(writer, counter, { name, settings, ...(name === first.name ? {} : { reference: first.name }) }));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { entrants, close };
}

interface Variant {
  readonly name: string;
  readonly backend: "uring" | "fs";
  readonly sqpoll: boolean;
  readonly lane: "inline" | "thread";
}

class SyscallEntrant implements Entrant {
  readonly name: string;
  readonly settings: Settings;
  readonly reference?: string;
  readonly #writer: WriterProcess;
  readonly #counter: CallCounter;
  #byName: Readonly<Record<string, number>> = {};
  #ofThreadByName: Readonly<Record<string, number>> = {};

  constructor(writer: WriterProcess, counter: CallCounter, { name, settings, reference }: { readonly name: string; readonly settings: Settings; readonly reference?: string }) {
    this.name = name;
    this.settings = settings;
    if (reference !== undefined) this.reference = reference;
    this.#writer = writer;
    this.#counter = counter;
  }

  /** With the calls of the latest round, per second, where the counter names them. */
  get facts(): object {
    return { ...this.#writer.facts, callsPerSecondByName: this.#byName, logThreadCallsPerSecondByName: this.#ofThreadByName };
  }

  async round(seconds: number): Promise<SyscallFigures> {
    const { pid, threadId } = this.#writer;
    await this.#writer.run();
    const before = await this.#writer.records();
    const all = await this.#counter.count({ pid, seconds, isOneThread: false });
    const records = (await this.#writer.records()) - before;
    const beforeOne = await this.#writer.records();
    const one = await this.#counter.count({ pid: threadId, seconds, isOneThread: true });
    const recordsOfOne = (await this.#writer.records()) - beforeOne;
    await this.#writer.rest();
    if (records === 0) throw new CommandError("nothing was written while calls were counted: more --seconds", "COUNTER");
    this.#byName = perSecond(all);
    this.#ofThreadByName = perSecond(one);
    return {
      callsPerSecond: all.calls / all.seconds,
      logThreadCallsPerSecond: one.calls / one.seconds,
      logThreadRecordsPerSecond: recordsOfOne / one.seconds,
      callsPerRecord: all.calls / records,
      recordsPerSecond: records / all.seconds,
    };
  }
}

function perSecond({ byName, seconds }: CallCount): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(byName).map(([name, calls]) => [name, calls / seconds]));
}

// A writer's ring as rows of the table of features: what it was set up with, and why not otherwise.
//
// Everything here is read off the ring as the kernel made it, and off what registering was answered with; nothing is inferred
// from a kernel's version.

import { type BackendFeature, off, on } from "../features.js";
import type { WriterFlush } from "../storage.js";
import { setup, youngOpcode } from "./kernel-interface.js";
import type { Ring } from "./ring.js";
import { flagNames, type SqPollOptions } from "./ring-choice.js";

export interface RingFacts {
  readonly ring: Ring;
  readonly sqPoll: SqPollOptions | undefined;
  readonly ioPoll: BackendFeature;
  readonly completion: "wait" | "spin";
}

export interface WriterFacts {
  readonly flushWanted: WriterFlush;
  readonly flush: WriterFlush;
  readonly gatherCode: number;
  readonly registered: readonly BackendFeature[];
}

const deferReason = "nothing makes its descriptor readable before someone enters the ring: who waits in epoll would wait for ever";
const pollExcludes = "the kernel refuses it together with SQPOLL";

export function ringFeatures({ ring, sqPoll, ioPoll, completion }: RingFacts, { flushWanted, flush, gatherCode, registered }: WriterFacts): BackendFeature[] {
  const has = (flag: number): boolean => (ring.setupFlags & flag) !== 0;
  const isPolled = has(setup.sqPoll);
  return [
    on("ring", flagNames(ring.setupFlags), `${String(ring.entryCount)} entries`),
    has(setup.singleIssuer) ? on("SINGLE_ISSUER") : off("SINGLE_ISSUER", "refused: Linux has it from 6.0 on"),
    has(setup.coopTaskrun) ? on("COOP_TASKRUN") : off("COOP_TASKRUN", isPolled ? pollExcludes : "refused: Linux has it from 5.19 on"),
    has(setup.deferTaskrun) ? on("DEFER_TASKRUN") : off("DEFER_TASKRUN", isPolled ? pollExcludes : deferReason),
    isPolled ? on("SQPOLL", pollText(sqPoll), "asked for") : off("SQPOLL", "not asked for: it takes a processor"),
    ioPoll,
    ...registered,
    linkedFlush(flushWanted, flush),
    on("vectored writes", gatherCode === youngOpcode.writevFixed ? "WRITEV_FIXED" : "WRITEV"),
    on("completion", has(setup.ioPoll) && !isPolled ? "looks at the device on every turn" : completionText(isPolled, completion)),
  ];
}

function pollText(sqPoll: SqPollOptions | undefined): string {
  if (sqPoll === undefined) return "as the flags say";
  const { idleMillis, cpu } = sqPoll;
  return `sleeps after ${String(idleMillis)} ms and is woken by io_uring_enter, ${cpu === undefined ? "not pinned" : `pinned to CPU ${String(cpu)}`}`;
}

function completionText(isPolled: boolean, completion: "wait" | "spin"): string {
  if (completion === "spin") return "looks for 1 ms, then waits for the ring's descriptor";
  return isPolled ? "waits for the ring's descriptor" : "waits for the ring's descriptor; while two writes are in flight, looks for 0.3 ms first";
}

function linkedFlush(wanted: WriterFlush, flush: WriterFlush): BackendFeature {
  switch (flush) {
    case "linked":
      return on("linked flush", "write, then fdatasync, in one chain");
    case "dsync":
      return off("linked flush", "the flush method is dsync: a write is durable by itself");
    case "never":
      return off("linked flush", "durability is none");
    case "separate":
      return off("linked flush", wanted === "linked" ? "SQPOLL can't keep a chain together: separate instead" : "the flush method is separate");
  }
}

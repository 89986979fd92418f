// Which ring a writer gets: the setup flags in the order of preference, the best that this kernel takes.
//
// Owns: the order and its measurements. A kernel that does not know a flag answers EINVAL: then the next is tried.
//
// One durable 4 KiB write, from `write` to `onWritten` through the watched descriptor; Linux 6.18, 2 cores, ext4 on virtio,
// rounds interleaved, p50/p99 in µs; CPU per write at 4 in flight:
//   blocking in io_uring_enter, for comparison   219/403
//   plain                                        224/515   34-37 µs
//   COOP_TASKRUN                                 227/518   28-32 µs
//   COOP_TASKRUN, TASKRUN_FLAG                   227/543   31-41 µs
//   SINGLE_ISSUER                                229/511   36-37 µs
//   SINGLE_ISSUER, COOP_TASKRUN                  228/463   28-37 µs
// The latencies are equal; cooperation saves the interrupt, so it is preferred. DEFER_TASKRUN is out: nothing makes its
// descriptor readable before someone enters the ring, so whoever waits in epoll waits for ever (seen in C too).
// Polling by setImmediate (`completion: "spin"`) without yielding the processor had a p50 of 550-1080 µs here, for the loop
// starves the kernel's workers; with a sched_yield per turn it has 123 µs, where waiting has 171.

import type { NativeBinding } from "../../native/binding.js";
import { errno, setup } from "./kernel-interface.js";
import { openRing, type RingVerdict } from "./ring.js";

/** A kernel thread that takes entries without a system call. */
export interface SqPollOptions {
  /** After how long without work it sleeps; waking it costs about 34 µs. */
  readonly idleMillis: number;
  readonly cpu?: number;
}

export interface RingChoiceOptions {
  readonly entries: number;
  readonly sqPoll?: SqPollOptions | undefined;
  /** For polled I/O: it takes direct reads and writes only, and nothing completes unless someone looks. */
  readonly ioPoll?: boolean;
  /** For measurements only: exactly these IORING_SETUP_* flags. */
  readonly setupFlags?: number | undefined;
}

const inlineFlags: readonly number[] = [setup.singleIssuer | setup.coopTaskrun, setup.coopTaskrun, 0];

/** Cooperation is refused together with SQPOLL. */
const pollFlags: readonly number[] = [setup.sqPoll | setup.singleIssuer, setup.sqPoll];

const flagTexts: readonly (readonly [string, number])[] = [
  ["SQPOLL", setup.sqPoll],
  ["SQ_AFF", setup.sqAffinity],
  ["SINGLE_ISSUER", setup.singleIssuer],
  ["COOP_TASKRUN", setup.coopTaskrun],
  ["TASKRUN_FLAG", setup.taskrunFlag],
  ["DEFER_TASKRUN", setup.deferTaskrun],
  ["IOPOLL", setup.ioPoll],
];

/** Of IORING_SETUP_* flags, as the kernel names them. */
export function flagNames(flags: number): string {
  const names = flagTexts.flatMap(([name, flag]) => ((flags & flag) === 0 ? [] : [name]));
  return names.length === 0 ? "no flags" : names.join(", ");
}

export function chooseRing(native: NativeBinding, options: RingChoiceOptions): RingVerdict {
  const { entries, sqPoll, ioPoll = false } = options;
  if (options.setupFlags !== undefined) {
    return openRing(native, { entries, flags: options.setupFlags });
  }
  let verdict: RingVerdict | undefined;
  for (const flags of sqPoll === undefined ? inlineFlags : pollFlags) {
    const polling = sqPoll === undefined ? {} : { pollIdleMillis: sqPoll.idleMillis, ...(sqPoll.cpu === undefined ? {} : { pollCpu: sqPoll.cpu }) };
    verdict = openRing(native, { entries, flags: flags | (ioPoll ? setup.ioPoll : 0), ...polling });
    if (verdict.kind === "open" || verdict.errno !== errno.EINVAL) break;
  }
  return verdict as RingVerdict;
}

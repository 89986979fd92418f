// Which ring a writer gets: the setup flags in the order of preference, the best that this kernel takes.
//
// Owns: the order and its measurements. A kernel that knows a flag not at all answers EINVAL: then the next is tried.

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
  /** For measurements only: exactly these IORING_SETUP_* flags. */
  readonly setupFlags?: number | undefined;
}

const inlineFlags: readonly (readonly [string, number])[] = [
  ["cooperative task work", setup.coopTaskrun],
  ["plain", 0],
];

const pollFlags: readonly (readonly [string, number])[] = [
  ["SQPOLL, single issuer", setup.sqPoll | setup.singleIssuer],
  ["SQPOLL", setup.sqPoll],
];

/** `note` names what was taken, for `log.info`. */
export function chooseRing(native: NativeBinding, options: RingChoiceOptions): { readonly verdict: RingVerdict; readonly note: string } {
  const { entries, sqPoll } = options;
  if (options.setupFlags !== undefined) {
    return { verdict: openRing(native, { entries, flags: options.setupFlags }), note: `ring: flags ${String(options.setupFlags)}` };
  }
  let verdict: RingVerdict | undefined;
  for (const [name, flags] of sqPoll === undefined ? inlineFlags : pollFlags) {
    const polling = sqPoll === undefined ? {} : { pollIdleMillis: sqPoll.idleMillis, ...(sqPoll.cpu === undefined ? {} : { pollCpu: sqPoll.cpu }) };
    verdict = openRing(native, { entries, flags, ...polling });
    if (verdict.kind === "open") return { verdict, note: `ring: ${name}` };
    if (verdict.errno !== errno.EINVAL) break;
  }
  return { verdict: verdict as RingVerdict, note: "ring: none" };
}

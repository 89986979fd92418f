// What goes over the message port between a producer and the lane's thread: everything that is rare, or large.
//
// Records and their acknowledgements go through shared memory (command-ring.ts, answer-ring.ts). Reading goes through
// the port, since records are handed over without a copy there.

import type { MessagePort } from "node:worker_threads";
import type { LogInfo } from "../log/log.js";
import type { ResolvedOptions } from "../log/options.js";
import type { SentError } from "./error-transfer.js";

/** What the lane's thread is started with. */
export interface LaneThreadData {
  readonly directory: string;
  readonly options: ResolvedOptions;
}

/** The first message on the way to the lane's thread: a producer and the port to it. */
export interface AttachRequest {
  readonly ringwall: "attach";
  readonly memory: SharedArrayBuffer;
  readonly port: MessagePort;
}

export interface SentReadOptions {
  readonly from: number | undefined;
  readonly since: number | undefined;
  readonly to: number | undefined;
  readonly limit: number;
  readonly isTail: boolean;
}

/** To the lane's thread. `id` names a reading of this producer. */
export type ToLane =
  /** Commands are there and the lane sleeps. */
  | { readonly kind: "commands" }
  /** This producer can be woken by a completion in a ring: a descriptor of it, which is the receiver's to close. */
  | { readonly kind: "ring"; readonly descriptor: number }
  | { readonly kind: "read"; readonly id: number; readonly partition: string; readonly options: SentReadOptions }
  | { readonly kind: "next" | "return"; readonly id: number }
  /** Answered by two records without their bytes: the first and the last. */
  | { readonly kind: "times"; readonly id: number; readonly partition: string }
  | { readonly kind: "get"; readonly id: number; readonly partition: string; readonly sequence: number };

/** Records one after the other, in one piece of memory that changes hands. */
export interface SentRecords {
  readonly first: number;
  readonly times: Float64Array;
  /** Where each record ends in `data`. */
  readonly ends: Float64Array;
  readonly data: Uint8Array;
}

/** From the lane's thread. */
export type FromLane =
  | { readonly kind: "opened"; readonly info: LogInfo; readonly board: SharedArrayBuffer; readonly recordBytesMax: number; readonly wakesByRing: boolean }
  | { readonly kind: "refused"; readonly error: SentError }
  /** Answers are there, or room for commands. */
  | { readonly kind: "answers" }
  | { readonly kind: "failure"; readonly token: number; readonly error: SentError }
  | { readonly kind: "result"; readonly token: number; readonly sequences: readonly number[] }
  | { readonly kind: "records"; readonly id: number; readonly records: SentRecords | null }
  | { readonly kind: "unread"; readonly id: number; readonly error: SentError }
  /** The producer, or the whole log, has ended: nothing comes any more. */
  | { readonly kind: "closed"; readonly error: SentError | null };

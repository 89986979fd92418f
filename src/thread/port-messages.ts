// What goes over the message port between a producer and the lane's thread: everything that is rare, or large.
//
// Records and their acknowledgements go through shared memory (command-ring.ts, answer-ring.ts). Reading goes through
// the port, since records are handed over without a copy there.

import type { MessagePort } from "node:worker_threads";
import type { BackupProgress, BackupReport } from "../log/backup/backup.js";
import type { LogInfo } from "../log/log.js";
import type { ReclaimEvent, ResolvedOptions, ResolvedReclaim } from "../log/options.js";
import type { SentError } from "./error-transfer.js";

/** What the lane's thread is started with. */
export interface LaneThreadData {
  readonly directory: string;
  readonly options: Omit<ResolvedOptions, "reclaim">;
  readonly reclaim: SentReclaim | null;
}

/** Callbacks stay in the owner's thread: here is whether there are any. */
export interface SentReclaim extends Omit<ResolvedReclaim, "onReclaim" | "onStopped"> {
  readonly asks: boolean;
  readonly tells: boolean;
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

/** The payload of the command that begins a backup; `id` is one of this producer's, higher than all before. */
export interface SentBackup {
  readonly id: number;
  readonly directory: string;
  readonly bytesPerSecond: number | null;
  readonly tellsProgress: boolean;
}

/** To the lane's thread. `id` names a reading or a backup of this producer, or what the owner was asked. */
export type ToLane =
  /** Commands are there and the lane sleeps. */
  | { readonly kind: "commands" }
  /** This producer can be woken by a completion in a ring: a descriptor of it, which is the receiver's to close. */
  | { readonly kind: "ring"; readonly descriptor: number }
  | { readonly kind: "read"; readonly id: number; readonly partition: string; readonly options: SentReadOptions }
  | { readonly kind: "next" | "return"; readonly id: number }
  /** Answered by two records without their bytes: the first and the last. */
  | { readonly kind: "times"; readonly id: number; readonly partition: string }
  | { readonly kind: "get"; readonly id: number; readonly partition: string; readonly sequence: number }
  /** The backup's progress was heard; the backup is not wanted any more. */
  | { readonly kind: "heard" | "abort"; readonly id: number }
  /** The owner has trimmed what it wanted to. */
  | { readonly kind: "reclaim"; readonly id: number };

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
  /** Of a backup, which waits until this was heard. */
  | { readonly kind: "progress"; readonly id: number; readonly progress: BackupProgress }
  | { readonly kind: "backup"; readonly id: number; readonly report: BackupReport }
  | { readonly kind: "no backup"; readonly id: number; readonly error: SentError }
  /** To the owner: what reclaim is about to move, and what it can't. */
  | { readonly kind: "reclaim"; readonly id: number; readonly event: ReclaimEvent }
  | { readonly kind: "reclaim stopped"; readonly error: SentError }
  /** The producer, or the whole log, has ended: nothing comes any more. */
  | { readonly kind: "closed"; readonly error: SentError | null };

// One thing that a log can use, whether it is there, why not, and what lacking it costs.

import type { BackendFeature, FeatureName } from "../../storage/features.js";

export interface Feature {
  readonly name: string;
  readonly available: boolean;
  /** Which variant is used, when there are several. */
  readonly detail?: string;
  readonly reason?: string;
  readonly cost?: string;
  /** Off unless an option asks for it. */
  readonly optional?: boolean;
}

/** What lacking a feature costs; the names are those of the backend's table. */
export const costs: Readonly<Record<string, string>> = {
  "native addon": "checksums are computed in JavaScript, io_uring can't be used, and the lock relies on pids alone",
  "io_uring": "the portable backend: every durable write goes through a thread of libuv's pool; compare the measurements below",
  "COOP_TASKRUN": "completions interrupt the process one by one",
  "registered buffers": "the kernel looks up the memory of each write anew: a little CPU per block",
  "registered files": "the kernel looks up the file of each write anew: a little CPU per block",
  "direct I/O": "writes are copied through the page cache, which also takes memory from others",
  "IOPOLL": "{ iopoll: true } changes nothing; completions come by interrupt, as they do by default",
  "SQPOLL": "{ sqpoll: true } is refused; each block costs a system call, as it does by default",
};

const askedFor = new Set<FeatureName>(["SQPOLL", "IOPOLL", "vectored writes"]);

/** A row of the backend's table. */
export function featureOf({ name, isOn, detail, reason }: BackendFeature): Feature {
  const how = [detail, isOn ? reason : undefined].filter((part) => part !== undefined).join(": ");
  const why = isOn || reason === undefined ? {} : { reason };
  return withCost({ name, available: isOn, ...(how === "" ? {} : { detail: how }), ...why, ...(askedFor.has(name) && !isOn ? { optional: true } : {}) });
}

export function withCost(feature: Feature): Feature {
  const cost = costs[feature.name];
  return feature.available || cost === undefined ? feature : { ...feature, cost };
}

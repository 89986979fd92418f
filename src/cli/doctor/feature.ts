// One thing that a log can use, whether it is there, why not, and what lacking it costs.

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

/** What lacking a feature costs; the names are those of the backend's notes. */
export const costs: Readonly<Record<string, string>> = {
  "native addon": "checksums are computed in JavaScript, io_uring can't be used, and the lock relies on pids alone",
  "io_uring": "the portable backend: every durable write goes through a thread of libuv's pool; compare the measurements below",
  "ring": "completions interrupt the process one by one",
  "registered buffers": "the kernel looks up the memory of each write anew: a little CPU per block",
  "registered files": "the kernel looks up the file of each write anew: a little CPU per block",
  "direct I/O": "writes are copied through the page cache, which also takes memory from others",
  "IOPOLL": "{ iopoll: true } changes nothing; completions come by interrupt, as they do by default",
  "SQPOLL": "{ sqpoll: true } is refused; each block costs a system call, as it does by default",
};

/** A backend's note, such as "registered buffers: off: ENOMEM". */
export function featureOfNote(note: string): Feature {
  const [name = note, state = "", ...rest] = note.split(": ");
  const reason = rest.join(": ");
  if (state === "on") return { name, available: true };
  if (state === "off") return withCost({ name, available: false, reason });
  if (name === "ring" && state === "plain") return withCost({ name, available: false, detail: state, reason: "the kernel does not know cooperative task work (before Linux 5.19)" });
  return { name, available: true, detail: [state, reason].filter((part) => part !== "").join(": ") };
}

export function withCost(feature: Feature): Feature {
  const cost = costs[feature.name];
  return feature.available || cost === undefined ? feature : { ...feature, cost };
}

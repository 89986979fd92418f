// Builds whose retention, or whose reading since a moment, is broken, and who must notice: see list.mjs. Data only.

export const timeMutants = [
  {
    name: "retention takes what is written anew",
    breaks: "A segment that is given up takes the sequences that were truncated in it, and with them the records that were written anew behind it.",
    edits: [{ file: "src/log/retention-totals.ts", find: "let last = run === undefined ? 0 : lastLive(state, index.segment, run.lastSequence, false);", replace: "let last = run?.lastSequence ?? 0;" }],
    catchers: [{ test: "log/retention.test", name: "truncated records don't stand" }],
  },
  {
    name: "retention gives up one segment too many",
    breaks: "A log that fits exactly gives up its oldest segment.",
    edits: [{ file: "src/core/retention.ts", find: "this.#bytes + this.#options.reservedBytes <= this.#options.maxBytes", replace: "this.#bytes + this.#options.reservedBytes < this.#options.maxBytes" }],
    catchers: [{ test: "core/retention.test", name: "by size: the oldest segments" }],
  },
  {
    name: "retention does not keep",
    breaks: "What is kept goes with the segments that it lies in.",
    edits: [{ file: "src/log/retention.ts", find: "rule.isKept || ", replace: "" }],
    catchers: [{ test: "log/retention.test", name: "a partition that is kept keeps" }],
  },
  {
    name: "retention comes an age too early",
    breaks: "A segment comes of age with its first record, not with its newest.",
    edits: [{ file: "src/log/retention.ts", find: "let newest = baseTime;\n", replace: "let newest = baseTime;\n  if (newest > 0) return newest;\n" }],
    catchers: [{ test: "log/retention.test", name: "by age: what is younger stays" }],
  },
  {
    name: "retention does not wait for a truncation",
    breaks: "While a truncation waits for space, retention takes what it gives up for alive, and trims the sequences that were given out anew.",
    edits: [{ file: "src/log/retention.ts", find: "while (this.#lane(lane).truncationWaits) await", replace: "while (this.#isStopped) await" }],
    catchers: [{ test: "log/retention.test", name: "a truncation that waits" }],
  },
  {
    name: "since begins too late",
    breaks: "The search for a moment passes over a record that it has not looked at.",
    edits: [{ file: "src/log/read-times.ts", find: "{\n      bracket.low = sequence + 1;", replace: "{\n      bracket.low = sequence + 2;" }],
    catchers: [{ test: "log/since.test", name: "a clock that goes back" }],
  },
  {
    name: "since passes over what is lost",
    breaks: "A record that can't be read counts as too old, also where the next one is new enough.",
    edits: [{ file: "src/log/read-times.ts", find: "  bracket.high = middle;", replace: "  bracket.high = sequence;\n  if (sequence > middle) bracket.low = sequence;" }],
    catchers: [{ test: "log/since.test", name: "records that are lost are passed over only" }],
  },
];

// Mutants of what is known of producers: see list.mjs.

export const producerMutants = [
  {
    name: "producer's entry apart from its records",
    breaks: "What is known of a producer and what it appended are two writes.",
    edits: [{
      file: "src/log/partition-producers.ts",
      find: "this.#lane.appendAtomic([...records.map((data) => ({ state: this.#state, data })), { state: this.hidden, data: entry }])",
      replace: "(void this.#lane.appendAtomic([{ state: this.hidden, data: entry }]).catch(() => 0), this.#lane.appendAtomic(records.map((data) => ({ state: this.#state, data }))))",
    }],
    catchers: [{ test: "sim/producer-calls.test", name: "calls that wait for room" }],
  },
  {
    name: "producer's entry apart in the open block",
    breaks: "What is known of a producer is laid behind what it appended, and not with it.",
    edits: [{
      file: "src/log/partition-producers.ts",
      find: "    small.add(this.hidden, this.#entry.encode(call));\n    const done = small.append();",
      replace: "    const done = small.append();\n    if (done !== null) { small.begin(); small.add(this.hidden, this.#entry.encode(call)); small.append(); }",
    }],
    catchers: [{ test: "sim/producer-calls.test", name: "calls laid into the open block" }],
  },
  {
    name: "refused call is known",
    breaks: "A call that a full disk refused counts as appended.",
    edits: [{ file: "src/log/partition-producers.ts", find: "this.#table.takeBack(producer, seq);", replace: "" }],
    catchers: [{ test: "sim/producer-calls.test", name: "a full disk refused" }],
  },
  {
    name: "truncated call is known",
    breaks: "A call whose records were truncated away counts as appended.",
    edits: [{ file: "src/log/lane-producers.ts", find: "truncated.length === 0", replace: "truncated.length >= 0" }],
    catchers: [{ test: "log/producers.test", name: "what a truncation took away" }],
  },
];

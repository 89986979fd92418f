// A follower that overwrites conflicting suffixes until it is killed: says what it begins and what has resolved, a line each.

import fs from "node:fs";
import type { LogOptions } from "#src/index.js";
import { openStore } from "./raft-store.js";

const [directory = "", backend = "fs"] = process.argv.slice(2);
const store = await openStore(directory, { backend: backend as "fs", segmentBytes: 1024 * 1024, bufferBytes: 16 * 1024, bufferCount: 4 } satisfies LogOptions);
let { term } = store.state;

/** At once: what this process has said must be out when it is killed. */
function say(line: unknown): void {
  fs.writeSync(1, `${JSON.stringify(line)}\n`);
}

for (let round = 0; ; round++) {
  term++;
  say({ begin: "state", term });
  await store.setState({ term, votedFor: `node-${term % 3}` });
  say({ done: "state", term });
  const { firstIndex, lastIndex } = store;
  const first = Math.max(1, firstIndex, lastIndex + 1 - (round * 7) % 12);
  const count = 1 + (round * 5) % 30;
  say({ begin: "entries", first, count, term });
  await store.storeLogs(Array.from({ length: count }, (_, at) => ({ index: first + at, term, data: `${term} ${first + at} `.padEnd(1 + ((round * 977) % 9000), "x") })));
  say({ done: "entries", first, count, term });
  if (round % 8 === 7) {
    say({ begin: "compact", before: store.lastIndex - 40 });
    await store.deleteRange(1, store.lastIndex - 41);
    say({ done: "compact", before: store.lastIndex - 40 });
  }
}

// Mutants of reading beside a writer, and of backups: see list.mjs.

/** What a reader in another process is shown, and what goes into a copy. */
export const readerMutants = [
  {
    name: "follower shows what no horizon covers",
    breaks: "A reader beside a writer is given records that are written and not durable yet.",
    edits: [{ file: "src/recovery/lane-follower.ts", find: "const limit = Math.min(this.#horizon, this.#known.chain.nextBlock - 1);", replace: "const limit = this.#known.chain.nextBlock - 1;" }],
    catchers: [{ test: "log/lane-looks.test" }],
  },
  {
    name: "follower does not verify frames",
    breaks: "A reader beside a writer takes a block whose header continues the chain, whatever its frames are.",
    edits: [{ file: "src/recovery/lane-follower.ts", find: "seed, offset + blockHeaderBytes) === to;", replace: "seed, offset + blockHeaderBytes) >= 0;" }],
    catchers: [{ test: "log/lane-looks.test" }],
  },
  {
    name: "look overtaken by a release counts",
    breaks: "A reader's look that the writer overtook, by freeing the segments that it rests on, counts: it finds an empty table.",
    edits: [{ file: "src/log/lane-looks.ts", find: "if (before.epoch !== after.epoch || before.state !== after.state) return false;", replace: "if (before.epoch === after.epoch) return true;" }],
    catchers: [{ test: "log/lane-looks.test", name: "just before a release" }],
  },
  {
    name: "segments freed under a backup",
    breaks: "A writer frees and recycles segments that a backup is copying.",
    edits: [{ file: "src/log/segment-shelf.ts", find: "this.#keepers > 0 ? [] : ", replace: "this.#keepers > 1e9 ? [] : " }],
    catchers: [{ test: "log/backup.test" }],
  },
  {
    name: "recycled segment in a backup",
    breaks: "What a reader copied counts although the writer freed those segments meanwhile.",
    edits: [{ file: "src/log/backup/backup.ts", find: "const kept = await this.#source.keptFrom();\n    return", replace: "const kept = (await this.#source.keptFrom()).map(() => 0);\n    return" }],
    catchers: [{ test: "log/backup.test" }],
  },
  {
    name: "backup with what is not durable yet",
    breaks: "The copy's last segment goes on behind the block that counts.",
    edits: [{ file: "src/log/backup/backup.ts", find: "await this.#copier.copyRange(from, to, end);", replace: "await this.#copier.copyRange(from, to, Number.MAX_SAFE_INTEGER); void end;" }],
    catchers: [{ test: "log/backup.test" }],
  },
  {
    name: "a reader guesses the lane of a partition",
    breaks: "A reader takes a partition that does not exist yet for one of the first lane: of one that is made on another it never hears.",
    edits: [{ file: "src/log/lane-partition.ts", find: "return this.#home.candidates.length === 1 || ", replace: "return this.#home.candidates.length >= 1 || " }],
    catchers: [{ test: "log/unborn.test", name: "a reader of several lanes" }],
  },
  {
    name: "a reader waits for another partition",
    breaks: "What a tail beside a writer waits for does not become the partition that the writer makes.",
    edits: [{ file: "src/log/read-only-lane.ts", find: "this.table.reserve(fresh.name, this.unborn.get(fresh.name))", replace: "this.table.reserve(fresh.name)" }],
    catchers: [{ test: "log/unborn.test", name: "a reader of several lanes" }],
  },
  {
    name: "a name that came back is not looked up",
    breaks: "Who waited for the next partition of a name whose drop was refused goes on without the partition that has it.",
    edits: [{ file: "src/log/lane-partition.ts", find: 'state.life !== "kept" || state.id === 0)', replace: 'state.life !== "kept")' }, { file: "src/log/lane-partition.ts", find: "waited?.drop();", replace: "" }],
    catchers: [{ test: "log/disk-full.test", name: "a drop that is refused" }],
  },
  {
    name: "past truncation forgotten",
    breaks: "Once all segments up to a truncation are freed nothing names it: a tail that did not look goes on behind records that were written anew.",
    edits: [{ file: "src/core/truncations.ts", find: "return past.concat(list.slice(pastCount));", replace: "return list.slice(pastCount);" }],
    catchers: [{ test: "sim/missed-truncations.test", name: "is told to it" }],
  },
  {
    name: "past truncation stands for itself alone",
    breaks: "Of past truncations that are let go the lowest place is lost: a tail that missed them goes back too little.",
    edits: [{ file: "src/core/truncations.ts", find: "after: at === 0 ? lowest.after : truncation.after", replace: "after: truncation.after" }],
    catchers: [{ test: "core/truncations.test", name: "whoever knows an earlier moment" }],
  },
  {
    name: "past truncation told again",
    breaks: "A tail that knows a truncation is told of it once more when another one comes, or when it is past.",
    edits: [{ file: "src/core/truncations.ts", find: "list.find((truncation) => isBehind(truncation, last))", replace: "list.find(() => isBehind(last, { ...last, offset: -1 }))" }],
    catchers: [{ test: "sim/missed-truncations.test", name: "not told again" }],
  },
  {
    name: "past before its segments are gone",
    breaks: "A reader beside a writer takes a truncation for past as soon as a checkpoint says so, while it still reads the segments in which that one hides records.",
    edits: [{ file: "src/core/settle-checkpoint.ts", find: "else if (gap || hasGuessed) state.truncations", replace: "else state.truncations" }],
    catchers: [{ test: "log/lane-looks.test", name: "that is past in the next checkpoint" }],
  },
  {
    name: "truncation between an error and its telling",
    breaks: "A tail that ends for a truncation is not told of a lower one that comes while its reads end.",
    edits: [{ file: "src/log/read-batches.ts", find: "passedErrors.has(error.code);", replace: "passedErrors.has(\"RINGWALL_IO\");" }],
    catchers: [{ test: "log/read-between.test", name: "while a tail ends" }],
  },
  {
    name: "past truncation hidden by a trim",
    breaks: "A tail of which records were truncated and then trimmed is told of the trim alone.",
    edits: [{ file: "src/log/read-walk.ts", find: "if (cut !== null) throw cut;", replace: "if (cut !== null && cursor.expected >= state.firstSequence) throw cut;" }],
    catchers: [{ test: "sim/missed-truncations.test", name: "records trimmed up to behind a tail's place" }],
  },
  {
    name: "get of what is not durable",
    breaks: "A record is got that was written and is not durable yet.",
    edits: [{ file: "src/log/point-read.ts", find: " || sequence > state.durableSequence", replace: "" }],
    catchers: [{ test: "log/read.test" }],
  },
  {
    name: "another record for the wanted one",
    breaks: "Where the index leads to another record of the partition, that one is returned.",
    edits: [{ file: "src/log/block-cursor.ts", find: "if (sequence === expected && (shape & shapeMask) === whole", replace: "if ((shape & shapeMask) === whole" }],
    catchers: [{ test: "log/read.test" }, { test: "log/point-read.test" }],
  },
  {
    name: "stride kept where records lie elsewhere",
    breaks: "The index says of records of different sizes that they lie at equal distances.",
    edits: [{ file: "src/core/growing-runs.ts", find: "    if (goesOn) return false;\n    rows[row + strideAt] = strideNone;\n", replace: "    if (goesOn) return false;\n    this.#keepStride(slot);\n    rows[row + nextPositionAt] = entryPosition;\n" }],
    catchers: [{ test: "core/segment-index.test" }],
  },
  {
    name: "stride over records that are missing",
    breaks: "The index says where records are that nobody has: what lies behind them is looked for at wrong places.",
    edits: [{ file: "src/core/growing-runs.ts", find: "const isNext = sequence === (rows[row + lastAt] as number) + 1;", replace: "const isNext = sequence > 0;" }],
    catchers: [{ test: "core/segment-index.test" }],
  },
  {
    name: "stride of an index file not checked against its neighbour",
    breaks: "An index file whose strides lead into the next entry's records, or out of the segment, counts.",
    edits: [{ file: "src/format/index-file.ts", find: "const before = position + Math.max(0, step - 1) * stride;", replace: "const before = position;" }],
    catchers: [{ test: "format/index-file.test" }],
  },
  {
    name: "tails are not told of a drop",
    breaks: "Who waits for records of a partition that is dropped goes on waiting.",
    edits: [{ file: "src/log/placer.ts", find: "this.#tail.lowerTouched(state, 0);\n    block.touch(state);", replace: "this.#tail.lowerTouched(state, 0);" }],
    catchers: [{ test: "log/durable-waiters.test", name: "hears of its record" }],
  },
  {
    name: "tail waits for another without a look",
    breaks: "A tail that comes to where another one waits is not told that what it gave was truncated and written anew.",
    edits: [{ file: "src/log/read-batches.ts", find: "if (isOutdated) return false;", replace: "if (isOutdated && expected < 0) return false;" }],
    catchers: [{ test: "log/shared-tails.test", name: "is told when it comes there" }],
  },
];

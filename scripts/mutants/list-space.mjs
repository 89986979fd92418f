// The part of list.mjs about what goes away: trims, truncations, drops, checkpoints, recycling. Data only.

import { cut, placed } from "./sim-catchers.mjs";

export const space = [
  {
    name: "a dropped id is used again",
    breaks: "The checkpoint does not say which ids were given out: that of the partition dropped last goes to the next one, and old segments hold records of both.",
    edits: [{ file: "src/log/tail.ts", find: "this.putFrame(block, flags, 0, checkpoint.highestId, payload);", replace: "this.putFrame(block, flags, 0, 0, payload);" }],
    catchers: [{ test: "log/drop.test", name: "the last id given out" }],
  },
  {
    name: "overwrite truncates at once",
    breaks: "The truncation of an overwrite is in force as soon as its own frame is placed: a checkpoint in the middle of its group says so, and a crash there leaves the truncated middle.",
    edits: [{ file: "src/log/placer.ts", find: "if (effects !== null) effects.push(", replace: "if (effects !== null && item.kind === \"truncate\") this.#truncate(item.state, index, block.fileOffset + frameOffset, item.after);\n    else if (effects !== null) effects.push(" }],
    catchers: [{ test: "log/overwrite.test", name: "larger than blocks and segments" }],
  },
  {
    name: "overwrite truncates outside its group",
    breaks: "The truncation of an overwrite counts by itself: a crash behind it leaves neither the old records nor the new ones.",
    edits: [{ file: "src/log/placer.ts", find: "this.#tail.putFrame(block, kindBits(frameKind.truncate) | groupFlags(operation, isLast), item.state.id, item.after, emptyBytes);\n    this.#note(operation, block, item, frameOffset);\n    operation.itemIndex++;\n    this.#handlePlaced(operation, block, isLast);", replace: "this.#tail.putFrame(block, kindBits(frameKind.truncate), item.state.id, item.after, emptyBytes);\n    this.#note(operation, block, item, frameOffset);\n    operation.itemIndex++;" }],
    catchers: [cut("dsync, truncations")],
  },
  {
    name: "a refused overwrite has truncated",
    breaks: "On a full disk an overwrite is refused, and the sequences of what it would have taken away are given out again.",
    edits: [{ file: "src/log/operation.ts", find: 'item.kind === "record" ? item.sequence - 1 : item.before', replace: 'item.kind === "record" ? item.sequence - 1 : item.after' }],
    catchers: [placed("full disk: an overwrite that is refused"), { test: "log/disk-full.test", name: "an overwrite that is refused" }],
  },
  {
    name: "trim resolves when it is placed",
    breaks: "`trim` and `truncate` resolve before their control record is durable.",
    edits: [{ file: "src/log/placer.ts", find: "emptyBytes);\n    block.touch(state);\n    block.addWaiter(resolve, 0);", replace: "emptyBytes);\n    block.touch(state);\n    resolve(0);" }],
    catchers: [cut("dsync, trims")],
  },
  {
    name: "drop resolves when it is placed",
    breaks: "`drop` resolves before its control record is durable: a power loss brings the partition back, beside what took its name.",
    edits: [{ file: "src/log/placer.ts", find: "this.#tail.lowerTouched(state, 0);\n    block.touch(state);\n    block.addWaiter(resolve, 0);", replace: "this.#tail.lowerTouched(state, 0);\n    block.touch(state);\n    resolve(0);" }],
    catchers: [placed("a drop resolves when it is durable")],
  },
  {
    name: "segment freed behind half a checkpoint",
    breaks: "On a full disk the segments before one without room for its checkpoint are freed: a kill leaves none that holds the lane's state.",
    edits: [{ file: "src/log/segment-shelf.ts", find: "isCheckpointPlaced ? -1 : -2", replace: "isCheckpointPlaced ? -1 : -1" }],
    catchers: [placed("no room for its checkpoint")],
  },
  {
    name: "segment recycled before the trim is durable",
    breaks: "A segment is freed on the word of a trim that a power loss takes back.",
    edits: [{ file: "src/log/segment-shelf.ts", find: "const horizon = await barrier();", replace: "const horizon = 0;" }],
    catchers: [{ test: "log/review-findings.test" }, placed("a drop that is not durable frees no segment")],
  },
  {
    name: "segment recycled before the superblock knows",
    breaks: "Segments are renamed or removed before the superblock names the first that is kept.",
    edits: [{ file: "src/log/segment-shelf.ts", find: "await this.#settings.updateSuperblock({ firstSegment: firstKept, horizon });", replace: "void this.#settings.updateSuperblock({ firstSegment: firstKept, horizon });" }],
    catchers: [{ test: "sim/recycling.test" }],
  },
  {
    name: "live segment recycled",
    breaks: "A segment goes although a record in it was neither trimmed nor truncated.",
    edits: [{ file: "src/log/segment-shelf.ts", find: "lastLive(state, segment, run.lastSequence, isMoved) >= state.firstSequence", replace: "lastLive(state, segment, run.lastSequence, isMoved) > state.firstSequence" }],
    catchers: [cut("dsync, trims")],
  },
  {
    name: "a group without end",
    breaks: "A group that never ends is kept in memory however long it is: such a log exhausts the heap of whoever opens it.",
    edits: [{ file: "src/core/pending-group.ts", find: "return this.frameCount >= groupFramesMax;", replace: "return false;" }],
    catchers: [{ test: "core/replay.test", name: "a group that never ends" }],
  },
  {
    name: "a batch that is never read again",
    breaks: "A batch of more frames than a group may have is acknowledged, and the next opening takes it for damage.",
    edits: [{ file: "src/log/atomic-group.ts", find: "if (frames <= groupFramesMax) return;", replace: "if (frames > 0) return;" }],
    catchers: [{ test: "log/round-trip.test", name: "as many records as a group" }],
  },
  {
    name: "copies over segments' ends",
    breaks: "A copy in fragments goes over the end of a segment and links it with the next: neither can be freed alone.",
    edits: [{ file: "src/log/placer.ts", find: "if (operation.itemBytes === 0 && whole > this.#tail.frameBytesMax) this.#tail.keepTogether(", replace: "if (operation.itemBytes < 0) this.#tail.keepTogether(" }],
    catchers: [{ test: "log/reclaim.test", name: "copies in fragments" }],
  },
  {
    name: "twice the disk that the factor allows",
    breaks: "Live records are moved later than the factor says: disk use grows beyond what is stated.",
    edits: [{ file: "src/log/reclaim.ts", find: "return used - (reclaim?.factor ?? 0) * live -", replace: "return used - 2 * (reclaim?.factor ?? 0) * live -" }],
    catchers: [{ test: "sim/reclaim-bound.test", name: "whatever the pattern" }],
  },
  {
    name: "writers outrun reclaim",
    breaks: "Writers are never held: while they append faster than records are moved, disk use grows beyond what is promised.",
    edits: [{ file: "src/log/writer-allowance.ts", find: "const isHeld = this.#upTo <= this.#appended;", replace: "const isHeld = false;" }],
    catchers: [{ test: "sim/reclaim-bound.test", name: "while writers append" }],
  },
  {
    name: "writers run on beyond the bound",
    breaks: "Writers keep their pace however much disk is used.",
    edits: [{ file: "src/log/reclaim.ts", find: "this.#allowance.give(0);", replace: "this.#allowance.give(chunkBytes);" }],
    catchers: [{ test: "sim/reclaim-bound.test", name: "while writers append" }],
  },
  {
    name: "copies behind held records",
    breaks: "Copies wait in the queue behind records that wait for them.",
    edits: [{ file: "src/log/lane.ts", find: "placedBytes: 0, resolve }), \"pushFirst\")", replace: "placedBytes: 0, resolve }), \"push\")" }],
    catchers: [{ test: "sim/reclaim-bound.test", name: "while writers append" }],
  },
  {
    name: "moved without a pause",
    breaks: "Nothing is left to others while records are moved and nobody writes here.",
    edits: [{ file: "src/log/reclaim.ts", find: "?? idleBytesPerSecond);", replace: "?? 100 * idleBytesPerSecond);" }],
    catchers: [{ test: "sim/reclaim-bound.test", name: "while nobody writes" }],
  },
  {
    name: "freed without copies",
    breaks: "Segments at the head go although their live records were not moved on.",
    edits: [{ file: "src/log/reclaim.ts", find: "if (!(await this.#move(await this.#roundOf(segments)))) return;", replace: "" }],
    catchers: [{ test: "log/reclaim.test", name: "a partition that is never trimmed" }],
  },
  {
    name: "a dead record moved for the live one",
    breaks: "Of a sequence that was truncated and written anew among what goes, the dead record is copied.",
    edits: [{ file: "src/log/live-sweep.ts", find: "return !state.isTruncated(sequence, index.segment, position) &&", replace: "return" }],
    catchers: [{ test: "log/reclaim.test", name: "of records that were truncated and written anew" }],
  },
  {
    name: "moved after it was truncated",
    breaks: "A copy is placed of a record that was truncated since it was read.",
    edits: [{ file: "src/log/placer.ts", find: "if (operation.itemBytes === 0 && !this.#isLive(item)) operation.itemIndex++;\n      else if", replace: "if" }],
    catchers: [placed("what is truncated between its reading and its copy")],
  },
  {
    name: "half a group recycled",
    breaks: "A segment goes while a group that begins in it goes on in the next.",
    edits: [{ file: "src/log/segment-shelf.ts", find: "if (!index.goesOn) count = dead.length;", replace: "count = dead.length;" }],
    catchers: [{ test: "log/freed-segments.test", name: "a batch of which all" }],
  },
  {
    name: "checkpoint as it was made ahead",
    breaks: "What is appended, trimmed or created between the slices of a checkpoint is not in it: recovery finds damage, or gives sequences out again.",
    edits: [{ file: "src/log/tail.ts", find: "if (this.#draft !== null) noteChanges(this.#draft, block);", replace: "" }],
    catchers: [{ test: "sim/checkpoint-ahead.test", millisMax: 300_000 }],
  },
  {
    name: "checkpoint with what was dropped",
    breaks: "A partition that is dropped or truncated between the slices of a checkpoint is in it as it was.",
    edits: [{ file: "src/log/tail.ts", find: "this.#draft?.handleChange(state.id);", replace: "" }],
    catchers: [{ test: "sim/checkpoint-ahead.test", millisMax: 300_000 }],
  },
  {
    name: "truncation forgotten at the checkpoint",
    breaks: "A checkpoint names no truncations: truncated records come back beside those that were written anew.",
    edits: [{ file: "src/core/partition-table.ts", find: "truncations: this.truncations,\n    };", replace: "truncations: [],\n    };" }],
    catchers: [cut("dsync, truncations")],
  },
  {
    name: "checkpoint with sequences not placed yet",
    breaks: "A checkpoint counts sequences that were given out and lie behind it.",
    edits: [{ file: "src/core/partition-table.ts", find: "lastSequence: this.placedSequence,\n      truncations", replace: "lastSequence: this.lastSequence,\n      truncations" }],
    catchers: [cut("dsync, appends")],
  },
  {
    name: "index of an open group",
    breaks: "A segment is sealed when its own blocks are durable, although its last group goes on: a dropped group comes back with the index.",
    edits: [{ file: "src/log/tail.ts", find: "lastBlock: this.groupIsOpen ? untilGroupEnds : this.#nextBlock - 1", replace: "lastBlock: this.#nextBlock - 1" }],
    catchers: [{ test: "log/review-findings.test" }],
  },
  {
    name: "directory not synced for a new segment",
    breaks: "A segment takes blocks before its name is durable: a power loss takes the whole file.",
    edits: [{ file: "src/log/segment-supply.ts", find: "await files.syncDirectory(directory);\n", replace: "" }],
    catchers: [cut("dsync, appends")],
  },
];

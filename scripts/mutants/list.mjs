// Builds of Ringwall that are broken on purpose, and who must notice. Data only.
//
//   name      what is broken, in a few words
//   breaks    one sentence: what it does, and which guarantee goes
//   edits     text of the source, there exactly once, and what stands in its place
//   catchers  each of them must catch it:
//               { seeds: N }             simulated lives from seed 1 on; one of them must find something wrong
//               { test: PATH, name? }    a test file below test/, or its tests whose title contains `name`
//             `hangs: true`: not ending within `millisMax` counts, too.
//
// A mutant is never made worse so that it is caught. One that survives asks for a test.

import { space } from "./list-space.mjs";
import { producerMutants } from "./producer-mutants.mjs";
import { readerMutants } from "./reader-mutants.mjs";
import { cut, placed } from "./sim-catchers.mjs";
import { timeMutants } from "./time-mutants.mjs";

/** The way of a block: group commit, tail, lane. */
const writing = [
  {
    name: "acknowledged before the flush",
    breaks: "Blocks are written and never flushed: a power loss takes what was acknowledged.",
    edits: [{ file: "src/log/lane.ts", find: "flush: settings.flush,", replace: 'flush: "never",' }],
    catchers: [cut("dsync, appends")],
  },
  {
    name: "horizon read after the cut",
    breaks: "A block states that all before it are durable, although they are in flight: a torn tail is then reported as damage.",
    edits: [{ file: "src/log/tail.ts", find: "horizon: this.stableBlock,", replace: "horizon: block.sequence - 1," }],
    catchers: [cut("dsync, appends")],
  },
  {
    name: "horizon over a gap",
    breaks: "The horizon follows the latest completion, not the first gap: a block counts as durable while one before it is in flight.",
    edits: [{ file: "src/core/group-commit.ts", find: "while ((this.#completed & 1) !== 0) {", replace: "while (this.#completed !== 0) {" }],
    catchers: [{ test: "core/group-commit.test" }, cut("slow, appends")],
  },
  {
    name: "acknowledged out of order",
    breaks: "A block's appends resolve when its own write is through, whether or not those before it are.",
    edits: [{ file: "src/log/tail.ts", find: "const before = this.commit.horizon;\n", replace: "const before = this.commit.horizon;\n    block.releaseWaiters();\n" }],
    catchers: [cut("slow, appends")],
  },
  {
    name: "buffer free before its write is through",
    breaks: "A block's buffer is filled anew while the device still reads it.",
    edits: [{ file: "src/log/tail.ts", find: "supply.handleTail(ready, last.fileOffset + last.blockBytes);", replace: "supply.handleTail(ready, last.fileOffset + last.blockBytes);\n    this.#free.unshift(last);" }],
    catchers: [cut("slow, appends")],
  },
  {
    name: "failed flush ignored",
    breaks: "A write or flush that failed counts as done, and what it carried is acknowledged.",
    edits: [{ file: "src/log/lane.ts", find: "if (error !== null) {\n      this.#fail(error);\n      return;\n    }\n    if (!this.#tail", replace: "if (!this.#tail" }],
    catchers: [placed("that fails acknowledges nothing"), { test: "log/poison.test" }],
  },
  {
    name: "not poisoned by a failed flush",
    breaks: "Pending appends reject, and the lane goes on taking more behind a hole.",
    edits: [{ file: "src/log/lane.ts", find: 'this.#state = { kind: "poisoned", error };\n    this.#timers.cancel();', replace: "this.#timers.cancel();" }],
    catchers: [placed("that fails acknowledges nothing"), { test: "log/poison.test" }],
  },
  {
    name: "sync resolves at once",
    breaks: "`sync` resolves without waiting for what was accepted before it.",
    edits: [{ file: "src/log/lane.ts", find: "if (!this.#tail.addWaiterForAll(operation.resolve)) operation.resolve(0);", replace: "operation.resolve(0);" }],
    catchers: [cut("interval, appends"), { test: "log/order.test", name: "sync makes durable" }],
  },
  {
    name: "sync without the files under none",
    breaks: "In the mode `none` `sync` waits for the writes and asks for no flush.",
    edits: [{ file: "src/log/lane.ts", find: 'await this.#inQueue((resolve) => ({ kind: "sync", resolve }));\n    if (this.settings.flush === "never") await this.#syncFiles();', replace: 'await this.#inQueue((resolve) => ({ kind: "sync", resolve }));'  }],
    catchers: [cut("none, appends")],
  },
  {
    name: "close does not wait for what is in flight",
    breaks: "`close` says in the superblock that the lane is closed while its last blocks are on their way.",
    edits: [
      { file: "src/log/lane.ts", find: "await this.#conditions.wait(() => this.#isQuiet());", replace: "" },
      { file: "src/log/lane.ts", find: "await this.#conditions.wait(() => this.#tail.commit.inFlight === 0);", replace: "" },
    ],
    catchers: [cut("dsync, appends")],
  },
  {
    name: "idle tail never flushed under interval",
    breaks: "In the mode `interval` records that fill no block stay in memory until the next one comes.",
    edits: [{ file: "src/log/lane-timers.ts", find: 'if (state() !== "poisoned" && tail.holdsFrames) tail.closeBlock();', replace: "" }],
    catchers: [{ test: "log/durability.test", name: "interval: durable once the time is over", hangs: true, millisMax: 20_000 }],
  },
  {
    name: "no beacon",
    breaks: "An idle lane leaves its last acknowledged block uncovered: damage to it passes for a torn tail.",
    edits: [{ file: "src/log/lane-timers.ts", find: 'if (this.#beaconArmed || settings.flush === "never") return;', replace: "return;" }],
    catchers: [{ test: "log/idle.test", name: "the last acknowledged record is covered", hangs: true, millisMax: 20_000 }],
  },
  {
    name: "batch resolves with its first block",
    breaks: "A record over several blocks is acknowledged with the block in which it begins.",
    edits: [{ file: "src/log/lane.ts", find: "const block = this.#placer.placeRecords(operation);\n        if (block === null) return false;", replace: "const block = this.#placer.placeRecords(operation);\n        if (block === null) {\n          if (operation.started) operation.resolve?.(operation.value);\n          return false;\n        }" }],
    catchers: [cut("dsync, batches")],
  },
];

/** Opening: superblock, epochs, lock. */
const opening = [
  {
    name: "parent directory not synced",
    breaks: "The log's own name in its parent is not durable: a power loss takes the whole log.",
    edits: [{ file: "src/log/open-log.ts", find: 'await storage.files.syncDirectory(parent === "" ? "." : parent);', replace: "" }],
    catchers: [cut("dsync, appends")],
  },
  {
    name: "lane directories not synced",
    breaks: "The names of lanes and superblock are not durable when the first append is acknowledged.",
    edits: [
      { file: "src/log/open-log.ts", find: "await storage.files.syncDirectory(directory);\n  const parent", replace: "const parent" },
      { file: "src/log/open-log.ts", find: "await storage.files.syncDirectory(directory);\n  await createSuperblock", replace: "await createSuperblock" },
      { file: "src/recovery/superblock-file.ts", find: "await files.syncDirectory(directory);\n}\n\n/** Durable", replace: "}\n\n/** Durable" },
    ],
    catchers: [cut("dsync, appends")],
  },
  {
    name: "superblock renamed before it is synced",
    breaks: "The superblock gets its name before its bytes are durable: a power loss leaves a name with nothing behind it.",
    edits: [{ file: "src/recovery/superblock-file.ts", find: "await file.writeAt(joined(superblock, [0, 1, 2, 3]), 0);\n    await file.sync();", replace: "await file.writeAt(joined(superblock, [0, 1, 2, 3]), 0);" }],
    catchers: [{ test: "sim/opening.test", name: "gets its name" }],
  },
  {
    name: "superblock written in place at once",
    breaks: "All four copies are written together: power lost half-way leaves none that verifies.",
    edits: [{ file: "src/recovery/superblock-file.ts", find: "for (const pair of await pairOrder(file)) {", replace: "await pairOrder(file);\n    for (const pair of [[0, 1, 2, 3]]) {" }],
    catchers: [{ test: "recovery/superblock-file.test" }],
  },
  {
    name: "superblock's newest pair written first",
    breaks: "The pair that holds the newest generation is overwritten first: after damage to the other nothing is left.",
    edits: [{ file: "src/recovery/superblock-file.ts", find: "return first > second ? [pairs[1], pairs[0]] : pairs;", replace: "return pairs;" }],
    catchers: [{ test: "recovery/superblock-file.test" }],
  },
  {
    name: "epoch used twice",
    breaks: "An opening writes under its predecessor's epoch: dead blocks pass for live ones.",
    edits: [
      { file: "src/log/open-log.ts", find: "epoch: before.epoch + 1,", replace: "epoch: Math.max(1, before.epoch)," },
      { file: "src/log/open-log.ts", find: "epoch: (lanes[lane] as LaneRecord).epoch + 1,", replace: "epoch: Math.max(1, (lanes[lane] as LaneRecord).epoch)," },
    ],
    catchers: [cut("dsync, appends")],
  },
  {
    name: "epoch written before it is durable",
    breaks: "Blocks of an epoch are written before the superblock knows it.",
    edits: [{ file: "src/log/open-log.ts", find: "await superblock.updateLanes(changes);", replace: "void superblock.updateLanes(changes);" }],
    catchers: [cut("slow, appends")],
  },
  {
    name: "block written by age before its epoch is durable",
    breaks: "The timer of a segment's age may write a block while the superblock is on its way.",
    edits: [{ file: "src/log/lane-timers.ts", find: "if (settings.segmentAgeMs === 0 || !this.#hasBegun) return;", replace: "if (settings.segmentAgeMs === 0) return;" }],
    catchers: [{ test: "sim/opening.test" }],
  },
  {
    name: "lock not taken",
    breaks: "A second writer opens the same log.",
    edits: [{ file: "src/log/open-log.ts", find: "const unlock = await storage.lock(directory);", replace: "const unlock = (): Promise<void> => Promise.resolve();" }],
    catchers: [{ test: "log/open-refused.test" }],
  },
  {
    name: "lock of the living taken for dead",
    breaks: "A lock whose owner lives counts as free.",
    edits: [{ file: "src/storage/lock.ts", find: 'if (verdict === "held") return portable === "alive" ? "held" : "unclear";', replace: 'if (verdict === "held") return "free";' }],
    catchers: [{ test: "storage/fs.test", name: "owner with the addon, other with: held while the owner lives" }],
  },
];

/** What bytes are accepted. */
const format = [
  {
    name: "block checksum without its position",
    breaks: "A block's checksum says nothing about where it stands: a misplaced write passes.",
    edits: [{ file: "src/format/block.ts", find: "const placed = crc32cNumber(highHalf(position), crc32cNumber(lowHalf(position), seed));", replace: "const placed = seed + 0 * (highHalf(position) + lowHalf(position) + crc32cNumber(0, 0));" }],
    catchers: [{ test: "format/block.test" }, { test: "format/format-document.test" }],
  },
  {
    name: "frame checksum without its position",
    breaks: "A record's checksum says nothing about where it stands: a misplaced write passes.",
    edits: [{ file: "src/format/frame.ts", find: "const placed = crc32cNumber(highHalf(position), crc32cNumber(lowHalf(position), seed));", replace: "const placed = seed + 0 * (highHalf(position) + lowHalf(position) + crc32cNumber(0, 0));" }],
    catchers: [{ test: "format/frame.test" }],
  },
  {
    name: "frame checksum over its header only",
    breaks: "A record's bytes are not covered: any of them may change unseen.",
    edits: [{ file: "src/format/frame.ts", find: "return crc32c(memory.bytes, placed, at + 4, end);", replace: "return crc32c(memory.bytes, placed, at + 4, Math.min(end, at + frameHeaderBytes));" }],
    catchers: [{ test: "format/frame.test" }],
  },
  {
    name: "seed without the epoch",
    breaks: "Checksums are the same in every epoch: stale bytes of an earlier one pass.",
    edits: [{ file: "src/format/seed.ts", find: "return crc32cNumber(source.epoch, seed);", replace: "return seed;" }],
    catchers: [{ test: "format/format-document.test" }],
  },
  {
    name: "seed without the segment",
    breaks: "Checksums are the same in every segment: stale blocks of a recycled file pass.",
    edits: [{ file: "src/format/seed.ts", find: "seed = crc32cNumber(lowHalf(source.segment), seed);\n", replace: "" }],
    catchers: [{ test: "format/format-document.test" }],
  },
  {
    name: "zeros are a frame",
    breaks: "A frame of zeros counts as one whose checksum was left out.",
    edits: [
      { file: "src/format/frame.ts", find: "if (at + frameHeaderBytes > end || frameKindOf(memory, at) === 0) return 0;", replace: "if (at + frameHeaderBytes > end) return 0;\n  if (memory.words[at >>> 2] === 0) return at + frameBytes(framePayloadBytes(memory, at));" },
    ],
    catchers: [{ test: "format/frame.test" }],
  },
  {
    name: "zeros are a block",
    breaks: "A checksum field of zero counts as one that was left out.",
    edits: [{ file: "src/format/block.ts", find: "words[word + 1] !== headerChecksum(memory, start, seed, position)", replace: "(words[word + 1] !== 0 && words[word + 1] !== headerChecksum(memory, start, seed, position))" }],
    catchers: [{ test: "format/block.test" }],
  },
  {
    name: "block header not verified",
    breaks: "A block header counts when it begins with the magic and looks plausible.",
    edits: [{ file: "src/format/block.ts", find: "|| words[word + 1] !== headerChecksum(memory, start, seed, position)", replace: "|| headerChecksum(memory, start, seed, position) < 0" }],
    catchers: [{ test: "format/block.test" }, { test: "recovery/bit-flips.test" }],
  },
  {
    name: "superblock not verified",
    breaks: "A copy of the superblock counts whatever its checksum says.",
    edits: [{ file: "src/format/superblock.ts", find: "if (view.getUint32(8, true) !== crc32c(page, 0, 12, pageBytes)) return { kind: \"damaged\" };", replace: "if (crc32c(page, 0, 12, pageBytes) < 0) return { kind: \"damaged\" };" }],
    catchers: [{ test: "format/superblock.test" }],
  },
  {
    name: "index trusted without its checksum",
    breaks: "The body of an index file is believed unverified: reads go to the wrong place, and segments are freed by it.",
    edits: [{ file: "src/format/index-file.ts", find: "if (crc32c(bytes, 0, indexHeaderBytes) !== header.bodyChecksum) return false;", replace: "" }],
    catchers: [{ test: "format/index-file.test" }],
  },
  {
    name: "index header trusted without its checksum",
    breaks: "The header of an index file is believed unverified: recovery skips the segment on its word.",
    edits: [{ file: "src/format/index-file.ts", find: "if (view.getUint32(8, true) !== crc32c(bytes, 0, 12, indexHeaderBytes)) return null;", replace: "" }],
    catchers: [{ test: "format/index-file.test" }],
  },
];

/** What recovery makes of it. */
const recovering = [
  {
    name: "block of an older epoch accepted",
    breaks: "Blocks of a dead epoch behind the current one's beginning are looked at as if they were alive.",
    edits: [{ file: "src/recovery/scan.ts", find: "if (epoch >= boundary.epoch) return true;", replace: "if (epoch >= 0) return true;" }],
    catchers: [{ test: "recovery/recover-lane.test", name: "a new epoch begins at the cut" }],
  },
  {
    name: "epochs go back along the chain",
    breaks: "A block of an older epoch behind a newer one counts as a block beyond the cut: where something is damaged, the names of its partitions are believed.",
    edits: [{ file: "src/recovery/lane-pass.ts", find: 'if (header.epoch < this.chain.epoch) return "go on";', replace: "" }],
    catchers: [{ test: "recovery/damaged-lane.test", name: "names in blocks of a dead epoch" }],
  },
  {
    name: "block with damaged frames continues the chain",
    breaks: "A block counts when its header is valid, whatever became of its records.",
    edits: [{ file: "src/recovery/lane-pass.ts", find: "if (block.validEnd !== block.framesEnd) return false;", replace: "" }],
    catchers: [{ test: "recovery/bit-flips.test" }],
  },
  {
    name: "predecessor not checked",
    breaks: "A block continues the chain by its number alone, whatever block it was written behind.",
    edits: [{ file: "src/recovery/lane-pass.ts", find: "if (header.sequence !== chain.nextBlock || header.previousChecksum !== chain.previousChecksum) return false;", replace: "if (header.sequence !== chain.nextBlock) return false;" }],
    catchers: [{ test: "recovery/recover-lane.test" }],
  },
  {
    name: "epoch may begin without its flag",
    breaks: "A block of a higher epoch continues the chain though it is not the first that its epoch wrote.",
    edits: [{ file: "src/recovery/lane-pass.ts", find: "header.epoch > chain.epoch && (header.flags & blockFlag.epochStart) !== 0;", replace: "header.epoch > chain.epoch;" }],
    catchers: [{ test: "recovery/recover-lane.test" }],
  },
  {
    name: "damage within the horizon is a torn tail",
    breaks: "The block that the horizon names may be lost: the last acknowledged one goes in silence.",
    edits: [{ file: "src/core/recovery-table.ts", find: "cut: firstInvalid <= counts.horizon ?", replace: "cut: firstInvalid < counts.horizon ?" }],
    catchers: [{ test: "core/recovery-table.test" }, placed("the last acknowledged block is damaged")],
  },
  {
    name: "blocks beyond the window are a torn tail",
    breaks: "A valid block so far behind the first invalid one that this must have been durable is dropped in silence.",
    edits: [{ file: "src/core/recovery-table.ts", find: "const inWindow = beyondLowest >= firstInvalid && beyondHighest < firstInvalid + window;", replace: "const inWindow = beyondLowest >= firstInvalid && window > 0;" }],
    catchers: [{ test: "core/recovery-table.test" }],
  },
  {
    name: "seal not checked",
    breaks: "A closed log's last block may be missing: the superblock's word for it is not asked.",
    edits: [{ file: "src/recovery/recover-lane.ts", find: "let horizon = Math.max(this.#record.horizon, pass.horizon);", replace: "let horizon = pass.horizon;" }],
    catchers: [{ test: "damage/closed.test" }],
  },
  {
    name: "blocks behind the seal accepted",
    breaks: "A closed log whose chain goes on behind its seal counts as clean.",
    edits: [{ file: "src/core/recovery-table.ts", find: 'const pastSeal = counts.state === "closed" && firstInvalid > counts.horizon + 1;', replace: 'const pastSeal = counts.state === "closed" && firstInvalid < 0;' }],
    catchers: [{ test: "core/recovery-table.test" }],
  },
  {
    name: "part of a batch accepted",
    breaks: "The frames of a group whose end never came are applied: a torn batch comes back in part.",
    edits: [{ file: "src/core/replay.ts", find: "      this.discardedFrames += this.#group.group.frameCount;\n      this.#group.group.markVoid();\n    }", replace: "      this.#completeGroup(this.#group.group);\n    }" }],
    catchers: [{ test: "recovery/recover-lane.test" }, cut("dsync, batches")],
  },
  {
    name: "discarded frames not voided",
    breaks: "The frames of a dropped group stay readable under sequences that are given out anew.",
    edits: [{ file: "src/core/pending-group.ts", find: "for (const { index, from, to } of this.#ranges) index.addVoid(from, to);", replace: "" }],
    catchers: [cut("dsync, batches")],
  },
  {
    name: "stale index kept",
    breaks: "The index file of a segment that lost a group stays: the next opening trusts it, and the group is back.",
    edits: [{ file: "src/recovery/recover-lane.ts", find: "for (const path of paths) await files.remove(path);", replace: "" }],
    catchers: [{ test: "recovery/segment-index-files.test" }],
  },
  {
    name: "accepted blocks not made durable",
    breaks: "Recovery builds on blocks that only the page cache holds: a power loss takes them from under the new epoch.",
    edits: [{ file: "src/recovery/recover-lane.ts", find: "await rewriteBlocks(this.#source,", replace: "void rewriteBlocks; void (this.#source," }],
    catchers: [{ test: "sim/page-cache.test", name: "records that recovery found" }],
  },
  {
    name: "accepted blocks synced and not written again",
    breaks: "After a flush that failed the page cache alone holds an accepted block, and a sync finds nothing to write.",
    edits: [{ file: "src/recovery/rewrite-blocks.ts", find: "await file.writeAt(bytes, block.offset);", replace: "" }],
    catchers: [{ test: "sim/page-cache.test" }],
  },
  {
    name: "superblock confirmed by a sync alone",
    breaks: "An opening builds on a superblock that the page cache alone may hold: after a flush that failed a sync finds nothing to write.",
    edits: [{ file: "src/recovery/superblock-file.ts", find: "const [, pair] = await pairOrder(file);\n    await file.writeAt(joined(superblock, pair), (pair[0] as number) * pageBytes);", replace: "await pairOrder(file);" }],
    catchers: [{ test: "sim/page-cache.test", name: "a superblock that was read" }],
  },
  {
    name: "half a checkpoint kept",
    breaks: "A segment goes on behind half of its checkpoint: its state is gone once the segments before it are.",
    edits: [{ file: "src/recovery/recover-lane.ts", find: "if (!replay.checkpointIncomplete || pass.segments.length === 0) return pass.segments;", replace: "if (replay.checkpointIncomplete || pass.segments.length >= 0) return pass.segments;" }],
    catchers: [{ test: "recovery/recover-lane.test", name: "a cut inside a segment's checkpoint" }],
  },
];

/** Reading. */
const reading = [
  {
    name: "reader gives what is not durable",
    breaks: "A read goes up to what lies in blocks on their way: a crash can take back what it returned.",
    edits: [{ file: "src/log/read-walk.ts", find: "const last = Math.min(this.#to, this.#state.durableSequence);", replace: "const last = Math.min(this.#to, this.#state.placedSequence);" }],
    catchers: [{ test: "log/durability.test", name: "interval: acknowledged at once", hangs: true, millisMax: 20_000 }],
  },
  {
    name: "durable as soon as placed",
    breaks: "`durableSeq`, and with it every reader, counts what lies in an open block.",
    edits: [{ file: "src/log/placer.ts", find: "state.placedSequence = sequence;\n    block.touch(state);\n    block.recordCount++;", replace: "state.placedSequence = sequence;\n    state.durableSequence = sequence;\n    block.touch(state);\n    block.recordCount++;" }],
    catchers: [{ test: "log/durability.test", name: "interval: acknowledged at once" }],
  },
  {
    name: "fragments joined across a lost one",
    breaks: "A large record of which the middle was damaged comes back without it.",
    edits: [{ file: "src/log/block-cursor.ts", find: "// Fragments may be among what is skipped.\n    this.#open = null;", replace: "" }],
    catchers: [{ test: "log/read-damage.test" }],
  },
  {
    name: "truncated records read",
    breaks: "A reader returns the record that was truncated instead of the one written anew.",
    edits: [{ file: "src/log/block-cursor.ts", find: "return this.#state.isTruncated(sequence, index.segment, offset) || (index.voids", replace: "return (sequence < 0) || (index.voids" }],
    catchers: [cut("dsync, truncations")],
  },
];

const uringFlush = { test: "storage/uring-flush.test" };
const fsFlush = { test: "storage/fs-flush.test" };

/** What the two backends ask the kernel for. A hard link alone breaks nothing, for the length is looked at: with that gone, too, it does. */
const backends = [
  {
    name: "io_uring: dsync without RWF_DSYNC",
    breaks: "A write under `dsync` asks for no flush and is acknowledged.",
    edits: [{ file: "src/storage/uring/uring-writer.ts", find: 'words[at + 7] = this.#flush === "dsync" ? writeDsync : 0;', replace: "words[at + 7] = 0;" }],
    catchers: [uringFlush],
  },
  {
    name: "io_uring: separate without its sync",
    breaks: "A write under `separate` is acknowledged when it is in the page cache.",
    edits: [{ file: "src/storage/uring/uring-writer.ts", find: 'if (isDurable || this.#flush === "never")', replace: 'if (isDurable || this.#flush !== "dsync")' }],
    catchers: [uringFlush, { test: "crash/poison.test", name: "a flush that fails with EIO and forgets" }],
  },
  {
    name: "io_uring: sync not linked",
    breaks: "Under `linked` the sync is submitted beside its write and may overtake it.",
    edits: [{ file: "src/storage/uring/uring-writer.ts", find: "(operation.linked ? entryFlag.link : 0)", replace: "0" }],
    catchers: [uringFlush],
  },
  {
    name: "io_uring: hard link believed",
    breaks: "Write and sync are hard-linked and the sync's 0 is believed: behind a short write it says nothing about the rest.",
    edits: [
      { file: "src/storage/uring/uring-writer.ts", find: "(operation.linked ? entryFlag.link : 0)", replace: "(operation.linked ? 8 : 0)" },
      { file: "src/storage/uring/uring-writer.ts", find: "if (written === operation.bytes) {", replace: "if (written === operation.bytes || (written > 0 && operation.linked)) {" },
    ],
    catchers: [{ ...uringFlush, name: "linked: of a short write" }],
  },
  {
    name: "io_uring: short write ignored",
    breaks: "A write that wrote something counts as one that wrote all.",
    edits: [{ file: "src/storage/uring/uring-writer.ts", find: "if (written === operation.bytes) {", replace: "if (written > 0) {" }],
    catchers: [uringFlush, { test: "storage/uring.test", name: "a file size limit" }],
  },
  {
    name: "io_uring: sync of a torn chain alone",
    breaks: "Where the kernel takes a write without its sync, the sync goes in at once by itself and overtakes the write.",
    edits: [{ file: "src/storage/uring/uring-writer.ts", find: "const taken = operation.outstanding - this.#ring.unsubmitted;", replace: "if (operation.linked && this.#ring.unsubmitted === 1 && this.#ring.submit() === 0) return;\n    const taken = operation.outstanding - this.#ring.unsubmitted;" }],
    catchers: [uringFlush],
  },
  {
    name: "io_uring: failed sync tried again",
    breaks: "A sync that failed is asked for once more: the kernel has dropped the pages by then and says 0.",
    edits: [{ file: "src/storage/uring/uring-writer.ts", find: "    // Never retried: the kernel may", replace: '    if (operation.syncResult < 0 && operation.stalls++ === 0) {\n      operation.phase = "sync";\n      return this.#start(operation);\n    }\n    // Never retried: the kernel may' }],
    catchers: [uringFlush, { test: "crash/poison.test", name: "a flush that fails with EIO and forgets" }],
  },
  {
    name: "io_uring: failed sync ignored",
    breaks: "What a sync answers is not looked at.",
    edits: [{ file: "src/storage/uring/uring-writer.ts", find: "operation.syncResult < 0 ? this.#failure(operation, -operation.syncResult) : null", replace: "null" }],
    catchers: [uringFlush],
  },
  {
    name: "node:fs: dsync without O_DSYNC",
    breaks: "A write under `dsync` asks for no flush and is acknowledged.",
    edits: [{ file: "src/storage/fs/fs-writer.ts", find: 'this.#flush === "dsync" && !needsSync ? O_RDWR | (O_DSYNC as number) : O_RDWR', replace: "O_RDWR" }],
    catchers: [fsFlush],
  },
  {
    name: "node:fs: separate without its sync",
    breaks: "A write under `separate` is acknowledged when it is in the page cache.",
    edits: [{ file: "src/storage/fs/fs-writer.ts", find: "else if ((this.file as OpenFile).needsSync) fs.fdatasync((this.handle as Handle).descriptor, this.#onSynced);", replace: "" }],
    catchers: [fsFlush, { test: "crash/poison.test", name: "fs: nothing acknowledged is lost" }],
  },
  {
    name: "node:fs: failed sync tried again",
    breaks: "A sync that failed is asked for once more: the kernel has dropped the pages by then and says 0.",
    edits: [{ file: "src/storage/fs/fs-writer.ts", find: 'if (error) this.#done(this, fromNodeError(error, { operation: "sync",', replace: 'if (error) fs.fdatasync((this.handle as Handle).descriptor, (again) => this.#done(this, again));\n    else if (error) this.#done(this, fromNodeError(error, { operation: "sync",' }],
    catchers: [fsFlush, { test: "crash/poison.test", name: "a flush that fails with EIO and forgets" }],
  },
  {
    name: "node:fs: short write ignored",
    breaks: "A write that wrote something counts as one that wrote all.",
    edits: [{ file: "src/storage/fs/fs-writer.ts", find: "if (this.#left > 0) this.#writeOn();\n    else if", replace: "if" }],
    catchers: [{ test: "storage/fs.test", name: "a file size limit" }],
  },
  {
    name: "node:fs: directory not really synced",
    breaks: "The control plane opens a directory, and does not sync it.",
    edits: [{ file: "src/storage/node-files.ts", find: "await directory.sync();", replace: "" }],
    catchers: [{ test: "crash/poison.test", name: "fs: nothing acknowledged is lost" }],
  },
  {
    name: "node:fs: file not really synced",
    breaks: "The control plane's `sync` of a file asks the kernel for nothing.",
    edits: [{ file: "src/storage/node-files.ts", find: "fs.fsync(descriptor, (error) => {", replace: "fs.fstat(descriptor, (error) => {" }],
    catchers: [{ test: "crash/poison.test", name: "fs: nothing acknowledged is lost" }],
  },
  {
    name: "reads out of the page cache starve the event loop",
    breaks: "A loop of cached reads never gives timers, completions and signals their turn.",
    edits: [{ file: "src/storage/cached-reads.ts", find: "turn: () => turns.wait(),", replace: "turn: () => null," }],
    catchers: [{ test: "storage/fs.test", name: "leave timers their turn" }],
  },
  {
    name: "get gives memory that it uses again",
    breaks: "The record of a `get` is a view of the window that the next one reads into.",
    edits: [{ file: "src/log/reader.ts", find: "return data.buffer !== scratch.buffer && 2 *", replace: "return 2 *" }],
    catchers: [{ test: "log/round-trip.test", name: "what `get` gives is the caller's alone" }],
  },
  {
    name: "gathered write: the rest of a short one from its beginning",
    breaks: "What follows a short gathered write is the first of its parts again.",
    edits: [{ file: "src/storage/uring/uring-writer.ts", find: "if (operation.vector !== null) operation.vector.skipped += whole;", replace: "" }],
    catchers: [{ test: "storage/uring-flush.test", name: "parts that are written together", hangs: true, millisMax: 20_000 }],
  },
  {
    name: "node:fs: the rest of a short gathered write from its beginning",
    breaks: "What follows a short gathered write is the first of its parts again.",
    edits: [{ file: "src/storage/fs/fs-writer.ts", find: "if (this.parts !== null) this.#gathered = behind(this.#gathered, written);", replace: "" }],
    catchers: [{ test: "storage/fs-flush.test", name: "of a short write the rest follows" }],
  },
  {
    name: "read ring: short read taken for the end",
    breaks: "A read that brought less than was asked for counts as one that met the end of the file.",
    edits: [{ file: "src/storage/uring/read-ring.ts", find: "if (result > 0 && read.done < read.bytes) return", replace: "if (result < 0) return" }],
    catchers: [{ test: "storage/read-ring.test", name: "of a short read the rest is read" }],
  },
  {
    name: "read ring: refused entries forgotten",
    breaks: "A read whose entry the kernel did not take is never read.",
    edits: [{ file: "src/storage/uring/read-ring.ts", find: "    for (const slot of refused) this.#leave(slot);", replace: "" }],
    catchers: [{ test: "storage/read-ring.test", name: "a kernel that takes some entries only", hangs: true, millisMax: 20_000 }],
  },
];

export const mutants = [...writing, ...space, ...timeMutants, ...opening, ...format, ...recovering, ...reading, ...producerMutants, ...readerMutants, ...backends];

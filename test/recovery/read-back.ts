// Reads what a recovered lane holds, the way a reader of the log does: by the indexes, verifying every frame on the way.

import { closeSync, openSync, readSync } from "node:fs";
import { frameBytes, frameFlag, frameFlagsOf, frameHeaderBytes, frameKind, frameKindOf, framePartition, framePayloadBytes, frameSequence } from "#src/format/frame.js";
import { portableKernels } from "#src/format/kernels.js";
import { Memory } from "#src/format/memory.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { blockSeed } from "#src/format/seed.js";
import { loadSegmentIndex } from "#src/recovery/load-segment-index.js";
import type { RecoveredLane } from "#src/recovery/recovered-lane.js";
import { alignment, type LogBuilder } from "./log-builder.js";

/** "sequence:text" of every record that can be read, per partition name. */
export type Content = Record<string, string[]>;

export async function readBack(log: LogBuilder, lane: RecoveredLane): Promise<Content> {
  const content: Content = {};
  const open = new Map<number, string>();
  for (const state of lane.table) content[state.name] = [];
  for (const known of lane.segments) {
    const index = known.index ?? (await loadSegmentIndex({
      files: nodeFileSystem(), directory: log.directory, lane: 0, uuid: log.uuid, alignment, kernels: portableKernels, segment: known.segment,
    }));
    const memory = fileMemory(known.path);
    for (const [at0, end, epoch] of index.epochs.map(({ offset, epoch }, number) => [offset, index.epochs[number + 1]?.offset ?? index.endOffset, epoch] as const)) {
      // Every frame that verifies: damaged places are passed over as a reader would after its error.
      const seed = blockSeed({ uuid: log.uuid, lane: 0, segment: known.segment, epoch });
      let at = at0;
      while (at < end) {
        const found = portableKernels.findFrame(memory, at, end, seed, at);
        if (found >= end) break;
        at = found + frameBytes(framePayloadBytes(memory, found));
        if (frameKindOf(memory, found) !== frameKind.data || index.isVoid(found)) continue;
        const state = lane.table.byId(framePartition(memory, found));
        const sequence = frameSequence(memory, found);
        if (state === undefined || sequence < state.firstSequence || sequence > state.lastSequence) continue;
        if (state.isTruncated(sequence, known.segment, found)) continue;
        const text = memory.text.toString("utf8", found + frameHeaderBytes, found + frameHeaderBytes + framePayloadBytes(memory, found));
        const flags = frameFlagsOf(memory, found);
        const whole = ((flags & frameFlag.recordContinued) !== 0 ? (open.get(state.id) ?? "") : "") + text;
        if ((flags & frameFlag.recordGoesOn) !== 0) open.set(state.id, whole);
        else content[state.name]?.push(`${String(sequence)}:${whole}`);
      }
    }
  }
  return content;
}

function fileMemory(path: string): Memory {
  const file = openSync(path, "r");
  try {
    const memory = new Memory(new ArrayBuffer(16 * 1024 * 1024));
    const bytes = readSync(file, memory.bytes, 0, memory.bytes.length, 0);
    return new Memory(memory.buffer.slice(0, bytes - (bytes % 8)));
  } finally {
    closeSync(file);
  }
}

// Forgets the positions that cursors have left behind them, so that they hold no segment.
//
// The last position of a cursor that rests would still hold the segment that it lies in, and all behind it. So it is
// written anew where the lane writes now.

import type { PartitionState } from "../core/partition-table.js";
import { cursorOf } from "../core/own-names.js";
import type { Lane } from "./lane.js";
import { get } from "./reader.js";

/** Positions of one cursor that may pile up before somebody trims. */
const movesMax = 1024;

/** Every trim of a lane does this before it frees segments. Resolves when it is durable; what can't be done now, the next trim does. */
export async function trimCursors(lane: Lane): Promise<void> {
  const cursors = [...lane.table.hidden].filter((state) => state.id !== 0 && cursorOf(state.name) !== null);
  await Promise.allSettled(cursors.map((state) => trimCursor(lane, state)));
}

/** After a move: in the background, once enough have piled up. */
export function noteMove(lane: Lane, state: PartitionState): void {
  if (state.durableSequence - state.firstAsked < movesMax) return;
  // A lane that can't do this tells those who wait for it.
  trimCursors(lane).then(() => lane.release()).catch(() => undefined);
}

async function trimCursor(lane: Lane, state: PartitionState): Promise<void> {
  if (state.durableSequence < state.firstAsked || state.life !== "kept") return;
  const segments = lane.shelf.segmentIds;
  if (state.runSegment !== segments[segments.length - 1]) await writeAnew(lane, state);
  const last = state.durableSequence;
  // It may have been deleted meanwhile: no frame names it any more.
  if (last > state.firstAsked && state.life === "kept") await lane.control("trim", state, last);
}

async function writeAnew(lane: Lane, state: PartitionState): Promise<void> {
  const last = state.lastSequence;
  const record = last === state.durableSequence ? await get(lane.shelf, state, last) : undefined;
  // One that moves meanwhile needs no help.
  if (record !== undefined && last === state.lastSequence && state.life === "kept") await lane.append(state, record.data);
}

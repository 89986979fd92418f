// Where a lane's segments come from: the supply with the lane's settings; and what a failure of work on them becomes.

import { RingwallError } from "../base/errors.js";
import type { BlockWriter } from "../storage/storage.js";
import type { LaneSettings } from "./lane-settings.js";
import { SegmentSupply } from "./segment-supply.js";

/** `timeMin`: of what is placed next. A segment whose times began long before, since the clock has gone back, would have no room for it. */
export function supplyFor(settings: LaneSettings, writer: BlockWriter, { timeMin, onChange }: { readonly timeMin: () => number; readonly onChange: () => void }): SegmentSupply {
  const { storage, directory, lane, uuid, alignment, segmentBytes } = settings;
  return new SegmentSupply({
    files: storage.files,
    now: () => Math.max(storage.clock.now(), timeMin()),
    directory,
    lane,
    uuid,
    alignment,
    segmentBytes,
    readyMin: 1,
    readyMax: 4,
    openWriter: (path) => writer.openFile(path),
    closeWriter: (file) => writer.closeFile(file),
    onChange,
  });
}

export function poisonedBy(cause: RingwallError, path: string): RingwallError {
  return new RingwallError("RINGWALL_POISONED", `a write failed (${cause.message}) and what was pending may or may not be durable`, {
    cause,
    place: { path },
    remedy: "Close the log and open it again: recovery finds out.",
  });
}

export function asFailure(error: unknown, path: string): RingwallError {
  return error instanceof RingwallError ? error : new RingwallError("RINGWALL_IO", "background work on a segment failed", { cause: error, place: { path } });
}

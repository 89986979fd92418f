// One thing that is wrong with a log: where, what, and what it means for whoever uses it.

import type { LostRange } from "../../recovery/recovered-lane.js";
import { rangeText } from "../quantities.js";

export interface Finding {
  /** Acknowledged records can't be read because of it, or of what it is a part of. */
  readonly costsRecords: boolean;
  readonly path: string;
  readonly lane?: number;
  readonly segment?: number;
  /** Bytes in the file. */
  readonly from?: number;
  readonly to?: number;
  readonly what: string;
  readonly meaning: string;
  /** The records that are lost. */
  readonly lost?: LostRange;
}

export function laneOfFinding({ lane, segment }: Finding): string {
  if (lane === undefined) return "";
  return segment === undefined ? `lane ${String(lane)}` : `lane ${String(lane)} segment ${String(segment)}`;
}

export function partitionText({ name, partition }: LostRange): string {
  return name === null ? `the partition with number ${String(partition)}, whose name is lost too` : `partition ${JSON.stringify(name)}`;
}

export function lostCount({ firstSequence, lastSequence }: LostRange): number {
  return lastSequence - firstSequence + 1;
}

export function lostFinding(path: string, lane: number, lost: LostRange): Finding {
  const count = lostCount(lost);
  const records = count === 1 ? `record ${String(lost.firstSequence)} was` : `records ${rangeText(lost.firstSequence, lost.lastSequence)} (${String(count)}) were`;
  return {
    costsRecords: true,
    path,
    lane,
    what: `${partitionText(lost)}: ${records} acknowledged and can't be read any more`,
    meaning: "Bring them back from an archive or a replica with `ringwall repair`; everything else of the partition can be read (ringwall cat --skip-damaged).",
    lost,
  };
}

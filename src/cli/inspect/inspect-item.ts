// What inspect tells about a log, item by item: also the lines of its JSON.

import type { LaneRecord } from "../../format/superblock.js";
import type { RecoveryReport } from "../../recovery/recovered-lane.js";

export interface CopyItem {
  readonly copy: number;
  readonly verdict: "valid" | "newer" | "foreign" | "damaged";
  /** The copy's generation; null unless it is valid. */
  readonly sequence: number | null;
}

export interface SuperblockItem {
  readonly kind: "superblock";
  readonly path: string;
  readonly copies: readonly CopyItem[];
  /** Of the copy that counts; null when none is valid. */
  readonly valid: {
    readonly uuid: string;
    readonly sequence: number;
    readonly alignment: number;
    readonly flushMethod: string;
    readonly created: string;
    readonly lanes: number;
  } | null;
  /** Whether a writer has the log open now. */
  readonly locked: boolean;
}

export interface LaneItem {
  readonly kind: "lane";
  readonly lane: number;
  readonly directory: string;
  /** What the superblock says of it. */
  readonly record: LaneRecord | null;
  readonly recovery: RecoveryReport | null;
  /** Why there is no recovery report. */
  readonly problem: string | null;
}

/** Bytes of a segment where blocks should be and none verifies. */
export interface DamageItem {
  readonly from: number;
  readonly to: number;
  readonly what: string;
}

export interface SegmentItem {
  readonly kind: "segment";
  readonly lane: number;
  readonly segment: number;
  readonly path: string;
  readonly fileBytes: number;
  readonly header: "valid" | "damaged";
  readonly index: "valid" | "damaged" | "none";
  readonly state: "kept" | "free";
  readonly blocks: number;
  /** Blocks of older epochs behind the point where a later one took over: they count for nothing. */
  readonly deadBlocks: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  /** Behind the last block that counts. */
  readonly endOffset: number;
  readonly epochs: readonly number[];
  readonly records: number;
  readonly payloadBytes: number;
  readonly damage: readonly DamageItem[];
}

export interface BlockItem {
  readonly kind: "block";
  readonly lane: number;
  readonly segment: number;
  readonly offset: number;
  readonly sequence: number;
  readonly horizon: number;
  readonly epoch: number;
  readonly flags: readonly string[];
  readonly bytes: number;
  readonly dataBytes: number;
  readonly frames: number;
  readonly verdict: "valid" | "damaged" | "dead";
  /** File position of the first frame that does not verify. */
  readonly damagedAt: number | null;
}

export interface FrameItem {
  readonly kind: "frame";
  readonly lane: number;
  readonly segment: number;
  readonly offset: number;
  readonly verdict: "valid" | "damaged";
  /** The rest is null for a frame that is not valid. */
  readonly type: string | null;
  readonly flags: readonly string[];
  readonly partition: number | null;
  readonly name: string | null;
  readonly sequence: number | null;
  readonly time: number | null;
  readonly payloadBytes: number | null;
}

export interface NoteItem {
  readonly kind: "note";
  readonly text: string;
}

export type InspectItem = SuperblockItem | LaneItem | SegmentItem | BlockItem | FrameItem | NoteItem;

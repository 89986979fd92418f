// `ringwall inspect`: what is on disk, for people and for programs.

import { isInterruptedBackup } from "../../recovery/backup-mark.js";
import { chooseStorage } from "../../storage/choose.js";
import type { CommonOptions } from "../common-options.js";
import { demandLog } from "../demand-log.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { standardOutput } from "../output.js";
import { inspectLog } from "./inspect-log.js";
import type { InspectItem, LaneItem, SegmentItem, SuperblockItem } from "./inspect-item.js";
import { itemText } from "./item-text.js";

export interface InspectOptions extends CommonOptions {
  readonly segment?: number;
  readonly blocks?: boolean;
  readonly frames?: boolean;
  readonly limit: number;
}

export async function inspectCommand(directory: string, options: InspectOptions): Promise<ExitCode> {
  const { storage } = chooseStorage({ backend: options.backend });
  const output = standardOutput();
  const listsFrames = options.frames === true;
  const listsBlocks = listsFrames || options.blocks === true;
  const document = new InspectDocument();
  let segments = 0;
  try {
    // What there is of an interrupted backup is shown, behind a line that says so.
    if (!isInterruptedBackup((await storage.files.list(directory)) ?? [])) await demandLog(storage.files, directory);
    for await (const item of inspectLog({ storage, directory, segment: options.segment, listsBlocks, listsFrames, limit: options.limit })) {
      if (item.kind === "segment") segments++;
      if (options.json !== true) await output.line(itemText(item, output));
      else if (listsBlocks) await output.json(item);
      else document.add(item);
    }
  } finally {
    await storage.close();
  }
  if (options.json === true && !listsBlocks) await output.json(document);
  if (options.segment === undefined || segments > 0) return exitCode.ok;
  process.stderr.write(options.json === true ? `${JSON.stringify({ error: { code: "RINGWALL_NOT_FOUND", message: "there is no such segment", place: { path: directory, segment: options.segment } } })}\n` : `ringwall: ${directory} segment ${String(options.segment)}: there is no such segment.\n`);
  return exitCode.refused;
}

/** The one JSON document. */
class InspectDocument {
  superblock: SuperblockItem | null = null;
  readonly lanes: (LaneItem & { readonly segments: SegmentItem[] })[] = [];
  readonly notes: string[] = [];

  add(item: InspectItem): void {
    if (item.kind === "superblock") this.superblock = item;
    else if (item.kind === "lane") this.lanes.push({ ...item, segments: [] });
    else if (item.kind === "segment") this.lanes[this.lanes.length - 1]?.segments.push(item);
    else if (item.kind === "note") this.notes.push(item.text);
  }
}

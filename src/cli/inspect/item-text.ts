// The items of inspect as lines of text.

import type { Output } from "../output.js";
import { bytesText, countOf, rangeText } from "../quantities.js";
import type { BlockItem, FrameItem, InspectItem, LaneItem, SegmentItem, SuperblockItem } from "./inspect-item.js";

export function itemText(item: InspectItem, output: Output): string {
  switch (item.kind) {
    case "superblock":
      return superblockText(item, output);
    case "lane":
      return laneText(item, output);
    case "segment":
      return segmentText(item, output);
    case "block":
      return blockText(item, output);
    case "frame":
      return frameText(item, output);
    case "note":
      return output.paint("dim", `  … ${item.text}`);
  }
}

function superblockText({ path, copies, valid, locked }: SuperblockItem, output: Output): string {
  const lines = [output.paint("bold", `superblock ${path}`)];
  for (const { copy, verdict, sequence } of copies) {
    lines.push(`  copy ${String(copy)}  ${verdict === "valid" ? `valid, generation ${String(sequence)}` : output.paint("red", verdict === "foreign" ? "not a superblock" : verdict)}`);
  }
  if (valid !== null) {
    const { uuid, alignment, flushMethod, created, lanes } = valid;
    lines.push(`  log ${uuid}, created ${created}, ${countOf(lanes, "lane")}, blocks aligned to ${String(alignment)}, flush method ${flushMethod}`);
  }
  lines.push(`  writer  ${locked ? "a process has the log open" : "none"}`);
  return lines.join("\n");
}

function laneText({ lane, record, recovery, problem }: LaneItem, output: Output): string {
  const lines = [output.paint("bold", `lane ${String(lane)}`)];
  if (record !== null) {
    const { state, epoch, epochSegment, epochOffset, epochBlock, horizon, firstSegment } = record;
    lines.push(`  superblock: ${state}, epoch ${String(epoch)} from segment ${String(epochSegment)} offset ${String(epochOffset)} block ${String(epochBlock)}, horizon ${String(horizon)}, first kept segment ${String(firstSegment)}`);
  }
  if (problem !== null) lines.push(`  ${output.paint("red", "recovery is not possible")}: ${problem}`);
  if (recovery === null) return lines.join("\n");
  const { verdict, horizon, firstInvalidBlock, discardedBlocks, damaged, lost, notes } = recovery;
  const colour = verdict === "clean" ? "green" : verdict === "torn tail" ? "yellow" : "red";
  lines.push(`  recovery: ${output.paint(colour, verdict)}, highest durable block H = ${String(horizon)}, first invalid block g = ${String(firstInvalidBlock)}, ${countOf(discardedBlocks.length, "discarded block")}`);
  for (const { segment, from, to, reason } of damaged) lines.push(`    ${output.paint("red", "damaged")} segment ${String(segment)} bytes ${rangeText(from, to)}: ${reason}`);
  for (const { name, partition, firstSequence, lastSequence } of lost) {
    lines.push(`    ${output.paint("red", "lost")} ${name === null ? `partition number ${String(partition)}` : JSON.stringify(name)} ${rangeText(firstSequence, lastSequence)}`);
  }
  for (const note of notes) lines.push(`    note: ${note}`);
  return lines.join("\n");
}

function segmentText(item: SegmentItem, output: Output): string {
  const { segment, path, fileBytes, header, index, state, blocks, deadBlocks, firstBlock, lastBlock, endOffset, epochs, records, payloadBytes, damage } = item;
  const lines = [output.paint("bold", `  segment ${String(segment)}  ${path}`)];
  const sealed = index === "valid" ? "sealed, index valid" : index === "none" ? "not sealed" : output.paint("red", "index damaged");
  lines.push(`    ${state}, ${sealed}, header ${header === "valid" ? header : output.paint("red", header)}, ${bytesText(fileBytes)}, used up to byte ${String(endOffset)}`);
  if (blocks > 0) lines.push(`    ${countOf(blocks, "block")} (${rangeText(firstBlock, lastBlock)}), ${epochs.length === 1 ? "epoch" : "epochs"} ${epochs.join(", ")}, ${countOf(records, "record")}, payload ${bytesText(payloadBytes)}`);
  if (deadBlocks > 0) lines.push(`    ${countOf(deadBlocks, "dead block")} of older epochs`);
  for (const { from, to, what } of damage) lines.push(`    ${output.paint("red", "damaged")} bytes ${rangeText(from, to)}: ${what}`);
  return lines.join("\n");
}

function blockText(item: BlockItem, output: Output): string {
  const { offset, sequence, horizon, epoch, flags, bytes, frames, verdict, damagedAt } = item;
  const judged = verdict === "valid" ? "valid" : verdict === "dead" ? output.paint("dim", "dead") : output.paint("red", `damaged at byte ${String(damagedAt)}`);
  const flagged = flags.length === 0 ? "" : ` [${flags.join(", ")}]`;
  return `    ${String(offset).padStart(10)}  block ${String(sequence)} horizon ${String(horizon)} epoch ${String(epoch)}${flagged} ${String(bytes)} bytes, ${countOf(frames, "frame")}: ${judged}`;
}

function frameText(item: FrameItem, output: Output): string {
  const { offset, verdict, type, flags, partition, name, sequence, time, payloadBytes } = item;
  if (verdict === "damaged") return `    ${String(offset).padStart(10)}    ${output.paint("red", "damaged frame")}`;
  const owner = partition === 0 ? "the lane" : name === null ? `partition number ${String(partition)}` : JSON.stringify(name);
  const flagged = flags.length === 0 ? "" : ` [${flags.join(", ")}]`;
  return `    ${String(offset).padStart(10)}    ${String(type)} ${owner} ${String(sequence)}${flagged} ${String(payloadBytes)} bytes, ${time === null ? "" : new Date(time).toISOString()}`;
}

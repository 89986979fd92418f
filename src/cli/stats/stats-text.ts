// The statistics of a log as people read them.

import { bytesText, countOf, countText, tableText } from "../quantities.js";
import type { LogStatistics } from "./log-statistics.js";

const partitionsShown = 50;
const segmentsShown = 20;

export function statsText(statistics: LogStatistics): string {
  const { directory, partitions, segments, locked } = statistics;
  const heading = `${directory}: ${countOf(partitions.length, "partition")}, ${countOf(segments.length, "segment")}${locked ? ", open for writing" : ""}`;
  return [heading, partitionTable(statistics), segmentTable(statistics), totals(statistics)].filter((part) => part !== "").join("\n\n");
}

function partitionTable({ partitions }: LogStatistics): string {
  if (partitions.length === 0) return "";
  const rows = partitions.slice(0, partitionsShown).map(({ name, first, last, records, lane, payloadBytes, oldestSegment }) => [
    JSON.stringify(name), String(first), String(last), countText(records), bytesText(payloadBytes), String(lane), oldestSegment === null ? "-" : String(oldestSegment),
  ]);
  const more = partitions.length > partitionsShown ? `\n… and ${countText(partitions.length - partitionsShown)} more: --json has all of them` : "";
  return tableText([["partition", "first", "last", "records", "payload on disk", "lane", "oldest segment"], ...rows]) + more;
}

function segmentTable({ segments }: LogStatistics): string {
  if (segments.length === 0) return "";
  const rows = segments.slice(0, segmentsShown).map(({ lane, segment, current, records, usedBytes, diskBytes, neededBy }) => [
    `${String(lane)}/${String(segment)}`, countText(records), bytesText(usedBytes), bytesText(diskBytes), current ? "takes appends" : neededNames(neededBy),
  ]);
  const more = segments.length > segmentsShown ? `\n… and ${countText(segments.length - segmentsShown)} more: --json has all of them` : "";
  return tableText([["segment", "records", "used", "on disk", "needed by"], ...rows]) + more;
}

function neededNames(names: readonly string[]): string {
  if (names.length === 0) return "nobody: the next trim frees it";
  const shown = names.slice(0, 3).map((name) => JSON.stringify(name)).join(", ");
  return names.length > 3 ? `${shown} and ${String(names.length - 3)} more` : shown;
}

function totals({ diskBytes, spareBytes, freeableBytes, trimmableBytes }: LogStatistics): string {
  return tableText([
    ["on disk", bytesText(diskBytes)],
    ["of that, spare segments", bytesText(spareBytes)],
    ["freed by the next trim", bytesText(freeableBytes)],
    ["freed by trimming everything", bytesText(trimmableBytes)],
  ]);
}

// The report of a repair in plain words.

import type { RepairedPartition, RepairReport, SalvagedPart } from "../../repair/repair-report.js";
import type { Output } from "../output.js";
import { bytesText, countOf, countText, rangeText } from "../quantities.js";

const placesShown = 100;
const soundShown = 20;

export function reportLines(report: RepairReport, output: Output): string[] {
  const { damaged, notes, partitions } = report;
  const broken = partitions.filter((partition) => partition.missing.length > 0 || partition.name === null);
  const sound = partitions.filter((partition) => !broken.includes(partition));
  return [
    ...damaged.slice(0, placesShown).map((place) => `${output.paint("yellow", "damage")}   ${place.path}${place.to > 0 ? ` bytes ${rangeText(place.from, place.to)}` : ""}: ${place.reason}`),
    ...moreThan(damaged.length, placesShown),
    ...broken.flatMap((partition) => brokenLines(partition, output)),
    ...sound.slice(0, soundShown).map((partition) => `whole    ${nameText(partition)}: ${partsText(partition.salvaged)}`),
    ...moreThan(sound.length, soundShown),
    ...notes.map((note) => output.paint("dim", `note: ${note}`)),
    ...verdictLines(report, output),
  ];
}

function brokenLines(partition: RepairedPartition, output: Output): string[] {
  const lines = partition.missing.map(({ firstSequence, lastSequence }) => {
    const count = lastSequence - firstSequence + 1;
    return `${output.paint("red", "MISSING")}  ${nameText(partition)}: ${count === 1 ? "record" : "records"} ${rangeText(firstSequence, lastSequence)} (${countText(count)})`;
  });
  return [...lines, `saved    ${nameText(partition)}: ${partsText(partition.salvaged)}`];
}

function nameText({ name, lane, partition }: RepairedPartition): string {
  return name === null ? `partition number ${String(partition)} of lane ${String(lane)}, whose name is lost` : JSON.stringify(name);
}

function partsText(parts: readonly SalvagedPart[]): string {
  return parts.map(({ name, firstSequence, lastSequence, records }) => {
    const what = records === 0 ? `no record, the next gets ${String(firstSequence)}` : `${rangeText(firstSequence, lastSequence)} (${countText(records)})`;
    return `${what} as ${JSON.stringify(name)}`;
  }).join("; ");
}

function verdictLines(report: RepairReport, output: Output): string[] {
  const { target, records, payloadBytes, recordsMissing, isLossUnknown, complete, seconds } = report;
  const saved = `${countOf(records, "record")} (${bytesText(payloadBytes)}) ${target === null ? "can be saved" : `saved into ${target}`} in ${seconds.toFixed(1)} s`;
  if (complete) return [`${output.paint("green", "complete")}: ${saved}; nothing is missing`];
  const missing = recordsMissing === 0
    ? "no missing record is known, but nothing proves that there is none"
    : `${isLossUnknown ? "at least " : ""}${countOf(recordsMissing, "acknowledged record")} missing`;
  return [`${output.paint("red", "incomplete")}: ${saved}; ${missing}`];
}

function moreThan(count: number, shown: number): string[] {
  return count > shown ? [`… and ${countText(count - shown)} more: --json has all of them`] : [];
}

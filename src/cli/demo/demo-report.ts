// The demo's result as people read it.

import type { Output } from "../output.js";
import { bytesText, countOf, countText, tableText } from "../quantities.js";
import { partitionCount, writerCount } from "./demo-shape.js";
import type { DemoResult } from "./run-demo.js";

export function demoText(result: DemoResult, output: Output): string {
  const { writer, found, recovery, ackMicros, fileSystem } = result;
  const verdicts = [...new Set(recovery.map((report) => report.verdict))].join(", ");
  const scanned = recovery.reduce((sum, report) => sum + report.scannedBytes, 0);
  const rows = [
    ["backend", `${writer.backend} (${writer.backendReason}), flush ${writer.flushMethod}, checksums ${writer.checksumKernel}`],
    ["place", `${result.directory} (${fileSystem?.name ?? "unknown file system"})`],
    ["records", `${countOf(result.corpus.files, "package.json file")}, over and over, from ${String(writerCount)} writers into ${String(partitionCount)} partitions`],
    ["written", `${countText(result.acknowledged)} acknowledged in ${result.writeSeconds.toFixed(1)} s: ${countText(result.recordsPerSecond)} records/s`],
    ["acknowledged", `p50 ${countText(ackMicros.p50)} µs, p99 ${countText(ackMicros.p99)} µs after the append`],
    ["then", "SIGKILL in mid-flight"],
    ["recovery", `${result.openMillis.toFixed(0)} ms, ${bytesText(scanned)} looked at: ${verdicts}`],
    ["read back", `${countText(found.records)} records, ${bytesText(found.bytes)}, compared byte for byte in ${result.readSeconds.toFixed(1)} s`],
    ["survived too", `${countText(found.unacknowledged)} that were written and not acknowledged yet`],
    ["wrong", String(found.wrong)],
    ["lost", String(found.lost)],
  ];
  const text = tableText(rows, "  ");
  const warning = fileSystem?.isVolatile === true ? `\n${output.paint("yellow", "  this file system lives in memory: name a directory on a disk with --dir for numbers that mean something")}` : "";
  const problems = found.problems.map((problem) => `\n  ${output.paint("red", problem)}`).join("");
  const isGood = found.lost === 0 && found.wrong === 0;
  return `${text}${warning}${problems}\n\n${isGood ? output.paint("green", "Every acknowledged record is there.") : output.paint("red", "Acknowledged records are lost or wrong. This is a defect: please report it.")}`;
}

// What `bench append` shows to people.

import { countText, tableText } from "../quantities.js";
import type { AppendReport } from "./append-report.js";
import { factsText, rangedText } from "./bench-text.js";
import type { AppendFigures } from "./contender.js";
import type { FloorFigures } from "./floor-contender.js";
import type { Spread } from "./spread.js";

export function appendText(report: AppendReport): string {
  const { median, min, max } = { median: report, ...report.spread };
  const log: Spread<AppendFigures> = { median, min, max };
  const rows = [["", ...headings], ["ringwall", ...cells(log)]];
  if (report.baseline !== undefined) rows.push(["baseline", ...cells(report.baseline)]);
  const { floor, warmUp, enqueue, instrumentation, ratios } = report;
  if (floor !== undefined) rows.push(["floor, waiting", ...floorCells(floor.waiting)]);
  if (floor?.polling !== undefined) rows.push(["floor, polling", ...floorCells(floor.polling)]);
  const lines = [tableText(rows), ""];
  const names = { recordsPerSecondToBaseline: "records/s to baseline", ackP50ToBaseline: "p50 to baseline", ackP50ToFloorWaiting: "p50 to floor, waiting", ackP50ToFloorPolling: "p50 to floor, polling", recordsPerSecondToFloorWaiting: "records/s to floor, waiting" };
  for (const [name, title] of Object.entries(names)) {
    const ratio = ratios[name as keyof typeof names];
    if (ratio !== undefined) lines.push(`${title}: ${rangedText(ratio, 2)}`);
  }
  if (floor !== undefined) lines.push(`floor: ${floor.method}`);
  if (enqueue !== undefined) lines.push(`enqueue: p50 ${countText(enqueue.median.enqueueNanos.p50)} ns, p99 ${countText(enqueue.median.enqueueNanos.p99)} ns, of that the clock ${countText(instrumentation.emptyNanos.p50)} ns; ${countText(enqueue.median.recordsPerSecond)} records/s in bulk`);
  lines.push(`warm-up: ${warmUp.kind}: ${countText(warmUp.megabytes)} MB in ${warmUp.seconds.toFixed(1)} s, ${String(warmUp.segmentsReleased)} segments released; then callers for ${String(warmUp.callerSeconds)} s`);
  lines.push(`measured: ${String(report.rounds)} × ${report.seconds.toFixed(1)} s; one call in ${String(instrumentation.everyCall)} timed, ${instrumentation.nanosPerRecord.toFixed(0)} ns per record; ${String(report.segmentFilesCreated)} segment files created, ${String(report.waits)} waits`);
  return [...lines, factsText(report)].join("\n");
}

const headings = ["records/s", "MB/s", "p50 µs", "p99 µs", "p99.9 µs", "records/block", "CPU µs/record", "RSS MB", "cores of others"];

function cells({ median, min, max }: Spread<AppendFigures>): string[] {
  const pick = (name: "recordsPerSecond" | "megabytesPerSecond" | "recordsPerBlock" | "cpuMicrosPerRecord" | "othersCores", digits: number): string => {
    return rangedText({ median: median[name], min: min[name], max: max[name] }, digits);
  };
  const micros = (name: "p50" | "p99" | "p999"): string => rangedText({ median: median.ackMicros[name], min: min.ackMicros[name], max: max.ackMicros[name] }, 0);
  return [pick("recordsPerSecond", 0), pick("megabytesPerSecond", 0), micros("p50"), micros("p99"), micros("p999"), pick("recordsPerBlock", 1), pick("cpuMicrosPerRecord", 2), countText(max.rssBytesMax / 1e6), pick("othersCores", 1)];
}

function floorCells({ median, min, max }: Spread<FloorFigures>): string[] {
  const micros = (name: "p50" | "p99" | "p999"): string => rangedText({ median: median.ackMicros[name], min: min.ackMicros[name], max: max.ackMicros[name] }, 0);
  return [rangedText({ median: median.writesPerSecond, min: min.writesPerSecond, max: max.writesPerSecond }, 0), "", micros("p50"), micros("p99"), micros("p999")];
}

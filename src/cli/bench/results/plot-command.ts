// `ringwall bench plot`: latency against load, from the documents of `bench producers`.

import fs from "node:fs";
import { fromNodeError } from "../../../storage/system-error.js";
import { exitCode, type ExitCode } from "../../exit-codes.js";
import { standardOutput } from "../../output.js";
import { CommandError } from "../../report-failure.js";
import { chartSvg, type ChartSeries } from "./line-chart.js";
import { figuresOf, readResults, type ResultDocument } from "./result-file.js";

interface Level {
  readonly backend: string;
  readonly callers: number;
  readonly recordsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
}

export async function plotBench(file: string, { out, json }: { readonly out: string; readonly json?: boolean }): Promise<ExitCode> {
  const documents = readResults(file);
  const levels = documents.flatMap(levelOf);
  if (levels.length === 0) throw new CommandError(`${file} holds nothing of \`ringwall bench producers\``, "INPUT");
  try {
    fs.writeFileSync(out, chartSvg({ title: "Latency against load", xTitle: "records per second", yTitle: "acknowledgement, µs; numbers are callers", note: noteOf(documents[0] as ResultDocument), series: seriesOf(levels) }));
  } catch (error) {
    throw fromNodeError(error, { operation: "write", path: out });
  }
  const summary = { plotted: levels.length, out };
  if (json === true) await standardOutput().json(summary);
  else await standardOutput().line(`${String(summary.plotted)} loads drawn in ${out}`);
  return exitCode.ok;
}

function levelOf(document: ResultDocument): Level[] {
  const { bench, settings } = document;
  const { backend, callers } = (settings ?? {}) as { readonly backend?: unknown; readonly callers?: unknown };
  if (bench !== "producers" || typeof backend !== "string" || typeof callers !== "number") return [];
  const figures = figuresOf(document);
  const [recordsPerSecond, p50, p99] = ["recordsPerSecond", "ackMicros.p50", "ackMicros.p99"].map((path) => figures.get(path)?.median ?? 0) as [number, number, number];
  // A logarithm of nothing can't be drawn.
  return recordsPerSecond > 0 && p50 > 0 && p99 > 0 ? [{ backend, callers, recordsPerSecond, p50, p99 }] : [];
}

/** In the order of callers: a curve that bends back is past its knee. */
function seriesOf(levels: readonly Level[]): ChartSeries[] {
  const backends = [...new Set(levels.map(({ backend }) => backend))];
  return backends.flatMap((backend, color) => {
    const own = levels.filter((level) => level.backend === backend).sort((a, b) => a.callers - b.callers);
    return (["p50", "p99"] as const).map((quantile): ChartSeries => ({
      name: `${backend}, ${quantile}`,
      isDashed: quantile === "p99",
      color,
      points: own.map((level) => ({ x: level.recordsPerSecond, y: level[quantile], label: String(level.callers) })),
    }));
  });
}

function noteOf({ group, machine }: ResultDocument): string {
  const { cpuModel, cpus, kernel, fileSystem } = (machine ?? {}) as Record<string, unknown>;
  return [group, cpuModel, `${String(cpus)} cores`, `Linux ${String(kernel)}`, fileSystem].map(String).join("; ");
}

// `ringwall bench floor`: what the device gives a bare ring.

import type { ExitCode } from "../exit-codes.js";
import { tableText } from "../quantities.js";
import type { BenchMachine } from "./bench-machine.js";
import { optionsOf, runBench, type BenchContext, type BenchFlags } from "./bench-run.js";
import { factsText, rangedText } from "./bench-text.js";
import { interleave } from "./contender.js";
import { floorContenders, largeContender, type FloorFigures, type LargeFigures } from "./floor-contender.js";
import { openFloor } from "./floor-device.js";
import { floorLargeBytes, floorPageBytes } from "./floor-layout.js";
import { spreadOf, type Spread } from "./spread.js";

export interface FloorBenchFlags extends BenchFlags {
  readonly seconds: number;
  readonly repeat: number;
}

export interface FloorReport {
  readonly bench: "floor";
  /** What a write is. */
  readonly method: string;
  readonly pageBytes: number;
  readonly waiting: Spread<FloorFigures>;
  /** Absent without io_uring. */
  readonly polling?: Spread<FloorFigures>;
  readonly large: Spread<LargeFigures> & { readonly bytes: number; readonly depth: number };
  readonly rounds: number;
  readonly machine: BenchMachine;
  readonly options: Record<string, unknown>;
}

export function floorBench(flags: FloorBenchFlags): Promise<ExitCode> {
  return runBench(flags, (context) => measure(flags, context), floorText);
}

async function measure(flags: FloorBenchFlags, { place, machine, isStopped, onStep }: BenchContext): Promise<FloorReport> {
  onStep("preparing the file");
  const device = openFloor(place.fresh("floor"), flags.backend);
  try {
    const contenders = [...floorContenders(device), largeContender(device)];
    const results = await interleave(contenders, { rounds: flags.repeat, seconds: flags.seconds, isStopped, onRound: onStep });
    const waiting = results.get("floorWaiting") as FloorFigures[];
    const polling = results.get("floorPolling") as FloorFigures[] | undefined;
    return {
      bench: "floor",
      method: device.method,
      pageBytes: floorPageBytes,
      waiting: spreadOf(waiting),
      ...(polling === undefined ? {} : { polling: spreadOf(polling) }),
      large: { ...spreadOf(results.get("large") as LargeFigures[]), bytes: floorLargeBytes, depth: device.depth },
      rounds: waiting.length,
      machine,
      options: optionsOf(flags),
    };
  } finally {
    device.close();
  }
}

function floorText({ method, waiting, polling, large, machine }: FloorReport): string {
  const row = (name: string, spread: Spread<FloorFigures>): string[] => {
    const micros = (quantile: "p50" | "p99" | "p999"): string => rangedText({ median: spread.median.ackMicros[quantile], min: spread.min.ackMicros[quantile], max: spread.max.ackMicros[quantile] }, 1);
    return [name, micros("p50"), micros("p99"), micros("p999"), rangedText({ median: spread.median.writesPerSecond, min: spread.min.writesPerSecond, max: spread.max.writesPerSecond }, 0)];
  };
  const rows = [["4 KiB, one after the other", "p50 µs", "p99 µs", "p99.9 µs", "writes/s"], row("waiting", waiting)];
  if (polling !== undefined) rows.push(row("polling", polling));
  const rate = rangedText({ median: large.median.megabytesPerSecond, min: large.min.megabytesPerSecond, max: large.max.megabytesPerSecond }, 0);
  return [tableText(rows), "", `1 MiB, ${String(large.depth)} at once: ${rate} MB/s`, `each write: ${method}`, factsText({ machine })].join("\n");
}

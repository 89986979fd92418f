// One round of callers with what the process used meanwhile.

import { runCallers, type Load, type WindowFigures } from "./caller-loops.js";
import { ProcessUsage } from "./process-usage.js";
import type { AppendFigures } from "./contender.js";

export interface CallerRoundOptions {
  readonly seconds: number;
  readonly isStopped: () => boolean;
  readonly onOpen?: () => void;
  readonly onShut?: () => void;
  readonly onTick?: () => void;
}

export interface CallerRound extends WindowFigures {
  readonly cpuMicros: number;
  readonly rssBytesMax: number;
  readonly othersCores: number;
}

const rampSeconds = 0.2;

export async function runRound<Item>(load: Load<Item>, options: CallerRoundOptions): Promise<CallerRound> {
  const usage = new ProcessUsage();
  const window = await runCallers(load, {
    seconds: options.seconds,
    rampSeconds: Math.min(rampSeconds, options.seconds),
    isStopped: options.isStopped,
    onOpen: () => {
      options.onOpen?.();
      usage.open();
    },
    onShut: () => {
      usage.shut();
      options.onShut?.();
    },
    onTick: () => {
      usage.sample();
      options.onTick?.();
    },
  });
  const { cpuMicros, rssBytesMax, othersCores } = usage;
  return { ...window, cpuMicros, rssBytesMax, othersCores };
}

export interface Appended {
  readonly records: number;
  /** Of a record. */
  readonly bytes: number;
  readonly blocks: number;
}

export function appendFiguresOf(round: CallerRound, { records, bytes, blocks }: Appended): AppendFigures {
  const { seconds, ackMicros, cpuMicros, rssBytesMax, othersCores } = round;
  return {
    recordsPerSecond: records / seconds,
    megabytesPerSecond: (records * bytes) / seconds / 1e6,
    ackMicros,
    blocks,
    recordsPerBlock: records / blocks,
    cpuMicrosPerRecord: cpuMicros / records,
    rssBytesMax,
    othersCores,
    seconds,
  };
}

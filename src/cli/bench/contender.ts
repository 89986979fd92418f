// What takes part in a measurement: rounds of equal length, interleaved with those of others.

import type { Quantiles } from "./samples.js";

/** One round of appending. Megabytes are 10^6 bytes of payload. */
export interface AppendFigures {
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly ackMicros: Quantiles;
  /** Blocks of the log, or whatever a rival writes at once. */
  readonly blocks: number;
  readonly recordsPerBlock: number;
  readonly cpuMicrosPerRecord: number;
  readonly rssBytesMax: number;
  /** Cores that everything else kept busy meanwhile, the kernel's own workers included: how far to trust the round. */
  readonly othersCores: number;
  readonly seconds: number;
}

export interface Contender<Figures extends object> {
  readonly name: string;
  /** Ends early, with figures that nobody reads, when `isStopped` says so. */
  round(seconds: number, isStopped: () => boolean): Promise<Figures>;
}

/** Runs a round of each in turn, `rounds` times. Stops between two when `isStopped` says so. */
export async function interleave(contenders: readonly Contender<object>[], options: InterleaveOptions): Promise<Map<string, object[]>> {
  const { rounds, seconds, isStopped, onRound } = options;
  const results = new Map<string, object[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const contender of contenders) {
      if (isStopped()) return results;
      onRound(`${contender.name}: round ${String(round)} of ${String(rounds)}${seconds === 0 ? "" : `, ${String(seconds)} s`}`);
      (results.get(contender.name) as object[]).push(await contender.round(seconds, isStopped));
    }
  }
  return results;
}

/** Rounds of one contender alone, each as long as its work takes. */
export async function roundsOf<Figures extends object>(contender: { readonly name: string; round(): Promise<Figures> }, options: Omit<InterleaveOptions, "seconds">): Promise<Figures[]> {
  const results = await interleave([contender], { ...options, seconds: 0 });
  return results.get(contender.name) as Figures[];
}

export interface InterleaveOptions {
  readonly rounds: number;
  /** Of a round; 0 where a round is as long as its work takes. */
  readonly seconds: number;
  readonly isStopped: () => boolean;
  readonly onRound: (text: string) => void;
}

// What may go wrong on a simulated machine, how often, and how often it did.

/** Probabilities per opportunity. */
export interface FaultRates {
  /** An operation takes 10 to 500 times as long. */
  readonly slow: number;
  /** A block write never ends; only the end of its process ends it. */
  readonly stuck: number;
  /** A block write is carried out in two steps, with time in between. */
  readonly short: number;
  /** A write fails, having written some sectors. */
  readonly writeError: number;
  /** A flush fails. */
  readonly syncError: number;
  /** After a failed flush the system believes clean what it did not write: readers see it, a power loss takes it. */
  readonly syncForgets: number;
  /** A flush, or a durable block write, succeeds without making anything durable. */
  readonly syncLie: number;
  /** A block write lands somewhere else in its file, and succeeds. */
  readonly misdirected: number;
}

export const noFaults: FaultRates = { slow: 0, stuck: 0, short: 0, writeError: 0, syncError: 0, syncForgets: 0, syncLie: 0, misdirected: 0 };

export type FaultKind = keyof FaultRates | "rot" | "unreadable" | "replaced" | "full";

export class FaultCounts {
  readonly byKind: Partial<Record<FaultKind, number>> = {};

  add(kind: FaultKind): void {
    this.byKind[kind] = (this.byKind[kind] ?? 0) + 1;
  }

  of(kind: FaultKind): number {
    return this.byKind[kind] ?? 0;
  }
}

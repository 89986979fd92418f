// Several rounds of the same figures as one: the median of each figure, and what it varied between.

export interface Spread<Figures> {
  readonly median: Figures;
  readonly min: Figures;
  readonly max: Figures;
}

type Nested = { readonly [name: string]: number | Nested };

/** `rounds` hold numbers, or objects of numbers, of one shape; there is one at least. Each figure is taken by itself. */
export function spreadOf<Figures extends object>(rounds: readonly Figures[]): Spread<Figures> {
  const nested = rounds as unknown as readonly Nested[];
  return {
    median: combine(nested, medianOf) as unknown as Figures,
    min: combine(nested, (values) => Math.min(...values)) as unknown as Figures,
    max: combine(nested, (values) => Math.max(...values)) as unknown as Figures,
  };
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** What one contender has more than the other, round by round: a device drifts, and the rounds of one pair are neighbours. */
export function ratioOf(above: readonly number[], below: readonly number[]): Spread<number> {
  const ratios = above.map((value, round) => value / (below[round] as number));
  return { median: medianOf(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}

function combine(rounds: readonly Nested[], pick: (values: readonly number[]) => number): Nested {
  const combined: Record<string, number | Nested> = {};
  for (const [name, value] of Object.entries(rounds[0] as Nested)) {
    const values = rounds.map((round) => round[name]);
    combined[name] = typeof value === "number" ? pick(values as number[]) : combine(values as Nested[], pick);
  }
  return combined;
}

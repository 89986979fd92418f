// Sets of sequences as ranges. Pure.

export interface SequenceRange {
  first: number;
  last: number;
}

/** Of each partition, in the order in which they come. */
export function rangesByPartition(all: Iterable<{ readonly partition: number; readonly firstSequence: number; readonly lastSequence: number }>): Map<number, SequenceRange[]> {
  const ranges = new Map<number, SequenceRange[]>();
  for (const { partition, firstSequence, lastSequence } of all) addRange(ranges, partition, { first: firstSequence, last: lastSequence });
  return ranges;
}

export function addRange(ranges: Map<number, SequenceRange[]>, partition: number, range: SequenceRange): void {
  const known = ranges.get(partition);
  if (known === undefined) ranges.set(partition, [range]);
  else known.push(range);
}

/** The same sequences, ascending, in ranges that neither overlap nor touch. */
export function merged(ranges: readonly SequenceRange[]): SequenceRange[] {
  const all: SequenceRange[] = [];
  for (const { first, last } of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = all[all.length - 1];
    if (first > last) continue;
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else all.push({ first, last });
  }
  return all;
}

/** What of `ranges` is not in `taken`; both are as `merged` leaves them. */
export function without(ranges: readonly SequenceRange[], taken: readonly SequenceRange[]): SequenceRange[] {
  const left: SequenceRange[] = [];
  let next = 0;
  for (const { first, last } of ranges) {
    let from = first;
    while (next < taken.length && (taken[next] as SequenceRange).last < from) next++;
    for (let at = next; at < taken.length && (taken[at] as SequenceRange).first <= last; at++) {
      const other = taken[at] as SequenceRange;
      if (other.first > from) left.push({ first: from, last: other.first - 1 });
      from = Math.max(from, other.last + 1);
    }
    if (from <= last) left.push({ first: from, last });
  }
  return left;
}

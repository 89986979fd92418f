// The truncations of one partition that matter still: those that hide records, and a few past ones for readers that missed them. Pure.
//
// A list ascends by place and by `after`: a later truncation that keeps less, or as much, takes the place of earlier ones. So the first in the list
// that a reader does not know is the lowest of all that it does not know, and the last is the partition's latest, also once it is past. Lists never change: who
// holds one holds a moment, and asks later what came since.

import type { Truncation } from "../format/checkpoint.js";

/** The list behind one more, which comes last in the order of the lane. */
export function withTruncation(list: readonly Truncation[], truncation: Truncation): readonly Truncation[] {
  return [...list.filter((older) => older.after < truncation.after), truncation];
}

/**
 * The list once all segments before `firstSegment` are freed: what hid records only there is past. Of past ones `pastMax` stay; the first then
 * stands for all that were before it, with their lowest `after`: a reader that missed so many may be sent back too far, never too little.
 */
export function truncationsFrom(list: readonly Truncation[], firstSegment: number, pastMax: number): readonly Truncation[] {
  const kept = list.findIndex(({ segment }) => segment >= firstSegment);
  const pastCount = kept < 0 ? list.length : kept;
  const [lowest] = list;
  if (lowest === undefined || (pastCount <= pastMax && list.slice(0, pastCount).every(({ isPast }) => isPast === true))) return list;
  const past = list.slice(Math.max(0, pastCount - pastMax), pastCount).map((truncation, at): Truncation => {
    const { segment, offset } = truncation;
    return { segment, offset, after: at === 0 ? lowest.after : truncation.after, isPast: true };
  });
  // Not by spreading, which leaves room for more.
  return past.concat(list.slice(pastCount));
}

/** Whether one of them has something to hide. */
export function hasHiding(list: readonly Truncation[]): boolean {
  const last = list[list.length - 1];
  return last !== undefined && last.isPast !== true;
}

/**
 * Of the truncations that came after `known` and took the record `sequence` away, the one that kept least; null when there is none. By their
 * places: a lane that looks anew at the disk makes new objects of the same truncations, and past ones may have become one.
 */
export function truncationSince(list: readonly Truncation[], known: readonly Truncation[], sequence: number): Truncation | null {
  if (list === known) return null;
  const last = known[known.length - 1];
  const first = last === undefined ? list[0] : list.find((truncation) => isBehind(truncation, last));
  return first === undefined || first.after >= sequence ? null : first;
}

export function isBehind(a: Truncation, b: Truncation): boolean {
  return a.segment > b.segment || (a.segment === b.segment && a.offset > b.offset);
}

export function isSameTruncation(a: Truncation, b: Truncation): boolean {
  return a.segment === b.segment && a.offset === b.offset && a.after === b.after;
}

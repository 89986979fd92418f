// A figure by its path in a round's figures or in a document.

/** "ackMicros.p50"; undefined when there is no number. */
export function figureAt(figures: object, path: string): number | undefined {
  const value = path.split(".").reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], figures);
  return typeof value === "number" ? value : undefined;
}

/** The spread of one figure of a document. */
export function spreadAt(document: { readonly median: object; readonly min: object; readonly max: object }, path: string): { readonly median: number; readonly min: number; readonly max: number } | undefined {
  const [median, min, max] = [document.median, document.min, document.max].map((figures) => figureAt(figures, path));
  return median === undefined || min === undefined || max === undefined ? undefined : { median, min, max };
}

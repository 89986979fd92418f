import type { Mutant } from "./list.mjs";

/** A text: why the mutant does not apply. */
export function editedSources(mutant: Mutant): Map<string, { before: string; after: string }> | string;

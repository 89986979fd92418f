export function dependenciesStale(directory: string): string | null;
export function removeOrphans(trees: { sources: string; outputs: string }): string[];
export function listFiles(directory: string): string[];

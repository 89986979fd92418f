// What writer and judge of the demo agree on.

export const partitionCount = 16;
export const writerCount = 64;

export interface WriterRequest {
  readonly directory: string;
  readonly corpusRoot: string;
  readonly backend: "auto" | "uring" | "fs";
}

export function partitionName(partition: number): string {
  return `packages-${String(partition).padStart(2, "0")}`;
}

/** Never 0, which stands for "not acknowledged". */
export function contentMark(checksum: number): number {
  return checksum === 0 ? 1 : checksum;
}

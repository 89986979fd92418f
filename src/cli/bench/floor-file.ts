// The floor's file, past the page cache where the filesystem allows it.

import fs from "node:fs";

export interface DirectFile {
  readonly descriptor: number;
  readonly note: string;
}

const { O_RDWR, O_DIRECT } = fs.constants as { O_RDWR: number; O_DIRECT: number | undefined };

export function openDirect(path: string): DirectFile {
  if (O_DIRECT === undefined) return { descriptor: fs.openSync(path, O_RDWR), note: "buffered: this platform has no O_DIRECT" };
  try {
    return { descriptor: fs.openSync(path, O_RDWR | O_DIRECT), note: "O_DIRECT" };
  } catch (error) {
    return { descriptor: fs.openSync(path, O_RDWR), note: `buffered: O_DIRECT was refused: ${(error as NodeJS.ErrnoException).code ?? String(error)}` };
  }
}

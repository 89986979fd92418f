// The backends that work on this machine.

import { chooseStorage } from "#src/storage/choose.js";

export type Backend = "uring" | "fs";

/** Why io_uring can't be tested here, or null. */
export const uringRefusal: string | null = refusal();

export const backends: readonly Backend[] = uringRefusal === null ? ["uring", "fs"] : ["fs"];

function refusal(): string | null {
  try {
    chooseStorage({ backend: "uring" });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

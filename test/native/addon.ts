// The addon under test. Where it is absent every test that needs it is skipped, with the reason.

import { loadNative, type NativeBinding } from "#src/native/binding.js";

const state = loadNative();

/** For node:test's `skip` option. */
export const skip: string | false = state.kind === "loaded" ? false : state.reason;

/** Beside the contract: takes this CPU's kernel with that index, best first, and returns its name. */
interface KernelChoice {
  selectKernel(index: number): string | undefined;
}

export function binding(): NativeBinding {
  if (state.kind === "absent") throw new Error(state.reason);
  return state.binding;
}

/** Runs `body` once with every CRC kernel that this CPU can run, and then takes the best again. */
export function withEveryKernel(body: (native: NativeBinding, kernel: string) => void): void {
  const native = binding() as NativeBinding & KernelChoice;
  try {
    for (let index = 0; ; index++) {
      const name = native.selectKernel(index);
      if (name === undefined) break;
      body(native, `kernel ${String(index)} (${name})`);
    }
  } finally {
    native.selectKernel(0);
  }
}

/** Reproducible bytes (xorshift32). */
export function randomBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let value = seed | 1;
  for (let index = 0; index < length; index++) {
    value ^= value << 13;
    value ^= value >>> 17;
    value ^= value << 5;
    bytes[index] = value;
  }
  return bytes;
}

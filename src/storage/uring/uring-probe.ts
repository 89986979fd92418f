// The flush methods of the io_uring backend as blocking calls: what the device takes for each, without the ring.
//
// "separate" is not tried: it is "linked" and one more turn of the event loop.

import fs from "node:fs";
import type { NativeBinding } from "../../native/binding.js";
import type { ProbeMethod } from "../flush-probe.js";
import { fromErrno } from "../system-error.js";
import { writeDsync } from "./kernel-interface.js";

const { O_RDWR, O_DIRECT } = fs.constants as { O_RDWR: number; O_DIRECT: number | undefined };

export function openUringMethods(native: NativeBinding, path: string, unitBytes: number): ProbeMethod[] {
  const memory = native.allocate(unitBytes);
  if (typeof memory === "number") throw fromErrno(-memory, { operation: "allocate memory to measure", path });
  const descriptor = openDirect(path);
  const write = (position: number, flags: number): void => {
    const result = native.writeAt(descriptor, memory, 0, unitBytes, position, 0, flags);
    if (result !== unitBytes) throw fromErrno(result < 0 ? -result : 5, { operation: "measure a durable write", path, offset: position });
  };
  return [
    { method: "dsync", write: (position) => { write(position, writeDsync); }, close: () => { fs.closeSync(descriptor); } },
    {
      method: "linked",
      write: (position) => {
        write(position, 0);
        fs.fdatasyncSync(descriptor);
      },
      close: () => { native.release(memory); },
    },
  ];
}

/** Direct where the filesystem takes it, as the writer does. */
function openDirect(path: string): number {
  if (O_DIRECT === undefined) return fs.openSync(path, O_RDWR);
  try {
    return fs.openSync(path, O_RDWR | O_DIRECT);
  } catch {
    return fs.openSync(path, O_RDWR);
  }
}

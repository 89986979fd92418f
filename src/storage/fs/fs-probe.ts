// The flush methods of the portable backend, as blocking calls.

import fs from "node:fs";
import type { ProbeMethod } from "../flush-probe.js";
import { dsyncReachesMedia } from "./fs-writer.js";

const { O_RDWR, O_DSYNC } = fs.constants as { O_RDWR: number; O_DSYNC: number | undefined };

export function openFsMethods(path: string, unitBytes: number): ProbeMethod[] {
  const unit = new Uint8Array(unitBytes);
  const methods: ProbeMethod[] = [];
  if (dsyncReachesMedia) {
    const descriptor = fs.openSync(path, O_RDWR | (O_DSYNC as number));
    methods.push({ method: "dsync", write: (position) => { fs.writeSync(descriptor, unit, 0, unitBytes, position); }, close: () => { fs.closeSync(descriptor); } });
  }
  const descriptor = fs.openSync(path, O_RDWR);
  methods.push({
    method: "separate",
    write: (position) => {
      fs.writeSync(descriptor, unit, 0, unitBytes, position);
      fs.fdatasyncSync(descriptor);
    },
    close: () => { fs.closeSync(descriptor); },
  });
  return methods;
}

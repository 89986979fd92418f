/** callers × bytes, and records per atomic batch. */
export const workloads = [
  { name: "1x1024", callers: 1, bytes: 1024, batch: 1 },
  { name: "64x1024", callers: 64, bytes: 1024, batch: 1 },
  { name: "256x1024", callers: 256, bytes: 1024, batch: 1 },
  { name: "256x100", callers: 256, bytes: 100, batch: 1 },
  { name: "1x100x1024", callers: 1, bytes: 1024, batch: 100 },
  { name: "16x100x1024", callers: 16, bytes: 1024, batch: 100 },
];

// Thousands of cycles, measured every so many, and the judgement over them.

import { mkdirSync } from "node:fs";
import path from "node:path";
import { runCycles } from "./cycles.js";
import { holdings, type Holdings } from "./holdings.js";

export interface Sample extends Holdings {
  readonly cycle: number;
}

export interface CampaignOptions {
  readonly backend: "uring" | "fs";
  readonly root: string;
  readonly cycles: number;
  readonly onSample: (sample: Sample) => void;
}

/** Caches, compiled code and the allocator's pools grow until here; growth is judged from here on. */
const warmShare = 0.2;
/** Resident bytes per cycle that may grow: noise of the allocators. One page per cycle would be four times as much. */
export const residentBytesMax = 1024;
/** Live JavaScript heap per cycle. */
export const heapBytesMax = 128;
/** Mapped regions that V8's heap may come to have more than at the beginning of what is judged. */
export const mappingsMax = 100;

export async function measureCycles({ backend, root, cycles, onSample }: CampaignOptions): Promise<Sample[]> {
  const own = path.join(root, backend);
  mkdirSync(own);
  const step = Math.max(1, Math.round(cycles / 20));
  const samples: Sample[] = [];
  for (let cycle = 0; cycle < cycles; cycle += step) {
    const count = Math.min(step, cycles - cycle);
    await runCycles({ backend, root: own, from: cycle, cycles: count });
    const sample = { cycle: cycle + count, ...(await holdings()) };
    samples.push(sample);
    onSample(sample);
  }
  return samples;
}

/** What grew, in sentences; empty when nothing did. */
export function judge(samples: readonly Sample[]): { readonly findings: string[]; readonly summary: string } {
  const judged = samples.slice(Math.floor(samples.length * warmShare));
  const [first, last] = [judged[0], judged[judged.length - 1]];
  if (first === undefined || last === undefined || first === last) return { findings: ["too few cycles to judge"], summary: "" };
  const findings: string[] = [];
  if (last.descriptors !== first.descriptors) findings.push(`descriptors: ${String(first.descriptors)} → ${String(last.descriptors)}`);
  if (last.rings !== first.rings) findings.push(`mapped rings: ${String(first.rings)} → ${String(last.rings)}`);
  if (last.mappings - first.mappings > mappingsMax) findings.push(`mappings: ${String(first.mappings)} → ${String(last.mappings)}`);
  const resident = slope(judged, (sample) => sample.residentBytes);
  const anonymous = slope(judged, (sample) => sample.anonymousBytes);
  const heap = slope(judged, (sample) => sample.heapBytes);
  if (resident > residentBytesMax) findings.push(`resident memory grows by ${resident.toFixed(0)} bytes a cycle, more than ${String(residentBytesMax)}`);
  if (anonymous > residentBytesMax) findings.push(`mapped memory grows by ${anonymous.toFixed(0)} bytes a cycle, more than ${String(residentBytesMax)}`);
  if (heap > heapBytesMax) findings.push(`the JavaScript heap grows by ${heap.toFixed(0)} bytes a cycle, more than ${String(heapBytesMax)}`);
  const summary = `from cycle ${String(first.cycle)} to ${String(last.cycle)}, bytes a cycle: resident ${resident.toFixed(0)}, mapped ${anonymous.toFixed(0)}, heap ${heap.toFixed(0)}`;
  return { findings, summary };
}

/** Least squares, per cycle. */
function slope(samples: readonly Sample[], value: (sample: Sample) => number): number {
  const mean = (of: (sample: Sample) => number): number => samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [x, y] = [mean(({ cycle }) => cycle), mean(value)];
  const over = samples.reduce((sum, sample) => sum + (sample.cycle - x) * (value(sample) - y), 0);
  return over / samples.reduce((sum, sample) => sum + (sample.cycle - x) ** 2, 0);
}

export function line(sample: Sample): string {
  const mebibytes = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(1)} MiB`;
  return `cycle ${String(sample.cycle).padStart(6)}: ${String(sample.descriptors)} descriptors, ${String(sample.rings)} rings, ${String(sample.mappings)} mappings, ` +
    `${mebibytes(sample.anonymousBytes)} mapped, ${mebibytes(sample.residentBytes)} resident, ${mebibytes(sample.heapBytes)} heap`;
}

// How a figure of memory went over a run: its slope by least squares, and what it lay between.

import { medianOf } from "../spread.js";

export interface MemoryTrend {
  readonly bytesMin: number;
  readonly bytesMedian: number;
  readonly bytesMax: number;
  /** By least squares. */
  readonly slopeBytesPerSecond: number;
  readonly slopeBytesPerRecord: number;
}

export interface MemoryPoint {
  readonly second: number;
  readonly records: number;
  readonly bytes: number;
}

/** Zeros when there is no point; the slope is 0 when there is one alone. */
export function memoryTrendOf(points: readonly MemoryPoint[]): MemoryTrend {
  const bytes = points.map((point) => point.bytes);
  return {
    bytesMin: points.length === 0 ? 0 : Math.min(...bytes),
    bytesMedian: medianOf(bytes),
    bytesMax: points.length === 0 ? 0 : Math.max(...bytes),
    slopeBytesPerSecond: slopeOf(points.map(({ second }) => second), bytes),
    slopeBytesPerRecord: slopeOf(points.map(({ records }) => records), bytes),
  };
}

/** Of the line with the least squares of vertical distances; 0 where no line is determined. */
function slopeOf(xs: readonly number[], ys: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [xMean, yMean] = [mean(xs), mean(ys)];
  let above = 0;
  let below = 0;
  for (const [index, x] of xs.entries()) {
    above += (x - xMean) * ((ys[index] as number) - yMean);
    below += (x - xMean) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

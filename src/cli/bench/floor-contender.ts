// The floor as contenders: waiting, and polling where there is such a way; and its rate of large writes.
//
// The writes block the thread. Between slices the event loop gets a turn, or Ctrl-C would never be heard.

import { setImmediate as turn } from "node:timers/promises";
import type { Contender } from "./contender.js";
import { floorFileBytes, floorLargeBytes, type FloorDevice } from "./floor-layout.js";
import { Samples, type Quantiles } from "./samples.js";

export interface FloorFigures {
  readonly ackMicros: Quantiles;
  readonly writesPerSecond: number;
}

export interface LargeFigures {
  readonly megabytesPerSecond: number;
}

interface Round {
  readonly seconds: number;
  readonly isStopped: () => boolean;
}

const sliceMillis = 50;
const largeSlice = 64;

export function floorContenders(device: FloorDevice): Contender<FloorFigures>[] {
  const waiting: Contender<FloorFigures> = { name: "floorWaiting", round: (seconds, isStopped) => writesRound(device, (position) => { device.write(position); }, { seconds, isStopped }) };
  const { poll } = device;
  return poll === null ? [waiting] : [waiting, { name: "floorPolling", round: (seconds, isStopped) => writesRound(device, poll, { seconds, isStopped }) }];
}

export function largeContender(device: FloorDevice): Contender<LargeFigures> {
  return { name: "large", round: (seconds, isStopped) => largeRound(device, seconds, isStopped) };
}

async function writesRound({ writeBytes }: FloorDevice, write: (position: number) => void, { seconds, isStopped }: Round): Promise<FloorFigures> {
  const samples = new Samples();
  const begun = performance.now();
  let position = 0;
  let now = begun;
  while (now < begun + seconds * 1000 && !isStopped()) {
    const sliceEnd = now + sliceMillis;
    while (now < sliceEnd) {
      write(position);
      const done = performance.now();
      samples.record(done - now);
      now = done;
      position += writeBytes;
      if (position + writeBytes > floorFileBytes) position = 0;
    }
    await turn();
    now = performance.now();
  }
  return { ackMicros: samples.quantiles(1000), writesPerSecond: samples.count / ((performance.now() - begun) / 1000) };
}

async function largeRound(device: FloorDevice, seconds: number, isStopped: () => boolean): Promise<LargeFigures> {
  const begun = performance.now();
  let writes = 0;
  let millis = 0;
  while (millis < seconds * 1000 && !isStopped()) {
    device.large(largeSlice);
    writes += largeSlice;
    millis = performance.now() - begun;
    await turn();
  }
  return { megabytesPerSecond: (writes * floorLargeBytes) / (millis / 1000) / 1e6 };
}

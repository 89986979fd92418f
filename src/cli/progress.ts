// Progress on stderr: a bar where the total is known, a count where it is not; nothing where nobody looks.

import type { SingleBar } from "cli-progress";
import { bytesText, countText } from "./quantities.js";

export interface ProgressOptions {
  readonly label: string;
  /** Null when nobody knows. */
  readonly bytesTotal: number | null;
  /** What is counted besides bytes, in the plural. */
  readonly noun: string;
  /** Undefined: on a terminal only. */
  readonly isWanted: boolean | undefined;
}

export interface Progress {
  update(bytes: number, count: number): void;
  stop(): void;
}

const silent: Progress = { update: () => undefined, stop: () => undefined };
const barStep = 64 * 1024;

export async function startProgress(options: ProgressOptions): Promise<Progress> {
  if (!(options.isWanted ?? process.stderr.isTTY)) return silent;
  const { SingleBar } = (await import("cli-progress")).default;
  const { label, bytesTotal, noun } = options;
  const format = bytesTotal === null ? `${label} {done}, {count} ${noun}, {rate}/s` : `${label} [{bar}] {percentage}% | {count} ${noun} | {rate}/s | {eta_formatted} left`;
  const bar = new SingleBar({ format, stream: process.stderr, noTTYOutput: true, notTTYSchedule: 1000, clearOnComplete: process.stderr.isTTY, hideCursor: true, gracefulExit: false });
  return new Bar(bar, bytesTotal);
}

class Bar implements Progress {
  readonly #bar: SingleBar;
  readonly #started = performance.now();
  #shownBytes = 0;

  constructor(bar: SingleBar, bytesTotal: number | null) {
    this.#bar = bar;
    bar.start(bytesTotal ?? 1, 0, { done: "0 B", count: "0", rate: "0 B" });
  }

  update(bytes: number, count: number): void {
    if (bytes - this.#shownBytes < barStep) return;
    this.#shownBytes = bytes;
    const seconds = (performance.now() - this.#started) / 1000;
    this.#bar.update(bytes, { done: bytesText(bytes), count: countText(count), rate: bytesText(bytes / seconds) });
  }

  stop(): void {
    this.#bar.stop();
  }
}

// What the process used within a window: processor time of all its threads, and memory; and what others used meanwhile.

import fs from "node:fs";

const rssEveryMillis = 100;
/** /proc/stat counts in hundredths of a second, whatever the kernel's own tick. */
const microsPerTick = 10_000;

export class ProcessUsage {
  #cpu = process.cpuUsage();
  #busyBefore = 0;
  #startedAt = 0;
  #cpuMicros = 0;
  #othersCores = 0;
  #rssBytesMax = 0;
  #rssDue = 0;

  open(): void {
    this.#rssBytesMax = 0;
    this.#rssDue = 0;
    this.sample();
    this.#busyBefore = busyMicros();
    this.#startedAt = performance.now();
    this.#cpu = process.cpuUsage();
  }

  /** Reading the resident size takes some microseconds: not at every call. */
  sample(): void {
    const now = performance.now();
    if (now < this.#rssDue) return;
    this.#rssDue = now + rssEveryMillis;
    this.#rssBytesMax = Math.max(this.#rssBytesMax, process.memoryUsage.rss());
  }

  shut(): void {
    const { user, system } = process.cpuUsage(this.#cpu);
    this.#cpuMicros = user + system;
    const others = busyMicros() - this.#busyBefore - this.#cpuMicros;
    this.#othersCores = Math.max(0, others / ((performance.now() - this.#startedAt) * 1000));
  }

  get cpuMicros(): number {
    return this.#cpuMicros;
  }

  /** Cores that everything else kept busy, the kernel's own workers included; 0 where the system does not tell. */
  get othersCores(): number {
    return this.#othersCores;
  }

  get rssBytesMax(): number {
    return this.#rssBytesMax;
  }
}

/** Of all processors since the machine started: user, nice, system, irq, softirq. */
function busyMicros(): number {
  try {
    const [, user = "0", nice = "0", system = "0", , , irq = "0", softirq = "0"] = fs.readFileSync("/proc/stat", "latin1").split("\n", 1)[0]?.split(/ +/) ?? [];
    return [user, nice, system, irq, softirq].reduce((sum, ticks) => sum + Number(ticks), 0) * microsPerTick;
  } catch {
    return 0;
  }
}

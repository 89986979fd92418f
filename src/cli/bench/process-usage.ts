// What the process used within a window: processor time of all its threads, and memory.

const rssEveryMillis = 100;

export class ProcessUsage {
  #cpu = process.cpuUsage();
  #cpuMicros = 0;
  #rssBytesMax = 0;
  #rssDue = 0;

  open(): void {
    this.#rssBytesMax = 0;
    this.#rssDue = 0;
    this.sample();
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
  }

  get cpuMicros(): number {
    return this.#cpuMicros;
  }

  get rssBytesMax(): number {
    return this.#rssBytesMax;
  }
}

// Callers as applications have them: each appends, waits for the acknowledgement, appends again.
//
// Owns: the loops and the window that is measured. A loop that is woken by an acknowledgement may keep the event loop
// from ever turning, so the window is closed by the callers themselves and not by a timer.

import { Samples, type Quantiles } from "./samples.js";

/** What callers append to: a partition, or a rival. */
export interface Appender<Item> {
  append(item: Item): Promise<unknown>;
}

export interface Load<Item> {
  readonly callers: number;
  /** Appended in turn, by each caller from another one on. */
  readonly items: readonly Item[];
  /** Appended to in turn, by each caller from another one on. */
  readonly appenders: readonly Appender<Item>[];
  /** One call in so many is timed. */
  readonly everyCall: number;
}

/** What the callers of a load run in. */
export interface CallerWindow {
  readonly isOver: boolean;
  handleCall(): void;
  /** Of a call that was timed, before its `handleCall`. */
  handleTimed(started: number, now: number): void;
  /** The window is over: a caller failed. */
  fail(): void;
}

export interface WindowOptions {
  readonly seconds: number;
  /** Callers run for so long before the window opens. */
  readonly rampSeconds: number;
  readonly onOpen: () => void;
  readonly onShut: () => void;
  /** About every 20 ms, out of a caller's turn. */
  readonly onTick: () => void;
  readonly isStopped: () => boolean;
}

export interface WindowFigures {
  readonly seconds: number;
  readonly calls: number;
  /** From the call of `append` until the code behind its `await` runs. */
  readonly ackMicros: Quantiles;
}

const tickMillis = 20;

/** Runs every caller until the window is over and its last append is acknowledged. Rejects with the first failure. */
export async function runCallers<Item>(load: Load<Item>, options: WindowOptions): Promise<WindowFigures> {
  const measured = new MeasuredWindow(options);
  await runCallersIn(load, measured);
  return measured.figures();
}

/** As `runCallers`, in a window that somebody else opens and shuts. */
export async function runCallersIn<Item>(load: Load<Item>, window: CallerWindow): Promise<void> {
  const callers = Array.from({ length: load.callers }, (_, caller) => runCaller(load, window, caller));
  const outcomes = await Promise.allSettled(callers);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

/** Hot: the loop of an application, a counter, and now and then the clock. */
async function runCaller<Item>(load: Load<Item>, window: CallerWindow, caller: number): Promise<void> {
  const { items, appenders, everyCall } = load;
  let item = (caller * 17) % items.length;
  let appender = caller % appenders.length;
  let due = 1 + (caller % everyCall);
  try {
    while (!window.isOver) {
      due--;
      if (due > 0) await (appenders[appender] as Appender<Item>).append(items[item] as Item);
      else {
        due = everyCall;
        const started = performance.now();
        await (appenders[appender] as Appender<Item>).append(items[item] as Item);
        window.handleTimed(started, performance.now());
      }
      window.handleCall();
      item = item + 1 === items.length ? 0 : item + 1;
      appender = appender + 1 === appenders.length ? 0 : appender + 1;
    }
  } catch (error) {
    window.fail();
    throw error;
  }
}

class MeasuredWindow implements CallerWindow {
  isOver = false;
  /** Acknowledged, also outside the window. */
  #calls = 0;
  readonly #options: WindowOptions;
  readonly #samples = new Samples();
  #openAt: number;
  #shutAt = Number.POSITIVE_INFINITY;
  #nextTick = 0;
  #isOpen = false;
  #callsBefore = 0;
  #figures: { readonly seconds: number; readonly calls: number } | null = null;

  constructor(options: WindowOptions) {
    this.#options = options;
    this.#openAt = performance.now() + options.rampSeconds * 1000;
  }

  handleCall(): void {
    this.#calls++;
  }

  fail(): void {
    this.isOver = true;
  }

  handleTimed(started: number, now: number): void {
    if (this.#isOpen) this.#samples.record(now - started);
    // What ends after the window must not open another one.
    if (this.isOver || now < this.#nextTick) return;
    this.#nextTick = now + tickMillis;
    this.#options.onTick();
    if (this.#options.isStopped()) this.isOver = true;
    else if (!this.#isOpen && now >= this.#openAt) this.#open();
    else if (now >= this.#shutAt && this.#figures === null) this.#shut(now);
  }

  figures(): WindowFigures {
    return { ...(this.#figures ?? { seconds: 0, calls: 0 }), ackMicros: this.#samples.quantiles(1000) };
  }

  #open(): void {
    this.#isOpen = true;
    this.#callsBefore = this.#calls;
    this.#options.onOpen();
    this.#openAt = performance.now();
    this.#shutAt = this.#openAt + this.#options.seconds * 1000;
  }

  #shut(now: number): void {
    this.#figures = { seconds: (now - this.#openAt) / 1000, calls: this.#calls - this.#callsBefore };
    this.isOver = true;
    this.#isOpen = false;
    this.#options.onShut();
  }
}

// Looking for completions on each turn of the event loop, for a bounded time, before the ring's descriptor has to wake the loop.
//
// Four ways:
//   asked   `completion: "spin"`: while anything is in flight, until 1 ms after the latest submission
//   busy    the default: while two writes or more are in flight, for 0.3 ms: the next completion is near then, and to sleep
//           and be woken takes longer. 256 callers get 1.1 to 1.2 times as many records
//   near    reads: while one is in flight, for 0.15 ms: it takes half of that. `ringwall bench fio`
//   device  polled I/O: nothing completes unless someone looks, so it ends only when nothing is in flight
// It yields the processor between two looks: a completion may need a kernel worker on this very processor, which would wait
// for the scheduler's tick, 4 ms. Owns the turns that it asks for; knows nothing of what completes.

export type SpinWay = "asked" | "busy" | "near" | "device";

export interface SpinOptions {
  readonly way: SpinWay;
  readonly yieldProcessor: () => void;
  readonly inFlight: () => number;
  /** Takes what has completed. */
  readonly look: () => void;
}

interface SpinRule {
  /** With fewer in flight it waits. */
  readonly inFlightMin: number;
  readonly millis: number;
  /** Whether it waits for a while beside somebody who computes. */
  readonly rests: boolean;
}

const rules: Readonly<Record<SpinWay, SpinRule>> = {
  asked: { inFlightMin: 1, millis: 1, rests: false },
  busy: { inFlightMin: 2, millis: 0.3, rests: true },
  near: { inFlightMin: 1, millis: 0.15, rests: true },
  device: { inFlightMin: 1, millis: 1, rests: false },
};

/** A yield that took so long gave the processor to somebody who computes. */
const yieldMillisMax = 1;
/**
 * Beside one of those a thread that yields comes last, and one that sleeps is woken first: two of them on two processors left
 * 0.3 times the records of waiting. So it then waits for a while.
 */
const restMillis = 100;

export class Spin {
  readonly #options: SpinOptions;
  readonly #rule: SpinRule;
  #spinning = false;
  #until = 0;
  #restsUntil = 0;

  constructor(options: SpinOptions) {
    this.#options = options;
    this.#rule = rules[options.way];
  }

  /** Hot: once per block. */
  handleSubmitted(): void {
    if (this.#options.inFlight() < this.#rule.inFlightMin) return;
    const now = performance.now();
    if (now < this.#restsUntil) return;
    this.#until = now + this.#rule.millis;
    if (this.#spinning) return;
    this.#spinning = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    const { way, inFlight, look } = this.#options;
    look();
    if (this.#goesOn()) setImmediate(this.#turn);
    else if (way === "device" && inFlight() > 0) setTimeout(this.#turn, 1);
    else this.#spinning = false;
  };

  #goesOn(): boolean {
    const { yieldProcessor, inFlight } = this.#options;
    if (inFlight() < this.#rule.inFlightMin) return false;
    const before = performance.now();
    yieldProcessor();
    const now = performance.now();
    if (this.#rule.rests && now - before > yieldMillisMax) {
      this.#restsUntil = now + restMillis;
      return false;
    }
    return now < this.#until;
  }
}

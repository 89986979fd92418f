// Who waits until nothing waits for space, let go one after the other.
//
// All at once would be unfair: 1. two wait; 2. the first goes on and fills the memory again; 3. the second is refused, and waits
// behind it once more, for ever. So each has gone on, and may have filled the memory, before the next is let go; who comes
// back waits behind the others.

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface DrainsOptions {
  /** Nothing waits for space. */
  readonly isClear: () => boolean;
  /** Runs the action behind the promises of this turn. */
  readonly defer: (action: () => void) => void;
}

export class Drains {
  readonly #options: DrainsOptions;
  readonly #waiting: Waiter[] = [];
  /** One was let go and goes on. */
  #isGoingOn = false;

  constructor(options: DrainsOptions) {
    this.#options = options;
  }

  wait(): Promise<void> {
    return new Promise((resolve, reject) => { this.#waiting.push({ resolve, reject }); });
  }

  /** Lets the first one go if nothing waits for space, and then the next. Safe to call at any time. */
  release(): void {
    if (this.#waiting.length === 0 || this.#isGoingOn || !this.#options.isClear()) return;
    (this.#waiting.shift() as Waiter).resolve();
    if (this.#waiting.length === 0) return;
    this.#isGoingOn = true;
    this.#options.defer(() => {
      this.#isGoingOn = false;
      this.release();
    });
  }

  fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

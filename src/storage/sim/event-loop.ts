// The event loop of a simulation: virtual time, and events in the order of their times. Nothing waits for real.
//
// Between two events every promise that can settle has settled: an event's continuation is asked for by a tick out of a
// microtask, and Node runs that only once the microtask queue is empty. So the order of everything follows from the events.
// It runs by itself as soon as something is scheduled, and stops when nothing is.

const resolved = Promise.resolve();

/** Who scheduled an event. Events of the dead never run. */
export interface Owner {
  alive: boolean;
}

interface Event {
  readonly micros: number;
  readonly order: number;
  readonly owner: Owner;
  readonly action: () => void;
  cancelled: boolean;
}

export interface EventLoopOptions {
  /** Milliseconds since 1970 at which the simulation begins. */
  readonly startMs: number;
  /** An action threw: in a real process this would be an uncaught exception. */
  readonly onError: (error: unknown) => void;
}

export class EventLoop {
  /** Events run so far. */
  count = 0;
  /** Called once when `count` reaches `interruptAt`, instead of the next event. */
  onInterrupt: (() => void) | null = null;
  interruptAt = Number.POSITIVE_INFINITY;
  /** Called when nothing is left to run. */
  onIdle: (() => void) | null = null;
  readonly #options: EventLoopOptions;
  #micros = 0;
  #order = 0;
  #running = false;
  /** A binary heap, the earliest first. */
  readonly #heap: Event[] = [];
  #deferred: { readonly owner: Owner; readonly action: () => void }[] = [];

  constructor(options: EventLoopOptions) {
    this.#options = options;
  }

  /** Microseconds since the simulation began. */
  get micros(): number {
    return this.#micros;
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.#options.startMs + Math.floor(this.#micros / 1000);
  }

  /** Runs `action` after `micros`. Returns what cancels it. */
  schedule(owner: Owner, micros: number, action: () => void): () => void {
    const event: Event = { micros: this.#micros + micros, order: this.#order++, owner, action, cancelled: false };
    this.#push(event);
    this.#wake();
    return () => { event.cancelled = true; };
  }

  /** Runs `action` once the current turn and the promises that follow from it are through. */
  defer(owner: Owner, action: () => void): void {
    this.#deferred.push({ owner, action });
    this.#wake();
  }

  /** Resolves after `micros`. */
  sleep(owner: Owner, micros: number): Promise<void> {
    return new Promise((resolve) => { this.schedule(owner, micros, resolve); });
  }

  #wake(): void {
    if (this.#running) return;
    this.#running = true;
    void resolved.then(this.#hop);
  }

  readonly #hop = (): void => { process.nextTick(this.#turn); };

  readonly #turn = (): void => {
    if (this.#deferred.length > 0) {
      for (const { owner, action } of this.#deferred.splice(0)) if (owner.alive) this.#run(action);
    } else if (this.count >= this.interruptAt && this.onInterrupt !== null) {
      this.interruptAt = Number.POSITIVE_INFINITY;
      this.#run(this.onInterrupt);
    } else {
      const event = this.#next();
      if (event === null) {
        this.#running = false;
        this.onIdle?.();
        return;
      }
      this.count++;
      this.#micros = event.micros;
      this.#run(event.action);
    }
    void resolved.then(this.#hop);
  };

  #run(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #next(): Event | null {
    for (let event = this.#pop(); event !== null; event = this.#pop()) if (!event.cancelled && event.owner.alive) return event;
    return null;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (isBefore(heap[parent] as Event, event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | null {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return null;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (isBefore(last, heap[child] as Event)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.micros < other.micros || (one.micros === other.micros && one.order < other.order);
}

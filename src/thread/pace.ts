// When the lane's thread goes on in memory, when it returns to its event loop, and when it sleeps.
//
// Where a kernel thread takes submissions (SQPOLL), all of a record's way lies in memory: commands, completions, answers.
// So the lane's thread makes hardly a system call as long as it stays out of its event loop, which makes some per turn. It goes
// there when there is a reason, of which memory tells all but one:
//   the bell    a producer has posted a message: a reading, a new producer
//   requests    Node has something under way for this thread, file work of segments above all: a turn every millisecond
//   the rest    timers that nobody waits for, threads that have ended: a turn every `turnMillisMax` at the latest
// While there are requests it sleeps soon: whoever does the work needs a processor too.

export type Step =
  /** Look again, in memory. */
  | "stay"
  /** Let the event loop turn once. */
  | "turn"
  /** Nothing has happened for so long: wait for a message. */
  | "sleep";

export interface PaceOptions {
  /** Where everything is found in memory: for how many milliseconds it looks there before it sleeps. 0: nowhere. */
  readonly stayingMillis: number;
  /** Changes when a message was posted. */
  readonly bell: () => number;
  /** Whether the event loop has something to finish. */
  readonly hasRequests: () => boolean;
}

/** How long it looks for work before it sleeps: turn by turn of the event loop, and in memory while there are requests. */
const turningMillis = 0.05;
const requestedMillis = 2;
const requestsMillis = 1;
const turnMillisMax = 500;

export class Pace {
  readonly #options: PaceOptions;
  #foundAt = 0;
  #bell = 0;
  #hasRequests = false;
  #requestsDue = 0;
  #turnDue = 0;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** The event loop turns. `now` in milliseconds. */
  handleTurn(now: number): void {
    this.#bell = this.#options.bell();
    this.#lookForRequests(now);
    this.#turnDue = now + turnMillisMax;
  }

  /** How to go on after a look at `now` that found work, or did not. Hot. */
  next(found: boolean, now: number): Step {
    if (found) this.#foundAt = now;
    if (now - this.#foundAt >= this.#awakeMillis) return "sleep";
    return this.#options.stayingMillis > 0 && !this.#needsTurn(now) ? "stay" : "turn";
  }

  get #awakeMillis(): number {
    const { stayingMillis } = this.#options;
    if (stayingMillis === 0) return turningMillis;
    return this.#hasRequests ? Math.min(requestedMillis, stayingMillis) : stayingMillis;
  }

  #needsTurn(now: number): boolean {
    if (now >= this.#turnDue || this.#options.bell() !== this.#bell) return true;
    if (now < this.#requestsDue) return false;
    this.#lookForRequests(now);
    return this.#hasRequests;
  }

  #lookForRequests(now: number): void {
    this.#hasRequests = this.#options.hasRequests();
    this.#requestsDue = now + requestsMillis;
  }
}

const requests = new Set(["FSReqCallback", "FSReqPromise", "Immediate", "Timeout"]);

/** Whether this thread's event loop has file work, or timers and immediates that somebody waits for. A microsecond, and no system call. */
export function hasRequests(): boolean {
  return process.getActiveResourcesInfo().some((name) => requests.has(name));
}

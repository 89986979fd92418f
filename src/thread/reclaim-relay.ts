// Carries what reclaim asks and tells the log's owner from the lane's thread to the owner's. An answer that never comes ends with the log.

import type { RingwallError } from "../base/errors.js";
import type { ReclaimEvent, ReclaimOption } from "../log/options.js";
import { sentError } from "./error-transfer.js";
import type { FromLane, SentReclaim } from "./port-messages.js";

export class ReclaimRelay {
  /** Null until the owner's thread is connected: the log may have something to say before. */
  #post: ((message: FromLane) => void) | null = null;
  readonly #early: FromLane[] = [];
  readonly #unanswered = new Map<number, () => void>();
  #nextId = 1;

  /** For the log in this thread. */
  options(sent: SentReclaim | null): ReclaimOption | false {
    if (sent === null) return false;
    const { asks, tells, ...rest } = sent;
    const onReclaim = (event: ReclaimEvent): Promise<void> => this.#ask(event);
    const onStopped = (error: RingwallError): void => { this.#send({ kind: "reclaim stopped", error: sentError(error) }); };
    return { ...rest, ...(asks ? { onReclaim } : {}), ...(tells ? { onStopped } : {}) };
  }

  connect(post: (message: FromLane) => void): void {
    this.#post = post;
    for (const message of this.#early.splice(0)) post(message);
  }

  handleAnswer(id: number): void {
    this.#unanswered.get(id)?.();
    this.#unanswered.delete(id);
  }

  #ask(event: ReclaimEvent): Promise<void> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#unanswered.set(id, resolve);
      this.#send({ kind: "reclaim", id, event });
    });
  }

  #send(message: FromLane): void {
    if (this.#post === null) this.#early.push(message);
    else this.#post(message);
  }
}

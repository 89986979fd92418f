// The log in its own thread and everyone who appends to it: the loop over the producers' command rings.
//
// Owns: the log, the board, the producers' sessions, and when this thread sleeps. It stops taking commands while the lane
// has no space: then the rings fill, and each producer waits in its own thread, its memory bounded.
//
// Who sleeps is woken by a message, and only then. This thread 1. stores on the board that it sleeps; 2. looks at every
// ring once more; 3. sleeps. A producer 1. stores its tail; 2. looks whether this thread sleeps. Both words are accessed
// through Atomics, in one total order: either the producer's store comes before the look, and the command is found, or
// the look comes first, so the flag stands when the producer reads it, and the message is sent. The same two pairs stand
// between this thread and a producer: answers and `wantsAnswers`, the head of the ring and `wantsRoom`.

import type { MessagePort } from "node:worker_threads";
import type { LaneLog } from "../log/lane-log.js";
import { BoardWriter } from "./board.js";
import type { FromLane } from "./port-messages.js";
import { ProducerSession } from "./producer-session.js";
import { type ServedPartition, ServedPartitions } from "./served-partitions.js";

/** Commands of one producer before the next has its turn. */
const commandsPerTurn = 512;
/** How long this thread looks for commands, turn by turn of its event loop, before it sleeps. */
const awakeMillis = 0.05;
const statsMillis = 10;

type State = "open" | "waiting for space" | "closing" | "closed";

export class LaneServer {
  readonly board = new BoardWriter();
  readonly #log: LaneLog;
  readonly #recordBytesMax: number;
  readonly #partitions: ServedPartitions;
  readonly #sessions = new Set<ProducerSession>();
  readonly #answering = new Set<ProducerSession>();
  #state: State = "open";
  #flushIsDue = false;
  #turnIsDue = false;
  #awakeUntil = 0;
  #statsAreDue = false;

  constructor(log: LaneLog, recordBytesMax: number) {
    this.#log = log;
    this.#recordBytesMax = recordBytesMax;
    this.#partitions = new ServedPartitions(log, this.board);
    log.watchRetention((names) => { this.#handleRetention(names); });
    this.board.updateStats(log.stats());
    this.board.setAsleep();
  }

  add(memory: SharedArrayBuffer, port: MessagePort): void {
    const session = new ProducerSession({
      log: this.#log,
      memory,
      port,
      serve: (name) => this.#partitions.serve(name),
      demandPlaces: (names) => { this.#partitions.demandPlaces(names); },
      onCommands: () => { this.#wake(); },
      onChange: (partition, changed) => { this.#handleChange(partition, changed); },
      onEnd: (ended, how) => { void this.#handleEnd(ended, how); },
    });
    if (this.#state === "closing" || this.#state === "closed") {
      void session.end(null);
      return;
    }
    this.#sessions.add(session);
    const message: FromLane = { kind: "opened", info: this.#log.info, board: this.board.buffer, recordBytesMax: this.#recordBytesMax };
    session.welcome(message);
  }

  // ---- commands

  #wake(): void {
    this.board.setAwake();
    this.#turn();
  }

  readonly #turn = (): void => {
    this.#turnIsDue = false;
    if (this.#state !== "open") return;
    let found = false;
    for (const session of this.#sessions) if (session.consume(commandsPerTurn, this.#hasSpace)) found = true;
    if (this.#log.needDrain) {
      this.#waitForSpace();
      return;
    }
    const now = performance.now();
    if (found) this.#awakeUntil = now + awakeMillis;
    if (found || now < this.#awakeUntil || !this.#fallAsleep()) this.#scheduleTurn();
  };

  readonly #hasSpace = (): boolean => !this.#log.needDrain && this.#state === "open";

  #scheduleTurn(): void {
    if (this.#turnIsDue) return;
    this.#turnIsDue = true;
    setImmediate(this.#turn);
  }

  #fallAsleep(): boolean {
    this.board.setAsleep();
    for (const session of this.#sessions) {
      if (!session.hasCommands) continue;
      this.board.setAwake();
      return false;
    }
    return true;
  }

  /** A full disk rejects: then what comes next is told so by the log. */
  #waitForSpace(): void {
    this.#state = "waiting for space";
    const goOn = (): void => {
      if (this.#state !== "waiting for space") return;
      this.#state = "open";
      this.#scheduleTurn();
    };
    this.#log.drain().then(goOn, goOn);
  }

  // ---- answers

  /** Hot: twice per record. */
  #handleChange(partition: ServedPartition | null, session: ProducerSession): void {
    if (partition !== null) this.#partitions.noteChanged(partition);
    this.#answering.add(session);
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    // Behind the continuations of every acknowledgement that is given at this moment.
    queueMicrotask(this.#flush);
  }

  #handleRetention(names: readonly string[]): void {
    for (const name of names) this.#partitions.noteChanged(this.#partitions.serve(name));
    this.#flush();
  }

  readonly #flush = (): void => {
    this.#flushIsDue = false;
    this.#partitions.writeChanged();
    for (const session of this.#answering) session.publish();
    this.#answering.clear();
    if (!this.#statsAreDue) this.#scheduleStats();
  };

  #scheduleStats(): void {
    this.#statsAreDue = true;
    setTimeout(() => {
      this.#statsAreDue = false;
      this.board.updateStats(this.#log.stats());
      if (this.#partitions.writeLagging() && this.#state !== "closed") this.#scheduleStats();
    }, statsMillis).unref();
  }

  // ---- ends

  async #handleEnd(session: ProducerSession, how: "detach" | "gone" | "close"): Promise<void> {
    if (how === "close") await this.#close(session);
    else if (how === "detach") {
      const failure = await this.#log.sync().then(() => session.unheard, (error: unknown) => error);
      this.#flush();
      this.#sessions.delete(session);
      await session.end(failure);
    } else {
      this.#sessions.delete(session);
      this.#answering.delete(session);
      if (this.#state !== "closed") session.consume(Number.POSITIVE_INFINITY, () => true);
      await session.drop();
    }
  }

  /** Everything that is published by now is accepted, as by a log in its caller's thread. */
  async #close(closer: ProducerSession): Promise<void> {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#state = "closing";
    for (const session of this.#sessions) session.consume(Number.POSITIVE_INFINITY, () => true);
    const failure = await this.#log.close().then(() => closer.unheard, (error: unknown) => error);
    this.#state = "closed";
    this.#flush();
    this.board.updateStats(this.#log.stats());
    this.board.setClosed();
    await Promise.all([...this.#sessions].map((session) => session.end(session === closer ? failure : session.unheard)));
    this.#sessions.clear();
  }
}

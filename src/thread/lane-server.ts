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
import type { ResolvedOptions } from "../log/options.js";
import { loadNative } from "../native/binding.js";
import { nodeClock } from "../storage/node-clock.js";
import { RingWaker } from "../storage/uring/ring-wake.js";
import { BoardWriter } from "./board.js";
import { Courtesy } from "./courtesy.js";
import { hasRequests, Pace, type Step } from "./pace.js";
import type { FromLane } from "./port-messages.js";
import { ProducerSession } from "./producer-session.js";
import type { ReclaimRelay } from "./reclaim-relay.js";
import { type ServedPartition, ServedPartitions } from "./served-partitions.js";

/** Commands of one producer before the next has its turn. */
const commandsPerTurn = 512;
/** Looks at memory between two looks at the clock, which makes garbage: some 50 µs. */
const looksPerTime = 1024;
const statsMillis = 10;
/** Longer than a block takes and than the application pauses: to sleep and to be woken is some five system calls. */
const stayingMillisMax = 50;

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
  /** Waiting: for a message, or for space. */
  #course: "going on" | "waiting" = "waiting";
  /** When they are; infinity while they are up to date. */
  #statsDue = Number.POSITIVE_INFINITY;
  /** Where nobody looks at the clock before. One for ever: a timer is garbage. */
  readonly #statsTimer = setTimeout(() => {
    if (this.#statsDue !== Number.POSITIVE_INFINITY) this.#updateStats();
  }, statsMillis).unref();
  readonly #isPolled: boolean;
  readonly #yieldProcessor: () => void;
  readonly #pace: Pace;
  readonly #courtesy: Courtesy;
  readonly #clock = nodeClock();
  readonly #waker: RingWaker | null;
  readonly #relay: ReclaimRelay;
  #owner: ProducerSession | null = null;

  constructor(log: LaneLog, { recordBytesMax, sqpoll }: Pick<ResolvedOptions, "recordBytesMax" | "sqpoll">, relay: ReclaimRelay) {
    this.#log = log;
    this.#relay = relay;
    const { pollingRing } = log;
    this.#isPolled = pollingRing !== undefined;
    const native = loadNative();
    this.#yieldProcessor = native.kind === "absent" ? () => undefined : () => { native.binding.yieldProcessor(); };
    this.#waker = pollingRing === undefined ? null : RingWaker.open(pollingRing, () => { this.#wakeByMessage(); });
    const stayingMillis = this.#isPolled ? Math.min(stayingMillisMax, sqpoll?.idleMs ?? 0) : 0;
    this.#pace = new Pace({ stayingMillis, bell: () => this.board.bell, hasRequests: () => log.isReading || hasRequests() });
    this.#courtesy = new Courtesy(sqpoll?.yields ?? "auto");
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
      onReclaimed: (id) => {
        // What the owner has trimmed comes over the ring, and is to be known first.
        session.consume(Number.POSITIVE_INFINITY, this.#hasSpace);
        this.#relay.handleAnswer(id);
      },
      onChange: (partition, changed) => { this.#handleChange(partition, changed); },
      waker: this.#waker,
      onEnd: (ended, how) => { void this.#handleEnd(ended, how); },
    });
    if (this.#state === "closing" || this.#state === "closed") {
      void session.end(null);
      return;
    }
    this.#sessions.add(session);
    const message: FromLane = { kind: "opened", info: this.#log.info, board: this.board.buffer, recordBytesMax: this.#recordBytesMax, wakesByRing: this.#waker !== null };
    session.tell(message);
    if (this.#owner !== null) return;
    // The thread that opened the log asks first.
    this.#owner = session;
    this.#relay.connect((asked) => { session.tell(asked); });
  }

  // ---- commands

  #wake(): void {
    this.board.setAwake();
    if (this.#course === "waiting") this.#turn();
  }

  /** From the event loop. */
  readonly #turn = (): void => {
    this.#pace.handleTurn(performance.now());
    this.#work();
  };

  /** Takes what is there, then decides how to go on. Hot. */
  readonly #work = (): void => {
    this.#course = "waiting";
    if (this.#state !== "open") return;
    let found = this.#isPolled && this.#log.reap();
    for (const session of this.#sessions) if (session.consume(commandsPerTurn, this.#hasSpace)) found = true;
    const step = this.#nextStep(found);
    if (step === "stay") {
      this.#course = "going on";
      // Behind the promises that were settled.
      this.#clock.defer(this.#work);
    } else if (this.#log.needDrain) this.#waitForSpace();
    else if (step === "turn" || !this.#fallAsleep()) this.#scheduleTurn();
  };

  /** Looks on until something is found or it is time for something else. */
  #nextStep(hasFound: boolean): Step {
    let lookedSince = 0;
    for (let found = hasFound; ; found = this.#look()) {
      const now = performance.now();
      if (now >= this.#statsDue) this.#updateStats();
      const step = this.#pace.next(found, now);
      if (found || step !== "stay") return step;
      if (lookedSince === 0) lookedSince = now;
      else if (this.#courtesy.isDue(now - lookedSince)) {
        this.#yieldProcessor();
        lookedSince = performance.now();
        this.#courtesy.handleYield(lookedSince - now);
      }
    }
  }

  /** Looks at memory for some tens of microseconds. Hot. */
  #look(): boolean {
    const hasSpace = this.#hasSpace();
    for (let look = 0; look < looksPerTime; look++) {
      if (this.#log.reap()) return true;
      if (hasSpace) for (const session of this.#sessions) if (session.hasCommands) return true;
    }
    return false;
  }

  readonly #hasSpace = (): boolean => !this.#log.needDrain && this.#state === "open";

  #scheduleTurn(): void {
    if (this.#course === "going on") return;
    this.#course = "going on";
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
    if (this.#statsDue === Number.POSITIVE_INFINITY) this.#scheduleStats();
  };

  /** A wake-up may have been lost. */
  #wakeByMessage(): void {
    for (const session of this.#sessions) session.wakeByMessage();
  }

  #scheduleStats(): void {
    this.#statsDue = performance.now() + statsMillis;
    this.#statsTimer.refresh();
  }

  #updateStats(): void {
    this.#statsDue = Number.POSITIVE_INFINITY;
    this.board.updateStats(this.#log.stats());
    if (this.#partitions.writeLagging() && this.#state !== "closed") this.#scheduleStats();
  }

  // ---- ends

  async #handleEnd(session: ProducerSession, how: "detach" | "gone" | "close"): Promise<void> {
    if (how === "close") await this.#close(session);
    else if (how === "detach") {
      const backups = session.endBackups();
      const failure = await this.#log.sync().then(() => session.unheard, (error: unknown) => error);
      this.#flush();
      await backups;
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
    // A backup may wait for a producer that is busy.
    for (const session of this.#sessions) void session.endBackups();
    const failure = await this.#log.close().then(() => closer.unheard, (error: unknown) => error);
    this.#state = "closed";
    this.#flush();
    this.board.updateStats(this.#log.stats());
    this.board.setClosed();
    await Promise.all([...this.#sessions].map((session) => session.end(session === closer ? failure : session.unheard)));
    this.#sessions.clear();
    this.#waker?.close();
  }
}

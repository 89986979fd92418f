// A job queue on Ringwall: enqueue, lease, acknowledge, retry. A job is worked on at least once, and acknowledged once.
//
// "jobs" holds the jobs: a job's id is its sequence. "outcomes" says which are done, or have failed once more. The cursor "done" is
// the last job up to which all are done: what lies before it is trimmed. Leases are in memory: a crash ends them all.

import { Log } from "ringwall";

export class JobQueue {
  #log;
  #jobs;
  #outcomes;
  #attemptsMax;
  #now;
  /** Jobs that are not done, by id: { data, attempts, leasedUntil }. */
  #open = new Map();
  /** Being ended: id to a sequence that its outcome is not below. */
  #ending = new Map();
  /** Done, with others before them that are not: id to the sequence of the outcome. */
  #doneAhead = new Map();
  #done = 0;

  constructor(log, { attemptsMax = 5, now = Date.now } = {}) {
    this.#log = log;
    this.#attemptsMax = attemptsMax;
    this.#now = now;
    this.#jobs = log.partition("jobs");
    this.#outcomes = log.partition("outcomes", { with: "jobs" });
  }

  static async open(directory, options = {}) {
    const { attemptsMax, now, ...logOptions } = options;
    const queue = new JobQueue(await Log.open(directory, logOptions), { attemptsMax, now });
    await queue.#load();
    return queue;
  }

  /** Jobs that are not done. */
  get size() {
    return this.#open.size;
  }

  /** Resolves to the job's id when it is durable. With `{ producer, seq }` a repeated call enqueues once. */
  async enqueue(data, call) {
    const id = await this.#jobs.append(data, call);
    if (id > this.#done && !this.#doneAhead.has(id) && !this.#open.has(id)) this.#open.set(id, { data: Buffer.from(data), attempts: 0, leasedUntil: 0 });
    return id;
  }

  /** The first job that nobody works on, for so many milliseconds; undefined when there is none. */
  lease(ms) {
    const now = this.#now();
    for (const [id, job] of this.#open) {
      if (job.leasedUntil > now || this.#ending.has(id)) continue;
      job.leasedUntil = now + ms;
      return { id, data: job.data, attempt: job.attempts + 1 };
    }
    return undefined;
  }

  /** The job is done, with its results, records of other partitions, in one write. False when it was done before. */
  async acknowledge(id, results = []) {
    return this.#end(id, "done", results);
  }

  /** The job has failed: it comes again at once, and after too many attempts it goes to the partition "dead". */
  async fail(id) {
    const job = this.#open.get(id);
    if (job === undefined || this.#ending.has(id)) return;
    if (++job.attempts >= this.#attemptsMax) await this.#end(id, "dead", [{ partition: "dead", data: job.data }]);
    else {
      await this.#outcomes.append(JSON.stringify([id, "failed"]));
      job.leasedUntil = 0;
    }
  }

  async close() {
    await this.#log.close();
  }

  async #end(id, outcome, results) {
    if (!this.#open.has(id) || this.#ending.has(id)) return false;
    this.#ending.set(id, this.#outcomes.lastSeq + 1);
    try {
      const [seq] = await this.#log.write([{ partition: "outcomes", data: JSON.stringify([id, outcome]) }, ...results]);
      this.#open.delete(id);
      this.#doneAhead.set(id, seq);
    } finally {
      this.#ending.delete(id);
    }
    await this.#forget();
    return true;
  }

  /** All up to the first job that is not done is forgotten. */
  async #forget() {
    const before = this.#done;
    while (this.#doneAhead.delete(this.#done + 1)) this.#done++;
    if (Math.floor(this.#done / 100) === Math.floor(before / 100)) return;
    const done = this.#done;
    const firstNeeded = Math.min(this.#outcomes.lastSeq + 1, ...this.#doneAhead.values(), ...this.#ending.values());
    await this.#log.cursor("done", { with: "jobs" }).set(done);
    await this.#jobs.trim(done + 1);
    // How often jobs failed that are still open is forgotten with it, at most some hundred outcomes later than theirs.
    await this.#outcomes.trim(firstNeeded);
  }

  async #load() {
    this.#done = await this.#log.cursor("done").get();
    for await (const { seq, data } of this.#jobs.read()) if (seq > this.#done) this.#open.set(seq, { data: Buffer.from(data), attempts: 0, leasedUntil: 0 });
    for await (const { seq, data } of this.#outcomes.read()) {
      const [id, outcome] = JSON.parse(Buffer.from(data));
      if (outcome === "failed") {
        const job = this.#open.get(id);
        if (job !== undefined) job.attempts++;
      } else if (this.#open.delete(id)) this.#doneAhead.set(id, seq);
    }
    while (this.#doneAhead.delete(this.#done + 1)) this.#done++;
  }
}

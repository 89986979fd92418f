// Appends that wait for the same commit: what a careful user writes around a store that commits synchronously, or as a whole.

/** Collects what is appended while a commit runs; `commit(items)` makes all of them durable at once. */
export class Batcher {
  #commit;
  #items = [];
  #waiting = [];
  #scheduled = false;

  constructor(commit) {
    this.#commit = commit;
  }

  append(item) {
    this.#items.push(item);
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => void this.#run());
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async #run() {
    const items = this.#items;
    const waiting = this.#waiting;
    this.#items = [];
    this.#waiting = [];
    try {
      await this.#commit(items);
      for (const { resolve } of waiting) resolve();
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
    if (this.#items.length > 0) setImmediate(() => void this.#run());
    else this.#scheduled = false;
  }
}

/** A promise of a function that takes a callback last. */
export function called(start) {
  return new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));
}

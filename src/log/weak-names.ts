// Objects by name, for as long as somebody else holds them: a name that was asked for once costs nothing afterwards.

/** Fewer names are not worth looking through. */
const sweepFrom = 256;

export class WeakNames<T extends object> {
  readonly #byName = new Map<string, WeakRef<T>>();
  /** At so many names those that nobody holds are forgotten: a FinalizationRegistry would take 2.5 µs for each name. */
  #sweepAt = sweepFrom;

  get(name: string): T | undefined {
    return this.#byName.get(name)?.deref();
  }

  set(name: string, value: T): void {
    this.#byName.set(name, new WeakRef(value));
    if (this.#byName.size < this.#sweepAt) return;
    for (const [known, reference] of this.#byName) if (reference.deref() === undefined) this.#byName.delete(known);
    this.#sweepAt = Math.max(sweepFrom, 2 * this.#byName.size);
  }

  delete(name: string): void {
    this.#byName.delete(name);
  }
}

// What a lane waits for in its own state: conditions that are asked again whenever something has moved. Owns no state but them.

export class Conditions {
  /** Then nobody waits any more, whatever holds. */
  readonly #isOver: () => boolean;
  readonly #waiting: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];

  constructor(isOver: () => boolean) {
    this.#isOver = isOver;
  }

  /** Resolves at the first `check` at which it holds, or all is over. */
  async wait(holds: () => boolean): Promise<void> {
    if (this.#isOver() || holds()) return;
    await new Promise<void>((resolve) => { this.#waiting.push({ holds, resolve }); });
  }

  check(): void {
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      const condition = this.#waiting[index] as { holds: () => boolean; resolve: () => void };
      if (!this.#isOver() && !condition.holds()) continue;
      this.#waiting.splice(index, 1);
      condition.resolve();
    }
  }
}

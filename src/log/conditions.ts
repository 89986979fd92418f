// What a lane waits for in its own state: conditions that are asked again whenever something has moved. Owns no state but them.

export class Conditions {
  readonly #waiting: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];

  /** Resolves at the first `check` at which it holds. */
  async wait(holds: () => boolean): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve) => { this.#waiting.push({ holds, resolve }); });
  }

  check(): void {
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      const condition = this.#waiting[index] as { holds: () => boolean; resolve: () => void };
      if (!condition.holds()) continue;
      this.#waiting.splice(index, 1);
      condition.resolve();
    }
  }
}

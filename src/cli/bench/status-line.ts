// One line on stderr that says what the bench is doing, where somebody looks at a terminal.

export class StatusLine implements Disposable {
  readonly #isWanted: boolean;
  #isShown = false;

  constructor(isWanted: boolean = process.stderr.isTTY) {
    this.#isWanted = isWanted;
  }

  show(text: string): void {
    if (!this.#isWanted) return;
    this.#isShown = true;
    process.stderr.write(`\r\u001b[K${text}`);
  }

  [Symbol.dispose](): void {
    if (this.#isShown) process.stderr.write("\r\u001b[K");
  }
}

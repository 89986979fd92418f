// What a campaign has done so far, for its report.

export class Tally {
  crashes = 0;
  epochs = 0;
  directories = 0;
  /** Records of operations that were acknowledged before a crash; each was accounted for after it. */
  acknowledgedRecords = 0;
  /** Records whose content was compared; one that outlives ten crashes counts ten times. */
  comparedRecords = 0;
  readonly #verdicts = new Map<string, number>();

  noteVerdict(verdict: string): void {
    this.#verdicts.set(verdict, (this.#verdicts.get(verdict) ?? 0) + 1);
  }

  get verdicts(): string {
    return [...this.#verdicts].sort(([, a], [, b]) => b - a).map(([verdict, count]) => `${verdict}: ${count}`).join("; ");
  }

  toString(): string {
    return `${this.acknowledgedRecords} acknowledged records accounted for, ${this.comparedRecords} contents compared, ${this.epochs} epochs in ${this.directories} logs; recovery: ${this.verdicts}`;
  }
}

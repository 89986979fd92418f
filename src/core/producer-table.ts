// What is known of a partition's producers: which of their calls were appended, and where. Pure.
//
// A call is one append or one batch; a producer numbers its calls 1, 2, 3, … without holes. Bounded: the last calls of
// each producer, and so many calls altogether; then the producer that has been silent longest, counted in calls, is forgotten.

/** Calls of one producer that are told from new ones. */
export const producerCallsMax = 1024;
/** Calls of all producers of a partition that are remembered for sure. */
export const partitionCallsMin = 65_536;
/** Where forgetting begins. Not with each call: looking for the first entry of a map passes over all that were deleted before it. */
const partitionCallsMax = partitionCallsMin + partitionCallsMin / 8;

export interface ProducerCall {
  readonly producer: string;
  /** The producer's number of the call. */
  readonly number: number;
  /** Sequence of its first record, and how many records it has. */
  readonly first: number;
  readonly count: number;
}

export type CallVerdict =
  | { readonly kind: "new" }
  | { readonly kind: "known"; readonly first: number; readonly count: number }
  /** `next` is the number that is due, `oldest` the first that would be known; equal when none is. */
  | { readonly kind: "gap" | "forgotten"; readonly next: number; readonly oldest: number };

const isNew: CallVerdict = { kind: "new" };

export class ProducerTable {
  /** The one that has been silent longest comes first. */
  readonly #producers = new Map<string, Calls>();
  /** The last of them; null where that is not known. Its entry need not be moved. */
  #newest: Calls | null = null;
  #count = 0;

  /** Calls that are remembered. */
  get size(): number {
    return this.#count;
  }

  look(producer: string, number: number): CallVerdict {
    const calls = this.#producers.get(producer);
    if (calls === undefined || number === calls.next) return isNew;
    if (number > calls.next) return { kind: "gap", next: calls.next, oldest: calls.oldest };
    if (number < calls.oldest) return { kind: "forgotten", next: calls.next, oldest: calls.oldest };
    return { kind: "known", first: calls.first(number), count: calls.count(number) };
  }

  /** A call was accepted. One that does not follow the producer's last begins anew: it had been forgotten. */
  add({ producer, number, first, count }: ProducerCall): void {
    let calls = this.#producers.get(producer);
    if (calls !== undefined && calls === this.#newest && calls.next === number) {
      this.#count -= calls.size;
      calls.push(first, count);
      this.#count += calls.size;
      if (this.#count > partitionCallsMax) this.#forgetSilent();
      return;
    }
    if (calls !== undefined) {
      this.#producers.delete(producer);
      this.#count -= calls.size;
    }
    if (calls?.next !== number) calls = new Calls(number);
    calls.push(first, count);
    this.#producers.set(producer, calls);
    this.#newest = calls;
    this.#count += calls.size;
    if (this.#count > partitionCallsMax) this.#forgetSilent();
  }

  #forgetSilent(): void {
    for (const [oldest, its] of this.#producers) {
      if (this.#count - its.size < partitionCallsMin) break;
      this.#producers.delete(oldest);
      this.#count -= its.size;
    }
  }

  /** The call was refused after all, and with it all that followed. */
  takeBack(producer: string, number: number): void {
    const calls = this.#producers.get(producer);
    if (calls === undefined || number < calls.oldest) return;
    this.#dropWhile(producer, calls, () => calls.next > number);
  }

  /** Records above `after` are truncated away: calls with a record among them are not done any more. */
  truncate(after: number): void {
    for (const [producer, calls] of this.#producers) this.#dropWhile(producer, calls, () => calls.lastRecord > after);
  }

  clear(): void {
    this.#producers.clear();
    this.#newest = null;
    this.#count = 0;
  }

  /** All that is remembered, in an order in which `add` makes the same table of it. */
  *calls(): Generator<ProducerCall> {
    for (const [producer, calls] of this.#producers) {
      for (let number = calls.oldest; number < calls.next; number++) yield { producer, number, first: calls.first(number), count: calls.count(number) };
    }
  }

  #dropWhile(producer: string, calls: Calls, holds: () => boolean): void {
    const before = calls.size;
    while (calls.size > 0 && holds()) calls.pop();
    this.#count += calls.size - before;
    // Its next number may be any: what came before is not known.
    if (calls.size > 0) return;
    this.#producers.delete(producer);
    if (this.#newest === calls) this.#newest = null;
  }
}

/** The last calls of one producer. */
class Calls {
  next: number;
  readonly #firsts: number[] = [];
  readonly #counts: number[] = [];

  constructor(number: number) {
    this.next = number;
  }

  get size(): number {
    return Math.min(this.#firsts.length, producerCallsMax);
  }

  get oldest(): number {
    return this.next - this.size;
  }

  get lastRecord(): number {
    const last = this.#firsts.length - 1;
    return (this.#firsts[last] as number) + (this.#counts[last] as number) - 1;
  }

  first(number: number): number {
    return this.#firsts[this.#firsts.length - this.next + number] as number;
  }

  count(number: number): number {
    return this.#counts[this.#counts.length - this.next + number] as number;
  }

  push(first: number, count: number): void {
    this.next++;
    this.#firsts.push(first);
    this.#counts.push(count);
    if (this.#firsts.length < 2 * producerCallsMax) return;
    this.#firsts.splice(0, producerCallsMax);
    this.#counts.splice(0, producerCallsMax);
  }

  pop(): void {
    this.next--;
    this.#firsts.pop();
    this.#counts.pop();
  }
}

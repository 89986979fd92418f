// Retention: which records may go by themselves, and when to look for them. Pure.
//
// `RetentionRules` says what holds for a partition. `RetentionSchedule` knows of each sealed segment how large it is and how
// old its newest record, and names the next segment to look into: it never looks at partitions, so that a hundred thousand
// of them cost nothing while no segment is due. What to trim is decided by who looks (log/retention.ts), run by run.
// It must never name more segments than the limits ask for.

import { assert } from "../base/assert.js";

/** What a partition may hold. What is beyond goes by itself, in the background, once the segment that it lies in takes no more records. */
export interface PartitionRetention {
  /** Bytes of payload. Trimmed segment by segment: so many stay at least. */
  readonly maxBytes?: number;
  /** Milliseconds: a record goes when all records of its segment are older. In place of the log's `maxAgeMs`. */
  readonly maxAgeMs?: number;
  /** Records, counted whenever a segment ends. Trimmed record by record: so many stay. */
  readonly maxRecords?: number;
}

export interface RetentionOption {
  /**
   * Bytes of all segment files that hold records, the one that takes appends counted in full: at least two segments. Beyond it the oldest
   * segments are given up, with all in them but what is kept. Spare files, four per lane at most, come on top.
   */
  readonly maxBytes?: number;
  /**
   * Milliseconds: a record goes when all records of its segment are older. A segment then ends after an eighth of the smallest age, if not
   * earlier: a record goes by nine eighths of its age.
   */
  readonly maxAgeMs?: number;
  /**
   * Partitions with limits of their own, by name, or by the beginning of the name with "*" behind it; the longest that fits counts. "keep":
   * nothing of it goes by itself, whatever the log's limits say; then segments stay that hold something of it.
   */
  readonly partitions?: Readonly<Record<string, "keep" | PartitionRetention>>;
}

/** What holds for one partition; infinite where there is no limit. */
export interface PartitionRule {
  /** Nothing of it goes by itself, whatever the log as a whole asks for. */
  readonly isKept: boolean;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly maxRecords: number;
}

const unlimited = Number.POSITIVE_INFINITY;
const kept: PartitionRule = { isKept: true, maxBytes: unlimited, maxAgeMs: unlimited, maxRecords: unlimited };

export class RetentionRules {
  /** Ages that some rule names, ascending. */
  readonly ages: readonly number[];
  /** Whether some partition has a limit of its own other than an age: it is looked at when it has grown. */
  readonly limitsPartitions: boolean;
  readonly #byName = new Map<string, PartitionRule>();
  /** The longest beginning first. */
  readonly #byPrefix: readonly (readonly [string, PartitionRule])[];
  readonly #other: PartitionRule;

  constructor({ maxAgeMs: maxAgeOfOthers = unlimited, partitions = {} }: RetentionOption) {
    const ruleOf = (limits: "keep" | PartitionRetention): PartitionRule => {
      if (limits === "keep") return kept;
      const { maxBytes = unlimited, maxAgeMs = maxAgeOfOthers, maxRecords = unlimited } = limits;
      return { isKept: false, maxBytes, maxAgeMs, maxRecords };
    };
    const prefixes: (readonly [string, PartitionRule])[] = [];
    this.#other = ruleOf({});
    for (const [pattern, limits] of Object.entries(partitions)) {
      if (pattern.endsWith("*")) prefixes.push([pattern.slice(0, -1), ruleOf(limits)]);
      else this.#byName.set(pattern, ruleOf(limits));
    }
    this.#byPrefix = prefixes.sort(([one], [other]) => other.length - one.length);
    const rules = [this.#other, ...this.#byName.values(), ...prefixes.map(([, rule]) => rule)];
    this.ages = [...new Set(rules.map((rule) => rule.maxAgeMs).filter(Number.isFinite))].sort((a, b) => a - b);
    this.limitsPartitions = rules.some((rule) => Number.isFinite(rule.maxBytes) || Number.isFinite(rule.maxRecords));
  }

  /** A name of its own goes before a beginning, and a longer beginning before a shorter one. What the log hides is its own to trim. */
  of(name: string): PartitionRule {
    if (name.startsWith("\u0000")) return kept;
    return this.#byName.get(name) ?? this.#byPrefix.find(([prefix]) => name.startsWith(prefix))?.[1] ?? this.#other;
  }
}

/** A segment that takes no more blocks. */
export interface SealedSegment {
  readonly segment: number;
  /** Its file's size. */
  readonly bytes: number;
  /** Of its newest record, milliseconds since 1970. */
  readonly lastTime: number;
}

export type LookReason =
  /** It is new: partitions with records in it have grown. */
  | { readonly kind: "grown" }
  /** The log is too large: what is in it goes. */
  | { readonly kind: "size" }
  /** All in it is older than this: it goes, of partitions with this very limit. */
  | { readonly kind: "age"; readonly maxAgeMs: number };

export interface Look {
  readonly lane: number;
  readonly segment: number;
  readonly reason: LookReason;
}

export interface ScheduleOptions {
  readonly lanes: number;
  readonly maxBytes: number;
  /** What is set aside of them for the segments that take appends. */
  readonly reservedBytes: number;
  readonly ages: readonly number[];
  readonly looksAtGrown: boolean;
}

/** One reason, with the last segment of each lane that was looked into for it. */
interface Sweep {
  readonly reason: LookReason;
  readonly done: number[];
}

export class RetentionSchedule {
  readonly #options: ScheduleOptions;
  readonly #lanes: SealedSegment[][];
  readonly #grown: Sweep | null;
  readonly #size: Sweep;
  readonly #ages: readonly (Sweep & { readonly maxAgeMs: number })[];
  /** Of the segments that the sweep by size has not looked into. */
  #bytes = 0;

  constructor(options: ScheduleOptions) {
    const { lanes, ages, looksAtGrown } = options;
    const none = (): number[] => new Array<number>(lanes).fill(0);
    this.#options = options;
    this.#lanes = Array.from({ length: lanes }, () => []);
    this.#grown = looksAtGrown ? { reason: { kind: "grown" }, done: none() } : null;
    this.#size = { reason: { kind: "size" }, done: none() };
    this.#ages = ages.map((maxAgeMs) => ({ reason: { kind: "age", maxAgeMs }, done: none(), maxAgeMs }));
  }

  /** Segments of a lane come in order. `isOld`: it was sealed before the log was opened, and nothing has grown by it. */
  handleSealed(lane: number, sealed: SealedSegment, isOld: boolean): void {
    const segments = this.#lanes[lane] as SealedSegment[];
    assert((segments[segments.length - 1]?.segment ?? 0) < sealed.segment, "sealed segments come in order");
    segments.push(sealed);
    this.#bytes += sealed.bytes;
    if (isOld && this.#grown !== null) this.#grown.done[lane] = sealed.segment;
  }

  /** Segments before this one are gone. */
  handleKept(lane: number, firstKept: number): void {
    const segments = this.#lanes[lane] as SealedSegment[];
    const count = segments.findIndex(({ segment }) => segment >= firstKept);
    for (const { segment, bytes } of segments.splice(0, count === -1 ? segments.length : count)) {
      if (segment > (this.#size.done[lane] as number)) this.#bytes -= bytes;
    }
  }

  /** The next segment to look into, or null when none is due at `now`, in milliseconds since 1970. It is due until `handleLooked`. */
  poll(now: number): Look | null {
    return this.#pollGrown() ?? this.#pollAges(now) ?? this.#pollSize();
  }

  handleLooked({ lane, segment, reason }: Look): void {
    const sweep = reason.kind === "grown" ? this.#grown : reason.kind === "size" ? this.#size : this.#ages.find(({ maxAgeMs }) => maxAgeMs === reason.maxAgeMs);
    assert(sweep !== undefined && sweep !== null, "what was looked at was asked for");
    if (reason.kind === "size") this.#bytes -= this.#next(this.#size, lane)?.bytes ?? 0;
    sweep.done[lane] = segment;
  }

  /** When a segment comes of age next, if no other is sealed before; infinite: never. */
  get dueAt(): number {
    let due = unlimited;
    for (const sweep of this.#ages) {
      for (let lane = 0; lane < this.#lanes.length; lane++) {
        const next = this.#next(sweep, lane);
        if (next !== undefined) due = Math.min(due, next.lastTime + sweep.maxAgeMs);
      }
    }
    return due;
  }

  #pollGrown(): Look | null {
    if (this.#grown === null) return null;
    for (let lane = 0; lane < this.#lanes.length; lane++) {
      const next = this.#next(this.#grown, lane);
      if (next !== undefined) return { lane, segment: next.segment, reason: this.#grown.reason };
    }
    return null;
  }

  #pollAges(now: number): Look | null {
    for (const sweep of this.#ages) {
      for (let lane = 0; lane < this.#lanes.length; lane++) {
        const next = this.#next(sweep, lane);
        if (next !== undefined && next.lastTime + sweep.maxAgeMs < now) return { lane, segment: next.segment, reason: sweep.reason };
      }
    }
    return null;
  }

  /** The oldest of all lanes goes first. What could not be freed then, for somebody keeps something in it, is not made up for by newer ones. */
  #pollSize(): Look | null {
    if (this.#bytes + this.#options.reservedBytes <= this.#options.maxBytes) return null;
    let oldest: Look | null = null;
    let lastTime = unlimited;
    for (let lane = 0; lane < this.#lanes.length; lane++) {
      const next = this.#next(this.#size, lane);
      if (next === undefined || next.lastTime >= lastTime) continue;
      oldest = { lane, segment: next.segment, reason: this.#size.reason };
      lastTime = next.lastTime;
    }
    return oldest;
  }

  #next(sweep: Sweep, lane: number): SealedSegment | undefined {
    const segments = this.#lanes[lane] as SealedSegment[];
    const done = sweep.done[lane] as number;
    let low = 0;
    let high = segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((segments[middle] as SealedSegment).segment <= done) low = middle + 1;
      else high = middle;
    }
    return segments[low];
  }
}

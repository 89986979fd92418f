// Options of `Log.open`: their shapes, defaults and validation. Nothing is opened before all of them are valid.

import { RingwallError } from "../base/errors.js";
import { RetentionRules, type RetentionOption } from "../core/retention.js";
import { blockBytesMax, pageBytes } from "../format/block.js";
import { lanesMax } from "../format/superblock.js";

export type DurabilityOption =
  /** An append resolves when its record is on stable media. */
  | { readonly mode: "sync" }
  /** An append resolves at once; its record is durable `ms` milliseconds later at most (default 100), or once `recordsMax` records wait (default 1000). */
  | { readonly mode: "interval"; readonly ms?: number; readonly recordsMax?: number }
  /** An append resolves when the operating system has its record: it survives the process, not the power. */
  | { readonly mode: "none" };

export interface SqpollOption {
  /** Milliseconds without work after which the kernel's thread sleeps. Default 1000. */
  readonly idleMs?: number;
  /** The CPU that the kernel's thread is pinned to. Default: not pinned. */
  readonly cpu?: number;
  /**
   * With `lane: "thread"`: whether the lane's thread, which waits by looking at memory, lets others have the processor while it finds nothing. "auto"
   * where that was seen to help them, which it does where processors are fewer than threads that run; "never" saves those system calls. Default "auto".
   */
  readonly yields?: "auto" | "never";
}

/** What is about to be moved: the owner may trim it instead. */
export interface ReclaimEvent {
  readonly lane: number;
  readonly partitions: readonly {
    readonly name: string;
    /** The first and the last of its records that lie in the segments at hand; not all between them need to. */
    readonly firstSeq: number;
    readonly lastSeq: number;
    /** On disk, about. */
    readonly bytes: number;
  }[];
}

export interface ReclaimOption {
  /** The disk space of a lane's full segments may be so many times that of its live records, and two segments more. 1.1 to 100; default 2. */
  readonly factor?: number;
  /**
   * Bytes of records moved in a second at most, per lane, so that writers come first. By default `1 / (factor - 1)` bytes are moved for each
   * that is appended, and 64 MiB a second where that is more.
   */
  readonly bytesPerSecond?: number;
  /** Called before records are moved, in the thread that opened the log, and awaited: what it trims is not moved. */
  readonly onReclaim?: (event: ReclaimEvent) => void | Promise<void>;
  /** Called when a record is damaged that would have to be moved: its segment, and those behind it, stay. */
  readonly onStopped?: (error: RingwallError) => void;
}

export interface LogOptions {
  /** "auto" (default): io_uring where it works, else node:fs. "uring" fails with RINGWALL_UNAVAILABLE where it can't work. */
  readonly backend?: "auto" | "uring" | "fs";
  /** Reads only, also beside a writer in another process; takes no lock and writes nothing. Default false. */
  readonly readOnly?: boolean;
  /** Whether a log is created where there is none. Default true; a read-only log never is. */
  readonly create?: boolean;
  /** What an append's acknowledgement means. Default `{ mode: "sync" }`. */
  readonly durability?: DurabilityOption;
  /**
   * Where the lanes run. "inline" (default): in this thread. "thread": all of them in one thread that the log owns; then
   * any number of threads may append, each with `Log.attach(log.share())`.
   */
  readonly lane?: "inline" | "thread";
  /** Physical logs to spread partitions over, 1 to 32; counts when the log is created. Default 1. */
  readonly lanes?: number;
  /** Size at which a segment is full, bytes, a multiple of 4096. Default 100 MiB. */
  readonly segmentBytes?: number;
  /** Age at which a segment that holds anything ends, milliseconds; 0: never. Default 0. */
  readonly segmentAgeMs?: number;
  /** What goes by itself, and when. It holds while the log is open with it, and is not kept on disk. Default: nothing goes. */
  readonly retention?: RetentionOption;
  /**
   * Live records in the oldest segments are written anew at the end, so that the segments go although some partition is never trimmed.
   * False: they stay, and hold the space of all that lies behind them. Default: on.
   */
  readonly reclaim?: boolean | ReclaimOption;
  /** Size of one buffer, the largest block, bytes, a multiple of 4096, 16 KiB to 16 MiB. Default 512 KiB. */
  readonly bufferBytes?: number;
  /** Number of buffers, 2 to 1024. Default 8. */
  readonly bufferCount?: number;
  /** Blocks written at once, 1 to 4. Default 4. */
  readonly blocksInFlight?: number;
  /**
   * Blocks that wait for their turn together and lie back to back go out as one vectored write of up to so many bytes, to 16 MiB; 0: each
   * alone. Default 0: it gained nothing where it was measured.
   */
  readonly gatherBytes?: number;
  /** Largest record, bytes, up to 1 GiB. Default 64 MiB. */
  readonly recordBytesMax?: number;
  /**
   * How completions are awaited on io_uring. "wait" (default): asleep on the ring's descriptor, but for a bounded time while two or more
   * writes are under way. "spin": looking for a bounded time in any case.
   */
  readonly completion?: "wait" | "spin";
  /** A kernel thread that submits without system calls. Default off. */
  readonly sqpoll?: boolean | SqpollOption;
  /**
   * Completions are polled for on a ring of their own kind, without interrupts: takes a core while anything is in flight. Only where a probe
   * in the log's directory says that the device has poll queues; elsewhere it is off, with the reason in `log.info`. Default off.
   */
  readonly iopoll?: boolean;
  /** Entries of the submission queue, a power of two. Default 256. */
  readonly ringEntries?: number;
  /** Whether buffers and files are registered with the ring. Default true; falls back by itself where that is refused. */
  readonly registeredBuffers?: boolean;
  readonly registeredFiles?: boolean;
}

export type ResolvedDurability =
  | { readonly mode: "sync" }
  | { readonly mode: "interval"; readonly ms: number; readonly recordsMax: number }
  | { readonly mode: "none" };

export interface ResolvedReclaim {
  readonly factor: number;
  /** Without it: as writers append. */
  readonly bytesPerSecond?: number;
  readonly onReclaim?: NonNullable<ReclaimOption["onReclaim"]>;
  readonly onStopped?: NonNullable<ReclaimOption["onStopped"]>;
}

/** Options with defaults filled in. */
export interface ResolvedOptions {
  readonly backend: "auto" | "uring" | "fs";
  readonly readOnly: boolean;
  readonly create: boolean;
  readonly durability: ResolvedDurability;
  readonly lane: "inline" | "thread";
  readonly lanes: number;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  readonly retention: RetentionOption | undefined;
  readonly reclaim: ResolvedReclaim | null;
  readonly bufferBytes: number;
  readonly bufferCount: number;
  readonly blocksInFlight: number;
  readonly gatherBytes: number;
  readonly recordBytesMax: number;
  readonly completion: "wait" | "spin";
  readonly sqpoll: { readonly idleMs: number; readonly cpu: number | undefined; readonly yields: "auto" | "never" } | undefined;
  readonly iopoll: boolean;
  readonly ringEntries: number;
  readonly registeredBuffers: boolean;
  readonly registeredFiles: boolean;
}

/** Of SQPOLL's kernel thread, without work. */
export const idleMillisDefault = 1000;
const mebibyte = 1024 * 1024;
const timerMillisMax = 0x7fff_ffff;
/** Of a segment's age to the smallest age that retention knows: what lies in it is that much older than need be when it goes. */
const ageShare = 8;
const segmentAgeMillisMin = 1000;
const poolBytesMax = 1024 * mebibyte;

const known = new Set<string>([
  "backend", "readOnly", "create", "durability", "lane", "lanes", "segmentBytes", "segmentAgeMs", "retention", "reclaim", "bufferBytes", "bufferCount", "blocksInFlight", "gatherBytes",
  "recordBytesMax", "completion", "sqpoll", "iopoll", "ringEntries", "registeredBuffers", "registeredFiles",
]);

/** Validates and fills in. Throws RINGWALL_INVALID_OPTION that names the option, what it was and what it may be. */
export function resolveOptions(options: LogOptions): ResolvedOptions {
  if (typeof options !== "object" || options === null || Array.isArray(options)) throw invalid("options", options, "an object");
  rejectUnknown("", options, known);
  const bufferBytes = integer(options, "bufferBytes", { fallback: 512 * 1024, min: 16 * 1024, max: blockBytesMax, multipleOf: pageBytes });
  const bufferCount = integer(options, "bufferCount", { fallback: 8, min: 2, max: 1024 });
  if (bufferBytes * bufferCount > poolBytesMax) throw invalid("bufferCount", bufferCount, `such that bufferBytes × bufferCount is at most ${String(poolBytesMax)}`);
  const ringEntries = integer(options, "ringEntries", { fallback: 256, min: 8, max: 32_768 });
  if ((ringEntries & (ringEntries - 1)) !== 0) throw invalid("ringEntries", ringEntries, "a power of two");
  const segmentBytesMin = Math.max(mebibyte, 2 * bufferBytes);
  const segmentBytesDefault = Math.max(100 * mebibyte, segmentBytesMin);
  const segmentBytes = integer(options, "segmentBytes", { fallback: segmentBytesDefault, min: segmentBytesMin, max: 1024 * 1024 * mebibyte, multipleOf: pageBytes });
  const retention = checkedRetention(options, segmentBytes);
  return {
    backend: oneOf(options, "backend", "auto", ["auto", "uring", "fs"]),
    readOnly: flag(options, "readOnly", false),
    create: flag(options, "create", true),
    durability: durability(options.durability),
    lane: laneOf(options),
    lanes: integer(options, "lanes", { fallback: 1, min: 1, max: lanesMax }),
    segmentBytes,
    segmentAgeMs: segmentAge(integer(options, "segmentAgeMs", { fallback: 0, min: 0, max: timerMillisMax }), retention),
    retention,
    reclaim: reclaim(options),
    bufferBytes,
    bufferCount,
    blocksInFlight: integer(options, "blocksInFlight", { fallback: 4, min: 1, max: 4 }),
    gatherBytes: integer(options, "gatherBytes", { fallback: 0, min: 0, max: 16 * mebibyte }),
    recordBytesMax: integer(options, "recordBytesMax", { fallback: 64 * mebibyte, min: 1, max: 1024 * mebibyte }),
    completion: oneOf(options, "completion", "wait", ["wait", "spin"]),
    sqpoll: sqpoll(options.sqpoll),
    iopoll: flag(options, "iopoll", false),
    ringEntries,
    registeredBuffers: flag(options, "registeredBuffers", true),
    registeredFiles: flag(options, "registeredFiles", true),
  };
}

function laneOf(options: LogOptions): ResolvedOptions["lane"] {
  const lane = oneOf(options, "lane", "inline", ["inline", "thread"]);
  if (lane === "thread" && options.readOnly === true) throw invalid("lane", lane, '"inline" where `readOnly` is true: reading needs no lane');
  return lane;
}

function checkedRetention(options: LogOptions, segmentBytes: number): RetentionOption | undefined {
  const value = options.retention;
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("retention", value, "an object such as { maxAgeMs: 86400000 }");
  if (options.readOnly === true) throw new RingwallError("RINGWALL_INVALID_OPTION", "`retention` and `readOnly` exclude each other: reading trims nothing", { details: { option: "retention" } });
  rejectUnknown("retention.", value, new Set(["maxBytes", "maxAgeMs", "partitions"]));
  checkLimit(value, "maxBytes", "retention.", 2 * segmentBytes);
  checkLimit(value, "maxAgeMs", "retention.");
  const { partitions } = value;
  if (partitions !== undefined) {
    if (typeof partitions !== "object" || partitions === null || Array.isArray(partitions)) throw invalid("retention.partitions", partitions, 'an object such as { "audit": "keep" }');
    for (const [name, limits] of Object.entries(partitions)) checkPartitionRetention(name, limits);
  }
  return structuredClone(value);
}

function checkPartitionRetention(name: string, value: unknown): void {
  const path = `retention.partitions[${JSON.stringify(name)}]`;
  if (name === "" || name.startsWith("\u0000")) throw new RingwallError("RINGWALL_INVALID_OPTION", `\`${path}\` is no partition's name, nor the beginning of one`, { details: { option: path } });
  if (value === "keep") return;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(path, value, '"keep" or an object such as { maxRecords: 1000 }');
  const keys = ["maxBytes", "maxAgeMs", "maxRecords"];
  rejectUnknown(`${path}.`, value, new Set(keys));
  for (const key of keys) checkLimit(value, key, `${path}.`);
}

function checkLimit(options: object, key: string, prefix: string, min = 1): void {
  integer(options, key, { fallback: min, min, max: Number.MAX_SAFE_INTEGER, prefix });
}

function segmentAge(asked: number, retention: RetentionOption | undefined): number {
  const age = retention === undefined ? Number.POSITIVE_INFINITY : Math.min(...new RetentionRules(retention).ages);
  const longest = Math.max(segmentAgeMillisMin, Math.floor(age / ageShare));
  return longest > timerMillisMax || (asked !== 0 && asked <= longest) ? asked : longest;
}

function durability(value: DurabilityOption | undefined): ResolvedDurability {
  if (value === undefined) return { mode: "sync" };
  if (typeof value !== "object" || value === null) throw invalid("durability", value, 'an object such as { mode: "sync" }');
  switch (value.mode) {
    case "sync":
    case "none":
      rejectUnknown("durability.", value, new Set(["mode"]));
      return { mode: value.mode };
    case "interval":
      rejectUnknown("durability.", value, new Set(["mode", "ms", "recordsMax"]));
      return {
        mode: "interval",
        ms: integer(value, "ms", { fallback: 100, min: 1, max: 3_600_000, prefix: "durability." }),
        recordsMax: integer(value, "recordsMax", { fallback: 1000, min: 1, max: 1_000_000, prefix: "durability." }),
      };
    default:
      throw invalid("durability.mode", (value as { mode: unknown }).mode, '"sync", "interval" or "none"');
  }
}

function reclaim({ reclaim: value }: LogOptions): ResolvedReclaim | null {
  if (value === false) return null;
  if (value !== undefined && value !== true && (typeof value !== "object" || value === null)) throw invalid("reclaim", value, "a boolean or an object such as { factor: 2 }");
  const asked = typeof value === "object" ? value : {};
  rejectUnknown("reclaim.", asked, new Set(["factor", "bytesPerSecond", "onReclaim", "onStopped"]));
  const { factor = 2, onReclaim, onStopped } = asked;
  if (typeof factor !== "number" || !(factor >= 1.1 && factor <= 100)) throw invalid("reclaim.factor", factor, "a number from 1.1 to 100");
  const bytesPerSecond = integer(asked, "bytesPerSecond", { fallback: 0, min: 1024, max: Number.MAX_SAFE_INTEGER, prefix: "reclaim." });
  for (const [name, callback] of Object.entries({ onReclaim, onStopped })) {
    if (callback !== undefined && typeof callback !== "function") throw invalid(`reclaim.${name}`, callback, "a function");
  }
  return { factor, ...(bytesPerSecond === 0 ? {} : { bytesPerSecond }), ...(onReclaim === undefined ? {} : { onReclaim }), ...(onStopped === undefined ? {} : { onStopped }) };
}

function sqpoll(value: boolean | SqpollOption | undefined): ResolvedOptions["sqpoll"] {
  if (value === undefined || value === false) return undefined;
  if (value === true) return sqpoll({});
  if (typeof value !== "object" || value === null) throw invalid("sqpoll", value, "a boolean or an object such as { idleMs: 1000, cpu: 1 }");
  rejectUnknown("sqpoll.", value, new Set(["idleMs", "cpu", "yields"]));
  return {
    idleMs: integer(value, "idleMs", { fallback: idleMillisDefault, min: 1, max: 0x7fff_ffff, prefix: "sqpoll." }),
    cpu: value.cpu === undefined ? undefined : integer(value, "cpu", { fallback: 0, min: 0, max: 65_535, prefix: "sqpoll." }),
    yields: oneOf(value, "yields", "auto", ["auto", "never"], "sqpoll."),
  };
}

interface IntegerRule {
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
  readonly multipleOf?: number;
  /** Path of the options object, for the message: "durability.". */
  readonly prefix?: string;
}

function integer(options: object, key: string, { fallback, min, max, multipleOf = 1, prefix = "" }: IntegerRule): number {
  const value: unknown = (options as Record<string, unknown>)[key];
  if (value === undefined) return fallback;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max && value % multipleOf === 0) return value;
  const multiple = multipleOf === 1 ? "" : `, a multiple of ${String(multipleOf)}`;
  throw invalid(prefix + key, value, `an integer from ${String(min)} to ${String(max)}${multiple}`);
}

function flag(options: object, key: string, fallback: boolean): boolean {
  const value: unknown = (options as Record<string, unknown>)[key];
  if (value === undefined) return fallback;
  if (typeof value === "boolean") return value;
  throw invalid(key, value, "true or false");
}

function oneOf<Choice extends string>(options: object, key: string, fallback: Choice, choices: readonly Choice[], prefix = ""): Choice {
  const value: unknown = (options as Record<string, unknown>)[key];
  if (value === undefined) return fallback;
  const choice = choices.find((candidate) => candidate === value);
  if (choice !== undefined) return choice;
  throw invalid(prefix + key, value, choices.map((candidate) => JSON.stringify(candidate)).join(" or "));
}

function rejectUnknown(prefix: string, value: object, names: ReadonlySet<string>): void {
  for (const key of Object.keys(value)) {
    if (names.has(key)) continue;
    throw new RingwallError("RINGWALL_INVALID_OPTION", `there is no option \`${prefix}${key}\``, {
      details: { option: `${prefix}${key}` },
      remedy: `Known are: ${[...names].join(", ")}.`,
    });
  }
}

function invalid(name: string, value: unknown, wanted: string): RingwallError {
  return new RingwallError("RINGWALL_INVALID_OPTION", `\`${name}\` must be ${wanted}; it is ${shown(value)}`, { details: { option: name, value } });
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${String(value)}n`;
  return String(value);
}

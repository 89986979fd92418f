// A simulated machine: its disk, its clock, its faults, and the processes that run on it and die.
//
// Owns: everything that outlives a process, and the two ways to end one: `kill` (the system lives, the page cache stays) and
// `losePower`. All chance comes from one seed; `digest` is the sum of everything that happened, to compare two runs by.

import { SimDisk } from "./disk.js";
import { EventLoop, type Owner } from "./event-loop.js";
import { FaultCounts, noFaults, type FaultKind, type FaultRates } from "./faults.js";
import { sectorBytes, type Inode } from "./inode.js";
import { Random } from "./random.js";

/** Something under way on the disk: the end of its process decides how far it got. */
export interface DiskOperation {
  /** Takes effect wholly, or in the sectors that `random` chooses; called instead of its completion. */
  readonly abandon: (random: Random) => void;
}

export interface MachineOptions {
  readonly seed: number;
  readonly faults?: Partial<FaultRates>;
  /** How often a kind of fault may strike at most. */
  readonly faultsMax?: Partial<Record<FaultKind, number>>;
  /** Bytes of the disk. Default: without bound. */
  readonly diskBytes?: number;
  readonly startMs?: number;
  /** One line per event. */
  readonly trace?: ((line: string) => void) | undefined;
  /** An action of the loop threw: in a real process this would be an uncaught exception. Default: thrown for real. */
  readonly onError?: (error: unknown) => void;
}

const startMsDefault = Date.UTC(2026, 0, 1);

export class SimMachine {
  readonly loop: EventLoop;
  readonly disk: SimDisk;
  readonly random: Random;
  readonly faults: FaultRates;
  readonly counts = new FaultCounts();
  /** Directories whose writer's lock is held, by whom. */
  readonly locks = new Map<string, Owner>();
  readonly #operations = new Map<DiskOperation, Owner>();
  readonly #processes = new Set<Owner>();
  readonly #faultsMax: Partial<Record<FaultKind, number>>;
  readonly #trace: ((line: string) => void) | undefined;
  #digest = 0;

  constructor(options: MachineOptions) {
    const { seed, faults, faultsMax = {}, diskBytes = Number.POSITIVE_INFINITY, startMs = startMsDefault, trace, onError = throwForReal } = options;
    this.random = new Random(seed, 1);
    this.faults = { ...noFaults, ...faults };
    this.#faultsMax = faultsMax;
    this.disk = new SimDisk(diskBytes);
    this.loop = new EventLoop({ startMs, onError });
    this.#trace = trace;
  }

  /** A process begins. */
  boot(): Owner {
    const owner = { alive: true };
    this.#processes.add(owner);
    return owner;
  }

  /** The process ends at once, whatever it was doing. What the operating system has, it keeps. */
  kill(owner: Owner): void {
    owner.alive = false;
    this.#processes.delete(owner);
    for (const [operation, its] of [...this.#operations]) {
      if (its !== owner) continue;
      this.#operations.delete(operation);
      operation.abandon(this.random);
    }
    for (const [directory, holder] of [...this.locks]) if (holder === owner) this.locks.delete(directory);
    this.note("kill", 0, 0);
  }

  /** Every process ends, and of what was not durable each sector is kept or lost by itself. */
  losePower(): void {
    for (const owner of [...this.#processes]) this.kill(owner);
    const keep = this.random.pick([0, 0, 1, 0.5, this.random.fraction()]);
    this.disk.losePower(this.random, keep);
    this.note("power lost", Math.round(keep * 100), 0);
  }

  /** After so many more events the power fails, or only `process` is killed. Resolves when that has happened; the last call counts. */
  crashAfter(events: number, process?: Owner): Promise<void> {
    return new Promise((resolve) => {
      this.loop.interruptAt = this.loop.count + events;
      this.loop.onInterrupt = () => {
        if (process === undefined) this.losePower();
        else this.kill(process);
        resolve();
      };
    });
  }

  begin(owner: Owner, operation: DiskOperation): void {
    this.#operations.set(operation, owner);
  }

  end(operation: DiskOperation): void {
    this.#operations.delete(operation);
  }

  /** Whether a fault happens now. */
  strikes(kind: keyof FaultRates): boolean {
    if (!this.random.chance(this.faults[kind]) || this.counts.of(kind) >= (this.#faultsMax[kind] ?? Number.POSITIVE_INFINITY)) return false;
    this.counts.add(kind);
    this.note(kind, 0, 0);
    return true;
  }

  /** Microseconds that an operation takes; now and then many. */
  latency(): number {
    const micros = this.random.between(20, 200);
    return this.strikes("slow") ? micros * this.random.between(10, 500) : micros;
  }

  /** Turns one bit around somewhere on media, where something was written if chance finds it. Returns where; null: nowhere. */
  rot(inode: Inode, path: string): number | null {
    const position = this.#writtenPlace(inode);
    if (!inode.rot(position, this.random.below(8))) return null;
    this.counts.add("rot");
    this.note(`rot ${path}`, position, 1);
    return position;
  }

  /** Makes sectors unreadable until they are written. Returns where they are; null: the file has none. */
  spoil(inode: Inode, path: string, sectors = 1): { readonly position: number; readonly bytes: number } | null {
    if (inode.size === 0) return null;
    const first = Math.floor(this.#writtenPlace(inode) / sectorBytes);
    for (let sector = first; sector < first + sectors && sector * sectorBytes < inode.size; sector++) inode.bad.add(sector);
    this.counts.add("unreadable");
    this.note(`spoil ${path}`, first * sectorBytes, sectors * sectorBytes);
    return { position: first * sectorBytes, bytes: sectors * sectorBytes };
  }

  /** Somebody puts other content at the beginning of a file: a backup, a copy. Durable at once. */
  replace(inode: Inode, path: string, bytes: Uint8Array): void {
    inode.write(bytes, 0);
    inode.endFlush(inode.beginFlush());
    this.counts.add("replaced");
    this.note(`replace ${path}`, 0, bytes.length);
  }

  #writtenPlace(inode: Inode): number {
    let position = 0;
    for (let attempt = 0; attempt < 8; attempt++) {
      position = this.random.below(Math.max(1, inode.size));
      if (inode.visible[position] !== 0) break;
    }
    return position;
  }

  /** Puts an event into the digest and into the trace. Hot. */
  note(what: string, position: number, bytes: number): void {
    let digest = this.#digest;
    for (let at = 0; at < what.length; at++) digest = Math.imul(digest ^ what.charCodeAt(at), 0x01000193);
    digest = Math.imul(digest ^ this.loop.micros, 0x01000193);
    digest = Math.imul(digest ^ position, 0x01000193);
    digest = Math.imul(digest ^ bytes, 0x01000193);
    this.#digest = digest ^ (digest >>> 15);
    this.#trace?.(`${String(this.loop.micros).padStart(10)} µs  #${String(this.loop.count)}  ${what}${bytes > 0 || position > 0 ? ` ${String(position)} +${String(bytes)}` : ""}`);
  }

  /** 32 bits over everything that happened, in order. */
  get digest(): number {
    return this.#digest >>> 0;
  }
}

function throwForReal(error: unknown): void {
  setImmediate(() => { throw error; });
}

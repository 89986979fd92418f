// The content of one simulated file: what its readers see, and what of it would survive the power.
//
// Two images: `#cache` is what the operating system shows, `#media` what is on stable media. They differ in dirty sectors.
// Writes are numbered; a flush makes durable what was written before it began, and nothing else. At a power loss each
// dirty sector by itself keeps its media content, its latest, or one in between: torn and reordered writes come from that.

import type { Random } from "./random.js";

export const sectorBytes = 512;
const smallBytes = 16 * 1024;

interface Version {
  readonly generation: number;
  readonly bytes: Uint8Array;
}

/** What a flush will make durable. */
export interface FlushMark {
  readonly generation: number;
  readonly size: number;
}

export class Inode {
  readonly id: number;
  /** Bytes, as readers see it. */
  size = 0;
  #durableSize = 0;
  #cache = new Uint8Array(0);
  #media = new Uint8Array(0);
  /** Per sector: the generation of its latest write that is not durable; 0 for none. */
  #dirty = new Uint32Array(0);
  /** Contents of dirty sectors that were overwritten while dirty, oldest first. */
  readonly #older = new Map<number, Version[]>();
  /** Sectors that can't be read; a write heals them. */
  readonly bad = new Set<number>();
  #generation = 1;

  constructor(id: number) {
    this.id = id;
  }

  /** Fills `into`; returns the bytes read. The caller looks for bad sectors. */
  read(into: Uint8Array, position: number): number {
    const end = Math.min(this.size, position + into.length);
    if (end <= position) return 0;
    into.set(this.#cache.subarray(position, end));
    return end - position;
  }

  /** Whether a sector of the range is unreadable. */
  isBad(position: number, bytes: number): boolean {
    if (this.bad.size === 0) return false;
    for (let sector = Math.floor(position / sectorBytes); sector * sectorBytes < Math.min(this.size, position + bytes); sector++) if (this.bad.has(sector)) return true;
    return false;
  }

  /** Not durable before a flush. */
  write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    const end = position + bytes.length;
    this.#reserve(end);
    const last = Math.ceil(end / sectorBytes);
    for (let sector = Math.floor(position / sectorBytes); sector < last; sector++) {
      const before = this.#dirty[sector] as number;
      if (before !== 0) this.#keepOlder(sector, before);
      this.#dirty[sector] = this.#generation;
      if (this.bad.size > 0) this.bad.delete(sector);
    }
    this.#cache.set(bytes, position);
    this.size = Math.max(this.size, end);
  }

  beginFlush(): FlushMark {
    return { generation: this.#generation++, size: this.size };
  }

  /** Everything written before `mark` is durable. */
  endFlush(mark: FlushMark): void {
    this.#durableSize = Math.max(this.#durableSize, mark.size);
    const dirty = this.#dirty;
    for (let sector = 0; sector < dirty.length; sector++) {
      const generation = dirty[sector] as number;
      if (generation === 0) continue;
      if (generation > mark.generation) {
        this.#keepOlderUpTo(sector, mark.generation);
        continue;
      }
      const first = sector;
      while (sector + 1 < dirty.length && dirty[sector + 1] !== 0 && (dirty[sector + 1] as number) <= mark.generation) sector++;
      this.#keep(first, sector + 1);
    }
  }

  /** A flush failed: each sector reached the media or not, and the system believes all of them clean. */
  failFlush(mark: FlushMark, random: Random): void {
    for (let sector = 0; sector < this.#dirty.length; sector++) {
      const generation = this.#dirty[sector] as number;
      if (generation === 0 || generation > mark.generation) continue;
      if (random.chance(0.5)) this.#keep(sector, sector + 1);
      else this.#dirty[sector] = 0;
      this.#older.delete(sector);
    }
  }

  /** The range is durable, whatever else is not. */
  makeDurable(position: number, bytes: number): void {
    this.#durableSize = Math.max(this.#durableSize, Math.min(this.size, position + bytes));
    this.#keep(Math.floor(position / sectorBytes), Math.min(this.#dirty.length, Math.ceil((position + bytes) / sectorBytes)));
  }

  /** The power fails: `keep` is the probability with which a dirty sector reached the media. */
  losePower(random: Random, keep: number): void {
    const sizeBefore = this.size;
    this.#loseSize(random, keep);
    for (let sector = 0; sector < this.#dirty.length; sector++) {
      if (this.#dirty[sector] === 0) continue;
      const older = this.#older.get(sector);
      if (random.chance(keep)) this.#keep(sector, sector + 1);
      else if (older !== undefined && random.chance(0.5)) this.#media.set(random.pick(older).bytes, sector * sectorBytes);
    }
    this.#dirty.fill(0);
    this.#older.clear();
    this.#cache.set(this.#media);
    if (this.size === sizeBefore) return;
    // What was cut off reads as zeros should the file grow again.
    this.#cache.fill(0, this.size);
    this.#media.fill(0, this.size);
  }

  /** Turns one bit around, on media and for readers. False when the sector is not durable or holds nothing. */
  rot(position: number, bit: number): boolean {
    if (position >= this.size || this.#dirty[Math.floor(position / sectorBytes)] !== 0) return false;
    this.#cache[position] = (this.#cache[position] as number) ^ (1 << bit);
    this.#media[position] = this.#cache[position] as number;
    return true;
  }

  /** For a digest and for tests: the content on media. */
  get durable(): Uint8Array {
    return this.#media.subarray(0, this.#durableSize);
  }

  /** For a digest and for tests: the content that readers see. */
  get visible(): Uint8Array {
    return this.#cache.subarray(0, this.size);
  }

  #loseSize(random: Random, keep: number): void {
    if (this.size === this.#durableSize) return;
    const choice = random.fraction();
    const between = this.#durableSize + Math.floor((random.below(this.size - this.#durableSize + 1)) / sectorBytes) * sectorBytes;
    if (choice >= keep) this.size = choice < keep + 0.2 ? Math.min(this.size, between) : this.#durableSize;
    this.#durableSize = this.size;
  }

  /** Sectors from `first` to below `last` are on media as they are now. */
  #keep(first: number, last: number): void {
    this.#media.set(this.#cache.subarray(first * sectorBytes, last * sectorBytes), first * sectorBytes);
    this.#dirty.fill(0, first, last);
    if (this.#older.size > 0) for (let sector = first; sector < last; sector++) this.#older.delete(sector);
  }

  #keepOlder(sector: number, generation: number): void {
    const at = sector * sectorBytes;
    const version = { generation, bytes: this.#cache.slice(at, at + sectorBytes) };
    const versions = this.#older.get(sector);
    if (versions === undefined) this.#older.set(sector, [version]);
    else versions.push(version);
  }

  /** The sector was written again after a flush began: what it held then is durable. */
  #keepOlderUpTo(sector: number, generation: number): void {
    const versions = this.#older.get(sector);
    if (versions === undefined) return;
    const index = versions.findLastIndex((version) => version.generation <= generation);
    if (index < 0) return;
    this.#media.set((versions[index] as Version).bytes, sector * sectorBytes);
    versions.splice(0, index + 1);
    if (versions.length === 0) this.#older.delete(sector);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#cache.length) return;
    // Few steps: a superblock or an index fits the first, a small segment the second.
    const capacity = bytes <= smallBytes ? smallBytes : Math.max(4 * smallBytes, 2 ** Math.ceil(Math.log2(bytes)));
    const grow = (old: Uint8Array): Uint8Array<ArrayBuffer> => {
      const grown = new Uint8Array(capacity);
      grown.set(old);
      return grown;
    };
    this.#cache = grow(this.#cache);
    this.#media = grow(this.#media);
    const dirty = new Uint32Array(capacity / sectorBytes);
    dirty.set(this.#dirty);
    this.#dirty = dirty;
  }
}

// The damages: for an image, every class of them, as changes to its files.

import path from "node:path";
import { pageBytes } from "#src/format/block.js";
import type { Files, Image, ImageBlock } from "./image.js";

/** What stands in place of a file: other bytes, nothing, or a directory. */
export type Replacement = Buffer | "removed" | "directory";

export interface Damage {
  readonly kind: string;
  readonly title: string;
  readonly changes: ReadonlyMap<string, Replacement>;
}

/** Every `step`-th of the cases that are many of one kind. */
export interface Density {
  readonly bits: number;
  readonly cuts: number;
  readonly pages: number;
}

export function* damagesOf(image: Image, density: Density): Generator<Damage> {
  yield* superblockDamages(image, density);
  yield* segmentHeaderFlips(image, density);
  yield* blockFlips(image, density);
  yield* indexFlips(image, density);
  yield* cuts(image, density);
  yield* pageDamages(image, density);
  yield* blockDamages(image, density);
  yield* fileDamages(image);
}

const superblock = "superblock";
const copySets: readonly (readonly number[])[] = [[0], [0, 1, 2, 3], [2, 3], [1, 2, 3], [0, 1], [3], [0, 1, 2, 3]];

/** Bytes of the superblock by field, and of a block's and a frame's header: [name, offset, bytes]. */
const superblockFields = [["magic", 0, 8], ["checksum", 8, 4], ["version", 12, 4], ["uuid", 16, 16], ["sequence", 32, 8], ["copy", 40, 4], ["lanes", 44, 4], ["alignment", 48, 4], ["flush method", 52, 4], ["created", 56, 8], ["epoch", 128, 4], ["state", 132, 4], ["epoch segment", 136, 8], ["epoch offset", 144, 8], ["epoch block", 152, 8], ["horizon", 160, 8], ["first segment", 168, 8], ["blocks in flight", 176, 4], ["zeros", 2000, 4]] as const;
const segmentFields = [["magic", 0, 8], ["checksum", 8, 4], ["version", 12, 4], ["uuid", 16, 16], ["lane", 32, 4], ["alignment", 36, 4], ["segment", 40, 8], ["base time", 48, 8], ["size", 56, 8], ["zeros", 100, 4]] as const;
const blockFields = [["magic", 0, 4], ["checksum", 4, 4], ["sequence", 8, 8], ["horizon", 16, 8], ["epoch", 24, 4], ["block bytes", 28, 4], ["data bytes", 32, 4], ["frame count", 36, 4], ["base time", 40, 8], ["previous checksum", 48, 4], ["flags", 52, 4], ["zero", 56, 8]] as const;
const frameFields = [["checksum", 0, 4], ["length", 4, 3], ["kind and flags", 7, 1], ["partition", 8, 4], ["time", 12, 4], ["sequence", 16, 8]] as const;

function* superblockDamages({ files, older, other }: Image, { bits }: Density): Generator<Damage> {
  const whole = files.get(superblock)!;
  let turn = 0;
  for (const [name, at, bytes] of superblockFields) {
    for (let bit = turn++ % bits; bit < bytes * 8; bit += bits) {
      const copies = copySets[turn++ % copySets.length]!;
      const changed = Buffer.from(whole);
      for (const copy of copies) flip(changed, copy * pageBytes + at, bit);
      yield { kind: `superblock flips, ${String(copies.length)} of 4 copies`, title: `${name} bit ${String(bit)} copies ${copies.join()}`, changes: new Map([[superblock, changed]]) };
    }
  }
  for (const bytes of [0, 1, 4095, 4096, 8192, 12_288, 16_383]) yield { kind: "superblock cut", title: `to ${String(bytes)} bytes`, changes: new Map([[superblock, whole.subarray(0, bytes)]]) };
  const swapped = Buffer.concat([whole.subarray(4096, 8192), whole.subarray(0, 4096), whole.subarray(8192)]);
  yield { kind: "superblock pages swapped", title: "copies 0 and 1", changes: new Map([[superblock, swapped]]) };
  yield { kind: "superblock of another log", title: "all copies", changes: new Map([[superblock, other.get(superblock)!]]) };
  yield { kind: "superblock of an earlier time", title: "all copies", changes: new Map([[superblock, older.get(superblock)!]]) };
  yield { kind: "superblock pages older", title: "copies 2 and 3", changes: new Map([[superblock, Buffer.concat([whole.subarray(0, 8192), older.get(superblock)!.subarray(8192)])]]) };
}

function* segmentHeaderFlips({ files }: Image, { bits }: Density): Generator<Damage> {
  for (const [file, bytes] of segmentsOf(files)) {
    for (const [name, at, length] of segmentFields) {
      for (let bit = 0; bit < length * 8; bit += bits) yield flipped("segment header flips", file, bytes, { at, bit, title: name });
    }
  }
}

function* blockFlips({ files, blocks }: Image, { bits }: Density): Generator<Damage> {
  // Each block and each frame gets other bits, so that a sparse choice still meets every bit of every field somewhere.
  let turn = 0;
  for (const block of blocks) {
    const bytes = files.get(block.file)!;
    for (const [name, at, length] of blockFields) {
      for (let bit = turn++ % bits; bit < length * 8; bit += bits) yield flipped("block header flips", block.file, bytes, { at: block.offset + at, bit, title: `block ${String(block.sequence)} ${name}` });
    }
    for (const [index, frame] of block.frames.entries()) {
      for (const [name, at, length] of frameFields) {
        for (let bit = turn++ % bits; bit < length * 8; bit += bits) yield flipped("frame header flips", block.file, bytes, { at: frame + at, bit, title: `block ${String(block.sequence)} frame ${String(index)} ${name}` });
      }
      const end = block.frames[index + 1] ?? block.framesEnd;
      if (end > frame + 24) {
        const isMiddle = turn++ % 2 === 0;
        const at = isMiddle ? frame + 24 + ((turn * 7) % (end - frame - 24)) : end - 1;
        yield flipped("payload flips", block.file, bytes, { at, bit: turn % 8, title: `block ${String(block.sequence)} frame ${String(index)}${isMiddle ? "" : ", last byte or padding"}` });
      }
    }
    if (block.framesEnd < block.offset + block.bytes) yield flipped("block padding flips", block.file, bytes, { at: block.framesEnd + (turn % (block.offset + block.bytes - block.framesEnd)), bit: turn % 8, title: `block ${String(block.sequence)}` });
  }
}

function* indexFlips({ files }: Image, { bits }: Density): Generator<Damage> {
  for (const [file, bytes] of files) {
    if (!file.endsWith(".index")) continue;
    for (let bit = 0; bit < bytes.length * 8; bit += bits) yield flipped("index flips", file, bytes, { at: 0, bit, title: "" });
    for (let length = 0; length < bytes.length; length += bits) yield { kind: "index cut", title: `${file} to ${String(length)} bytes`, changes: new Map([[file, bytes.subarray(0, length)]]) };
  }
}

/** Cuts at every byte around headers, and at every `step`-th elsewhere, in the last blocks of each segment. */
function* cuts({ files, blocks }: Image, { cuts: step }: Density): Generator<Damage> {
  for (const [file, bytes] of segmentsOf(files)) {
    const last = blocks.filter((block) => block.file === file).slice(-4);
    const from = last[0]?.offset ?? 0;
    const end = last.at(-1) === undefined ? pageBytes : last.at(-1)!.offset + last.at(-1)!.bytes;
    const borders = last.flatMap((block) => [block.offset, block.offset + 64, ...block.frames, block.framesEnd]);
    const edges = new Set(borders.flatMap((at, index) => (step === 1 ? [at - 1, at, at + 1] : [at - 1 + (index % 3)])));
    for (let at = from; at <= end; at += step) edges.add(at);
    for (const at of [...edges].sort((a, b) => a - b)) yield { kind: "segment cut", title: `${file} to ${String(at)} bytes`, changes: new Map([[file, bytes.subarray(0, at)]]) };
  }
}

function* pageDamages({ files, blocks, other }: Image, { pages: step }: Density): Generator<Damage> {
  const places = pagesOf(blocks);
  for (let index = 0; index < places.length; index += step) {
    const { file, at } = places[index]!;
    const bytes = files.get(file)!;
    const page = (offset: number, from: Buffer): Buffer => from.subarray(offset, offset + pageBytes);
    yield { kind: "page zeroed", title: `${file} ${String(at)}`, changes: new Map([[file, overwritten(bytes, at, Buffer.alloc(pageBytes))]]) };
    yield { kind: "page of another log", title: `${file} ${String(at)}`, changes: new Map([[file, overwritten(bytes, at, page(at, other.get(file) ?? bytes))]]) };
    const target = places[(index + 3) % places.length]!;
    yield { kind: "page duplicated", title: `${file} ${String(at)} over ${target.file} ${String(target.at)}`, changes: new Map([[target.file, overwritten(files.get(target.file)!, target.at, page(at, bytes))]]) };
    if (target.file === file) yield { kind: "pages swapped", title: `${file} ${String(at)} and ${String(target.at)}`, changes: new Map([[file, overwritten(overwritten(bytes, at, page(target.at, bytes)), target.at, page(at, bytes))]]) };
  }
}

function* blockDamages({ files, blocks }: Image, { pages: step }: Density): Generator<Damage> {
  for (let index = 0; index < blocks.length; index += step) {
    const block = blocks[index]!;
    const bytes = files.get(block.file)!;
    const own = bytes.subarray(block.offset, block.offset + block.bytes);
    const title = `block ${String(block.sequence)}`;
    yield { kind: "block zeroed", title, changes: new Map([[block.file, overwritten(bytes, block.offset, Buffer.alloc(block.bytes))]]) };
    yield { kind: "garbage", title, changes: new Map([[block.file, overwritten(bytes, block.offset, Buffer.from(own.map((byte, at) => byte ^ (at * 31 + 17))))]]) };
    const next = blocks[index + 1];
    if (next === undefined || next.file !== block.file) continue;
    const swapped = Buffer.concat([bytes.subarray(next.offset, next.offset + next.bytes), own]);
    yield { kind: "blocks swapped", title: `${title} and the next`, changes: new Map([[block.file, overwritten(bytes, block.offset, swapped)]]) };
    yield { kind: "block duplicated", title: `${title} over the next`, changes: new Map([[block.file, overwritten(bytes, next.offset, own)]]) };
    yield { kind: "end zeroed", title: `from ${title} on`, changes: new Map([[block.file, overwritten(bytes, block.offset, Buffer.alloc(bytes.length - block.offset))]]) };
  }
}

function* fileDamages({ files, older, other }: Image): Generator<Damage> {
  const names = [...files.keys()];
  const segments = names.filter((file) => file.endsWith(".segment"));
  for (const [file, bytes] of files) {
    yield { kind: "file removed", title: file, changes: new Map([[file, "removed"]]) };
    yield { kind: "file emptied", title: file, changes: new Map([[file, Buffer.alloc(0)]]) };
    yield { kind: "file zeroed", title: file, changes: new Map([[file, Buffer.alloc(bytes.length)]]) };
    yield { kind: "file halved", title: file, changes: new Map([[file, bytes.subarray(0, Math.floor(bytes.length / 2))]]) };
    yield { kind: "directory in place of a file", title: file, changes: new Map([[file, "directory"]]) };
    if (file === superblock) continue;
    if (other.has(file)) yield { kind: "file of another log", title: file, changes: new Map([[file, other.get(file)!]]) };
    const former = older.get(file);
    if (former !== undefined && !former.equals(bytes)) yield { kind: "older copy of a file", title: file, changes: new Map([[file, former]]) };
  }
  for (const [index, file] of segments.entries()) {
    const next = segments[index + 1];
    if (next === undefined) continue;
    yield { kind: "segments swapped", title: `${file} and ${next}`, changes: new Map([[file, files.get(next)!], [next, files.get(file)!]]) };
    yield { kind: "segments removed", title: `${file} and ${next}`, changes: new Map([[file, "removed"], [next, "removed"]]) };
  }
  yield { kind: "all index files removed", title: "", changes: new Map(names.filter((file) => file.endsWith(".index")).map((file) => [file, "removed"])) };
  yield { kind: "all segments removed", title: "", changes: new Map(segments.map((file) => [file, "removed"])) };
  yield { kind: "stray files", title: "", changes: new Map([[path.join("lane-00", "notes.txt"), Buffer.from("x")], [path.join("lane-00", "00000099.index"), Buffer.from("x")]]) };
}

function segmentsOf(files: Files): [string, Buffer][] {
  return [...files].filter(([file]) => file.endsWith(".segment"));
}

function pagesOf(blocks: readonly ImageBlock[]): { readonly file: string; readonly at: number }[] {
  return blocks.flatMap(({ file, offset, bytes }) => Array.from({ length: bytes / pageBytes }, (_, page) => ({ file, at: offset + page * pageBytes })));
}

function flipped(kind: string, file: string, bytes: Buffer, place: { readonly at: number; readonly bit: number; readonly title: string }): Damage {
  const changed = Buffer.from(bytes);
  flip(changed, place.at, place.bit);
  return { kind, title: `${file} ${place.title} byte ${String(place.at + (place.bit >>> 3))} bit ${String(place.bit & 7)}`, changes: new Map([[file, changed]]) };
}

function flip(bytes: Buffer, at: number, bit: number): void {
  bytes[at + (bit >>> 3)]! ^= 1 << (bit & 7);
}

function overwritten(bytes: Buffer, at: number, by: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  by.copy(changed, at);
  return changed;
}

// Small logs written by the library, kept in memory: every file, every block and record with its place, and what is true.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { Log, type LogOptions } from "#src/index.js";
import { blockHeaderBytes } from "#src/format/block.js";
import { frameBytes, frameFlag, frameFlagsOf, frameKind, frameKindOf, framePartition, framePayloadBytes, frameSequence } from "#src/format/frame.js";
import { portableKernels } from "#src/format/kernels.js";
import { decodeSuperblock } from "#src/format/superblock.js";
import { scanSegments } from "#src/recovery/scan.js";
import { ReadBuffers } from "#src/recovery/segment-reader.js";
import { nodeFileSystem } from "#src/storage/node-files.js";
import { crashCopy, freshPath, small } from "../log/log-fixture.js";
import { readAll, type Contents } from "./read-all.js";

export type Files = ReadonlyMap<string, Buffer>;

export interface ImageBlock {
  readonly file: string;
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
  readonly sequence: number;
  readonly horizon: number;
  /** Offsets of its frames in the file, and behind the last one. */
  readonly frames: readonly number[];
  readonly framesEnd: number;
}

export interface Image {
  readonly name: string;
  readonly files: Files;
  readonly blocks: readonly ImageBlock[];
  /** Live records with their times; dead ones are not among them. */
  readonly truth: Contents;
  /** "partition/sequence/text" of every record that was ever written. */
  readonly ever: ReadonlySet<string>;
  /** Block that ends the group of a record: "partition/sequence". */
  readonly blockOf: ReadonlyMap<string, number>;
  /** An earlier state of the same log. */
  readonly older: Files;
  /** Another log of the same shape. */
  readonly other: Files;
}

const options: LogOptions = { ...small, backend: "fs" };

class Writer {
  readonly ever = new Set<string>();
  log: Log;

  constructor(log: Log) {
    this.log = log;
  }

  async put(name: string, bytes: number): Promise<void> {
    const partition = this.log.partition(name);
    const text = textOf(name, partition.lastSeq + 1, bytes, this.ever.size);
    this.ever.add(`${name}/${String(partition.lastSeq + 1)}/${text}`);
    await partition.append(text);
  }

  async batch(names: readonly string[], bytes: number): Promise<void> {
    const due = new Map<string, number>();
    const items = names.map((name) => {
      const sequence = (due.get(name) ?? this.log.partition(name).lastSeq) + 1;
      due.set(name, sequence);
      const data = textOf(name, sequence, bytes, this.ever.size);
      this.ever.add(`${name}/${String(sequence)}/${data}`);
      return { partition: name, data };
    });
    await this.log.write(items);
  }
}

/** Every record differs from every other, also from one that had its sequence before. */
function textOf(name: string, sequence: number, bytes: number, serial: number): string {
  const stem = `${name} ${String(sequence)} #${String(serial)} `;
  return stem + "abcdefghijklmnopqrstuvwxyz".repeat(Math.ceil(bytes / 26)).slice(0, Math.max(0, bytes - stem.length));
}

/** Two epochs over four segments, with everything that the format has: groups, fragments, trims, truncations. */
async function write(directory: string): Promise<{ readonly writer: Writer; readonly older: Files }> {
  const writer = new Writer(await Log.open(directory, options));
  for (let round = 0; round < 4; round++) for (const name of ["a", "b", "c"]) await writer.put(name, round * 40);
  await writer.batch(["a", "b", "a"], 50);
  await writer.put("b", 40_000);
  writer.log.rotate();
  for (let round = 0; round < 3; round++) await writer.batch(["a", "c"], 700);
  await writer.log.partition("a").trim(3);
  await writer.log.close();
  const older = readFiles(directory);
  writer.log = await Log.open(directory, options);
  await writer.put("c", 100);
  await writer.put("late", 3000);
  await writer.log.partition("c").truncate(5);
  await writer.put("c", 60);
  writer.log.rotate();
  await writer.batch(["b", "c", "late"], 9000);
  for (let round = 0; round < 4; round++) await writer.put("b", 20);
  writer.log.rotate();
  for (let round = 0; round < 4; round++) for (const name of ["a", "late"]) await writer.put(name, 10 + round * 900);
  return { writer, older };
}

/** "closed": sealed. "idle": killed once a beacon covered everything. "killed": right behind the last acknowledgement. */
export async function buildImage(name: "closed" | "idle" | "killed"): Promise<Image> {
  const directory = freshPath();
  const { writer, older } = await write(directory);
  if (name === "idle") await untilCovered(directory, writer.log);
  const copy = name === "closed" ? directory : crashCopy(directory);
  await writer.log.close();
  const otherDirectory = freshPath();
  await (await write(otherDirectory)).writer.log.close();
  const log = await Log.open(copy, { readOnly: true, backend: "fs" });
  const truth = await readAll(log);
  await log.close();
  for (const { lost } of truth.values()) assert.deepEqual(lost, [], "the image is whole");
  const { blocks, blockOf } = await lookAt(copy, truth);
  return { name, files: readFiles(copy), blocks, truth, ever: writer.ever, blockOf, older, other: readFiles(otherDirectory) };
}

/** A reader in another place sees the last record only once a later block's horizon covers it. */
async function untilCovered(directory: string, log: Log): Promise<void> {
  const reader = await Log.open(directory, { readOnly: true, backend: "fs" });
  const last = log.partition("late").lastSeq;
  for await (const record of reader.partition("late").tail({ from: 1 })) if (record.seq === last) break;
  await reader.close();
}

async function lookAt(directory: string, truth: Contents): Promise<{ readonly blocks: ImageBlock[]; readonly blockOf: Map<string, number> }> {
  const verdict = decodeSuperblock(fs.readFileSync(path.join(directory, "superblock")));
  assert.ok(verdict.kind === "valid");
  const { uuid, alignment } = verdict.superblock;
  const names = [...truth.keys()];
  const blocks: ImageBlock[] = [];
  const blockOf = new Map<string, number>();
  let file = "";
  let segment = 0;
  let group: string[] = [];
  const lane = path.join(directory, "lane-00");
  const segments = fs.readdirSync(lane).filter((entry) => entry.endsWith(".segment")).sort().map((entry) => ({ segment: Number.parseInt(entry, 10), path: path.join(lane, entry) }));
  const source = { files: nodeFileSystem(), lane: 0, uuid, alignment, kernels: portableKernels, boundary: null, buffers: new ReadBuffers() };
  await scanSegments(source, segments, { segment: 1, offset: alignment }, {
    beginSegment: (found) => {
      file = path.join("lane-00", path.basename(found.path));
      segment = found.segment;
      return true;
    },
    visit: ({ header, offset, memory, start, framesStart, framesEnd }) => {
      const frames: number[] = [];
      for (let at = framesStart; at < framesEnd; at += frameBytes(framePayloadBytes(memory, at))) {
        frames.push(offset + at - start);
        if (frameKindOf(memory, at) !== frameKind.data) continue;
        group.push(`${names[framePartition(memory, at) - 1]!}/${String(frameSequence(memory, at))}`);
        if ((frameFlagsOf(memory, at) & frameFlag.groupGoesOn) !== 0) continue;
        for (const record of group) blockOf.set(record, header.sequence);
        group = [];
      }
      blocks.push({ file, segment, offset, bytes: header.blockBytes, sequence: header.sequence, horizon: header.horizon, frames, framesEnd: offset + blockHeaderBytes + header.dataBytes });
      return "go on";
    },
    endSegment: () => undefined,
    missSegment: () => undefined,
  });
  return { blocks, blockOf };
}

function readFiles(directory: string): Files {
  const files = new Map<string, Buffer>();
  for (const entry of fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const full = path.join(entry.parentPath, entry.name);
    if (entry.isFile() && !entry.name.startsWith("lock")) files.set(path.relative(directory, full), fs.readFileSync(full));
  }
  return files;
}

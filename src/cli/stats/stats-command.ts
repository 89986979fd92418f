// `ringwall stats`: what a log holds and what it takes on disk, from a read-only look.

import fs from "node:fs/promises";
import { isHiddenName } from "../../core/own-names.js";
import type { SegmentIndex } from "../../core/segment-index.js";
import { indexName, parseLaneDirectory, segmentName } from "../../format/names.js";
import { openReader } from "../../log/open-log.js";
import { resolveOptions } from "../../log/options.js";
import { runsOf } from "../../core/live-bytes.js";
import { lastLive } from "../../core/living-segment.js";
import type { ReadOnlyLane } from "../../log/read-only-lane.js";
import { listLane } from "../../recovery/lane-files.js";
import { chooseStorage } from "../../storage/choose.js";
import type { CommonOptions } from "../common-options.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { standardOutput } from "../output.js";
import type { LogStatistics, PartitionStats, SegmentStats } from "./log-statistics.js";
import { statsText } from "./stats-text.js";

export interface StatsOptions extends CommonOptions {
  readonly all?: boolean;
}

export async function statsCommand(directory: string, options: StatsOptions): Promise<ExitCode> {
  const statistics = await collectStatistics(directory, options.backend, options.all === true);
  const output = standardOutput();
  if (options.json === true) await output.json(statistics);
  else await output.line(statsText(statistics));
  return exitCode.ok;
}

export async function collectStatistics(directory: string, backend: CommonOptions["backend"], all = false): Promise<LogStatistics> {
  const { storage } = chooseStorage({ backend });
  try {
    const opened = await openReader({ directory, storage, options: resolveOptions({ readOnly: true }) });
    const lanes: LaneStatistics[] = [];
    try {
      for (const lane of opened.lanes) lanes.push(await laneStats(lane));
    } finally {
      for (const lane of opened.lanes) await lane.close();
    }
    const segments = lanes.flatMap((lane) => lane.segments);
    const sealed = segments.filter((segment) => !segment.current);
    return {
      directory,
      uuid: Buffer.from(opened.superblock.uuid).toString("hex"),
      locked: await storage.isLocked(directory),
      partitions: lanes.flatMap((lane) => lane.partitions).filter(({ name }) => all || !isHiddenName(name)),
      segments,
      diskBytes: await diskBytesBelow(directory),
      spareBytes: lanes.reduce((sum, lane) => sum + lane.spareBytes, 0),
      freeableBytes: lanes.reduce((sum, lane) => sum + freeable(lane.segments), 0),
      trimmableBytes: sealed.reduce((sum, segment) => sum + segment.diskBytes, 0),
    };
  } finally {
    await storage.close();
  }
}

interface LaneStatistics {
  readonly partitions: readonly PartitionStats[];
  readonly segments: readonly SegmentStats[];
  readonly spareBytes: number;
}

async function laneStats(lane: ReadOnlyLane): Promise<LaneStatistics> {
  const needs = new Map<number, { payloadBytes: number; oldest: number | null }>();
  const segments: SegmentStats[] = [];
  const current = lane.segmentIds[lane.segmentIds.length - 1];
  for (const segment of lane.segmentIds) {
    const index = await lane.segmentIndex(segment);
    segments.push({
      lane: lane.lane,
      segment,
      current: segment === current,
      records: [...runsOf(index)].reduce((sum, { run }) => sum + run.records, 0),
      usedBytes: index.endOffset,
      diskBytes: (await diskBytes(`${lane.directory}/${segmentName(segment)}`)) + (await diskBytes(`${lane.directory}/${indexName(segment)}`)),
      neededBy: neededBy(lane, index, needs),
    });
  }
  const spare = (await listLane(lane.files, lane.directory)).segments.filter((file) => !lane.segmentIds.includes(file.segment));
  const spareBytes = (await Promise.all(spare.map((file) => diskBytes(file.path)))).reduce((sum, bytes) => sum + bytes, 0);
  return { partitions: partitionStats(lane, needs), segments, spareBytes };
}

function neededBy(lane: ReadOnlyLane, index: SegmentIndex, needs: Map<number, { payloadBytes: number; oldest: number | null }>): string[] {
  const names = new Set<string>();
  for (const { id, run, isMoved } of runsOf(index)) {
    const state = lane.table.byId(id);
    if (state === undefined) continue;
    const need = needs.get(id) ?? { payloadBytes: 0, oldest: null };
    need.payloadBytes += run.payloadBytes;
    needs.set(id, need);
    if (lastLive(state, index.segment, run.lastSequence, isMoved) < state.firstSequence) continue;
    need.oldest ??= index.segment;
    names.add(state.name);
  }
  return [...names];
}

function partitionStats(lane: ReadOnlyLane, needs: ReadonlyMap<number, { payloadBytes: number; oldest: number | null }>): PartitionStats[] {
  return [...lane.table].map((state) => ({
    name: state.name,
    lane: lane.lane,
    first: state.firstSequence,
    last: state.durableSequence,
    records: state.durableSequence - state.firstSequence + 1,
    payloadBytes: needs.get(state.id)?.payloadBytes ?? 0,
    oldestSegment: needs.get(state.id)?.oldest ?? null,
  }));
}

/** Segments go from the head only: behind the first that is needed nothing is freed. */
function freeable(segments: readonly SegmentStats[]): number {
  let bytes = 0;
  for (const segment of segments) {
    if (segment.current || segment.neededBy.length > 0) break;
    bytes += segment.diskBytes;
  }
  return bytes;
}

/** What a file takes, which is not its length; 0 when it is gone. */
async function diskBytes(path: string): Promise<number> {
  try {
    return (await fs.stat(path)).blocks * 512;
  } catch {
    return 0;
  }
}

async function diskBytesBelow(directory: string): Promise<number> {
  let total = 0;
  for (const name of await fs.readdir(directory)) {
    const path = `${directory}/${name}`;
    total += parseLaneDirectory(name) === null ? await diskBytes(path) : await diskBytesBelow(path);
  }
  return total;
}

// Names of partitions from the definitions and checkpoints of a valid block: for definitions that are lost.

import { decodeCheckpoint, decodePartitionName } from "../format/checkpoint.js";
import { frameBytes, frameHeaderBytes, frameKind, frameKindOf, framePayloadBytes } from "../format/frame.js";
import type { FoundBlock } from "./scan.js";

export function collectNames(block: FoundBlock, names: Map<number, string>): void {
  const { memory } = block;
  let at = block.framesStart;
  while (at < block.framesEnd) {
    const payloadBytes = framePayloadBytes(memory, at);
    const payload = memory.text.subarray(at + frameHeaderBytes, at + frameHeaderBytes + payloadBytes);
    const kind = frameKindOf(memory, at);
    if (kind === frameKind.define && payloadBytes > 4) {
      const name = decodePartitionName(payload.subarray(4));
      if (name !== null) names.set(payload.readUInt32LE(0), name);
    } else if (kind === frameKind.checkpoint) for (const entry of decodeCheckpoint(payload) ?? []) names.set(entry.id, entry.name);
    at += frameBytes(payloadBytes);
  }
}

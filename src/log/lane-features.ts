// The table of features as a log has it: its writer's rows, with what the lane decides about them.

import { type BackendFeature, off, on } from "../storage/features.js";
import type { ResolvedOptions } from "./options.js";

/** The rows of one lane's writer; of lanes of one log they are alike. */
export function laneFeatures(ofWriter: readonly BackendFeature[], { blocksInFlight, gatherBytes }: Pick<ResolvedOptions, "blocksInFlight" | "gatherBytes">): BackendFeature[] {
  const rows = ofWriter.map((feature) => (feature.name === "vectored writes" && feature.isOn ? vectored(feature, gatherBytes) : feature));
  return [...rows, on("blocks in flight", String(blocksInFlight))];
}

function vectored({ name, detail = "one write" }: BackendFeature, gatherBytes: number): BackendFeature {
  return gatherBytes === 0 ? off(name, "not asked for: blocks that wait together were no faster in one write") : on(name, `up to ${String(gatherBytes)} bytes in one ${detail}`);
}

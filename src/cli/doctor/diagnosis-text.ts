// The diagnosis as people read it.

import type { Output } from "../output.js";
import { bytesText, countText, tableText } from "../quantities.js";
import type { Diagnosis, FlushMeasurement } from "./diagnosis.js";
import type { Feature } from "./feature.js";

const methodNames: Readonly<Record<string, string>> = {
  dsync: "one write with RWF_DSYNC / O_DSYNC",
  linked: "write, then a linked fdatasync",
  separate: "write, then fdatasync",
};

export function diagnosisText(diagnosis: Diagnosis, output: Output): string {
  const { machine, directory, fileSystem, checksumKernel, log, alignment } = diagnosis;
  const rows = [
    ["node", machine.node],
    ["system", `${machine.platform}, kernel ${machine.kernel}, ${String(machine.cpus)} CPUs`],
    ["directory", directory],
    ["file system", fileSystem === null ? "unknown" : `${fileSystem.name}, ${bytesText(fileSystem.freeBytes)} free`],
    ["log", log === "none" ? "none here yet" : log],
    ["backend", diagnosis.backend],
    ["checksums", checksumKernel === "javascript" ? "javascript (portable)" : checksumKernel],
    ["io_uring switch", switchText(diagnosis.uringSwitch)],
    ["locked memory", diagnosis.lockedMemoryBytesMax === null ? "unlimited" : `up to ${bytesText(diagnosis.lockedMemoryBytesMax)} (ulimit -l)`],
    ["alignment", `${String(alignment)} bytes`],
  ];
  const parts = [tableText(rows), diagnosis.features.map((feature) => featureText(feature, output)).join("\n"), flushText(diagnosis.flush)];
  if (fileSystem?.isVolatile === true) parts.push(output.paint("yellow", `warning: ${fileSystem.name} keeps files in memory: nothing here survives the power`));
  return parts.join("\n\n");
}

function featureText({ name, available, detail, reason, cost, optional }: Feature, output: Output): string {
  const state = available ? output.paint("green", "yes") : output.paint(optional === true ? "dim" : "yellow", "no ");
  const note = [detail, optional === true ? "only when asked for" : undefined].filter((part) => part !== undefined).join("; ");
  const lines = [`${state} ${name}${note === "" ? "" : ` (${note})`}`];
  if (reason !== undefined) lines.push(`    why:  ${reason}`);
  if (cost !== undefined) lines.push(`    cost: ${cost}`);
  return lines.join("\n");
}

function flushText(flush: readonly FlushMeasurement[]): string {
  const rows = flush.map(({ backend, method, microsP50, chosen }) => [
    `${backend} ${method}`, `${countText(microsP50)} µs`, `${methodNames[method] ?? method}${chosen ? "  ← a new log here uses this" : ""}`,
  ]);
  return `one durable write, p50:\n${tableText(rows, "  ")}`;
}

function switchText(value: string | null): string {
  if (value === null) return "this kernel has none";
  return value === "0" ? "0: allowed" : value === "1" ? "1: only for members of kernel.io_uring_group" : `${value}: forbidden`;
}

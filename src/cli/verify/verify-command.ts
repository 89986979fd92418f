// `ringwall verify`: the verdict in plain words.

import { laneOfFinding, type Finding } from "./finding.js";
import { verifyLog, type Verdict } from "./verify-log.js";
import type { CommonOptions } from "../common-options.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { standardOutput, type Output } from "../output.js";
import { bytesText, countOf, countText } from "../quantities.js";

export interface VerifyOptions extends CommonOptions {
  readonly progress?: boolean;
}

const findingsShown = 100;

export async function verifyCommand(directory: string, options: VerifyOptions): Promise<ExitCode> {
  const verdict = await verifyLog({ directory, backend: options.backend, isProgressWanted: options.progress });
  const output = standardOutput();
  if (options.json === true) await output.json({ clean: verdict.findings.length === 0, ...verdict });
  else await print(output, verdict);
  return verdict.findings.length === 0 ? exitCode.ok : exitCode.refused;
}

async function print(output: Output, verdict: Verdict): Promise<void> {
  const { findings, notes } = verdict;
  for (const finding of findings.slice(0, findingsShown)) await output.line(findingText(output, finding));
  if (findings.length > findingsShown) await output.line(`… and ${countText(findings.length - findingsShown)} more: --json has all of them`);
  for (const note of notes) await output.line(output.paint("dim", `note: ${note}`));
  const read = `${countOf(verdict.lanes, "lane")}, ${countOf(verdict.segments, "segment")}, ${countOf(verdict.records, "record")}, ${bytesText(verdict.bytes)} read in ${verdict.seconds.toFixed(1)} s`;
  if (findings.length === 0) await output.line(`${output.paint("green", "sound")}: ${read}`);
  else if (verdict.recordsLost > 0) await output.line(`${output.paint("red", "damaged")}: ${verdict.isLossUnknown ? "at least " : ""}${countOf(verdict.recordsLost, "acknowledged record")} can't be read any more. ${read}`);
  else if (verdict.isLossUnknown) await output.line(`${output.paint("red", "damaged")}: which records are lost can't be told. ${read}`);
  else await output.line(`${output.paint("yellow", "damaged")}: but no record is lost. ${read}`);
}

function findingText(output: Output, finding: Finding): string {
  const place = [finding.path, laneOfFinding(finding), finding.from === undefined ? "" : `bytes ${String(finding.from)} to ${String(finding.to ?? finding.from)}`].filter((part) => part !== "").join(", ");
  const colour = finding.costsRecords ? "red" : "yellow";
  return `${output.paint(colour, finding.costsRecords ? "LOST" : "damage")}  ${place}\n        ${finding.what}\n        ${finding.meaning}`;
}

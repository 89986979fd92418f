// `ringwall bench compare`: two files of documents, figure by figure.

import { exitCode, type ExitCode } from "../../exit-codes.js";
import { standardOutput } from "../../output.js";
import { tableText } from "../../quantities.js";
import { CommandError } from "../../report-failure.js";
import type { Spread } from "../spread.js";
import { figuresOf, readResults, titleOf, type ResultDocument } from "./result-file.js";

export interface ComparedFigure {
  readonly before: Spread<number>;
  readonly after: Spread<number>;
  /** Of the medians, and the least and the greatest that the two spreads allow; absent where something is 0. */
  readonly ratio?: Spread<number>;
  /** Whether each median lies outside the other's spread. */
  readonly isOutside: boolean;
}

export interface Comparison {
  readonly compared: string;
  readonly figures: Readonly<Record<string, ComparedFigure>>;
  /** What differs of machine and options: figures of different ones are not comparable. */
  readonly differs: readonly string[];
}

export async function compareBench(before: string, after: string, { json }: { readonly json?: boolean }): Promise<ExitCode> {
  const comparisons = compareResults(readResults(before), readResults(after));
  if (comparisons.length === 0) throw new CommandError("the two files have no bench and contender in common", "INPUT");
  const output = standardOutput();
  if (json !== true) await output.line(comparisons.map(textOf).join("\n\n"));
  else for (const comparison of comparisons) await output.json(comparison);
  return exitCode.ok;
}

/** What both have, in the order of the first. Documents of one title are paired in their order. */
export function compareResults(before: readonly ResultDocument[], after: readonly ResultDocument[]): Comparison[] {
  const rest = [...after];
  return before.flatMap((document) => {
    const title = titleOf(document);
    const index = rest.findIndex((other) => titleOf(other) === title);
    const [other] = index < 0 ? [] : rest.splice(index, 1);
    return other === undefined ? [] : [{ compared: title, figures: compareFigures(document, other), differs: differencesOf(document, other) }];
  });
}

function compareFigures(before: ResultDocument, after: ResultDocument): Record<string, ComparedFigure> {
  const others = figuresOf(after);
  const compared: Record<string, ComparedFigure> = {};
  for (const [path, figure] of figuresOf(before)) {
    const other = others.get(path);
    if (other !== undefined) compared[path] = compareFigure(figure, other);
  }
  return compared;
}

function compareFigure(before: Spread<number>, after: Spread<number>): ComparedFigure {
  const lies = (value: number, { min, max }: Spread<number>): boolean => value >= min && value <= max;
  const isOutside = !lies(after.median, before) && !lies(before.median, after);
  const ratio = { median: after.median / before.median, min: after.min / before.max, max: after.max / before.min };
  return { before, after, ...(Object.values(ratio).every(Number.isFinite) ? { ratio } : {}), isOutside };
}

function differencesOf(before: ResultDocument, after: ResultDocument): string[] {
  const flat = ({ machine, options }: ResultDocument): Map<string, string> => new Map(Object.entries({ ...(machine as object), ...(options as object) }).map(([name, value]) => [name, JSON.stringify(value)]));
  const [left, right] = [flat(before), flat(after)];
  // The load is never the same.
  return [...new Set([...left.keys(), ...right.keys()])].filter((name) => name !== "loadBefore" && left.get(name) !== right.get(name));
}

function textOf({ compared, figures, differs }: Comparison): string {
  const rows = Object.entries(figures).map(([path, { before, after, ratio, isOutside }]) => [
    path,
    rangeText(before),
    rangeText(after),
    ratio === undefined ? "" : `× ${rangeText(ratio)}`,
    isOutside ? "outside" : "",
  ]);
  const note = differs.length === 0 ? [] : [`not the same: ${differs.join(", ")}`];
  return [tableText([[compared, "before", "after", "ratio", ""], ...rows]), ...note].join("\n");
}

function rangeText({ median, min, max }: Spread<number>): string {
  const text = (value: number): string => String(Number(value.toPrecision(4)));
  return min === max ? text(median) : `${text(median)} (${text(min)}..${text(max)})`;
}

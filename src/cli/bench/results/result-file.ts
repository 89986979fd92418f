// Files of documents that benches printed with --json: one per line.

import fs from "node:fs";
import { fromNodeError } from "../../../storage/system-error.js";
import { CommandError } from "../../report-failure.js";
import type { Spread } from "../spread.js";

export type ResultDocument = Readonly<Record<string, unknown>> & { readonly bench: string };

/** Throws CommandError for what is not such a file. */
export function readResults(path: string): ResultDocument[] {
  let text: string;
  try {
    text = fs.readFileSync(path, "utf8");
  } catch (error) {
    throw fromNodeError(error, { operation: "read", path });
  }
  const documents = text.split("\n").flatMap((line, index) => (line.trim() === "" ? [] : [documentOf(line, `${path}:${String(index + 1)}`)]));
  if (documents.length === 0) throw new CommandError(`${path} holds no document: it wants what \`ringwall bench … --json\` printed`, "INPUT");
  return documents;
}

function documentOf(line: string, place: string): ResultDocument {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new CommandError(`${place}: not JSON`, "INPUT", { cause: error });
  }
  if (typeof value !== "object" || value === null || !("bench" in value) || typeof value.bench !== "string") throw new CommandError(`${place}: not a document of \`ringwall bench\``, "INPUT");
  return value as ResultDocument;
}

/** "producers / 1024 B / uring, 4 callers". */
export function titleOf({ bench, group, contender }: ResultDocument): string {
  return [bench, group, contender].filter((part) => typeof part === "string").join(" / ");
}

/** Every figure of a document that has a spread, by its path. */
export function figuresOf(document: ResultDocument): Map<string, Spread<number>> {
  const figures = new Map<string, Spread<number>>();
  collect(document, "", figures);
  // Benches of one contender have their medians at the top, and beside them what they varied between.
  const { spread } = document;
  if (isObject(spread)) collectSpread({ median: document, min: spread["min"], max: spread["max"] }, "", figures);
  return figures;
}

function collect(value: object, path: string, figures: Map<string, Spread<number>>): void {
  if ("median" in value && "min" in value && "max" in value) collectSpread(value, path, figures);
  for (const [name, inner] of Object.entries(value)) {
    if (isObject(inner) && !["median", "min", "max"].includes(name)) collect(inner, join(path, name), figures);
  }
}

/** Walks along the least, for the medians of a whole document have more beside them. */
function collectSpread({ median, min, max }: { readonly median: unknown; readonly min: unknown; readonly max: unknown }, path: string, figures: Map<string, Spread<number>>): void {
  if (typeof median === "number" && typeof min === "number" && typeof max === "number") figures.set(path, { median, min, max });
  if (!isObject(median) || !isObject(min) || !isObject(max)) return;
  for (const name of Object.keys(min)) collectSpread({ median: median[name], min: min[name], max: max[name] }, join(path, name), figures);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

// `ringwall bench table`: what benches printed, as tables in Markdown: medians with what they varied between, and ratios.

import path from "node:path";
import { exitCode, type ExitCode } from "../../exit-codes.js";
import { standardOutput } from "../../output.js";
import { rangedText } from "../bench-text.js";
import type { Spread } from "../spread.js";
import { figuresOf, readResults, type ResultDocument } from "./result-file.js";

interface Column {
  /** Where it is in the figures of a contender. */
  readonly path: string;
  readonly title: string;
  readonly digits: number;
}

/** Of all figures that benches have, those that a table shows, in its order. */
const columns: readonly Column[] = [
  { path: "recordsPerSecond", title: "records/s", digits: 0 },
  { path: "transactionsPerSecond", title: "transactions/s", digits: 0 },
  { path: "operationsPerSecond", title: "operations/s", digits: 0 },
  { path: "writesPerSecond", title: "writes/s", digits: 0 },
  { path: "callsPerSecond", title: "calls/s", digits: 1 },
  { path: "logThreadCallsPerSecond", title: "calls/s, log's thread", digits: 1 },
  { path: "megabytesPerSecond", title: "MB/s", digits: 0 },
  { path: "openMillis", title: "open, ms", digits: 1 },
  { path: "ackMicros.p50", title: "p50 µs", digits: 0 },
  { path: "ackMicros.p99", title: "p99 µs", digits: 0 },
  { path: "callMicros.p50", title: "call p50 µs", digits: 2 },
  { path: "callMicros.p99", title: "call p99 µs", digits: 2 },
  { path: "commitMicros.p50", title: "commit p50 µs", digits: 0 },
  { path: "commitMicros.p99", title: "commit p99 µs", digits: 0 },
  { path: "operationMicros.p50", title: "operation p50 µs", digits: 0 },
  { path: "operationMicros.p99", title: "operation p99 µs", digits: 0 },
  { path: "getMicros.p50", title: "get p50 µs", digits: 0 },
  { path: "getMicros.p99", title: "get p99 µs", digits: 0 },
  { path: "micros.p50", title: "write p50 µs", digits: 0 },
  { path: "micros.p99", title: "write p99 µs", digits: 0 },
  { path: "enqueueNanos.p50", title: "enqueue p50 ns", digits: 0 },
  { path: "enqueueNanos.p99", title: "enqueue p99 ns", digits: 0 },
  { path: "heapBytesPerPartition", title: "heap bytes/partition", digits: 0 },
  { path: "cpuMicrosPerRecord", title: "CPU µs/record", digits: 2 },
  { path: "othersCores", title: "others' cores", digits: 1 },
];

interface Row {
  readonly table: string;
  readonly contender: string;
  readonly cells: ReadonlyMap<Column, Spread<number>>;
  /** "1.2 (1.1..1.3) × fs". */
  readonly ratios: readonly string[];
}

export async function tableBench(files: readonly string[], { json }: { readonly json?: boolean }): Promise<ExitCode> {
  const rows = files.flatMap((file) => readResults(file).flatMap((document) => rowsOf(document, path.basename(file).replace(/\.jsonl?$/, ""))));
  const output = standardOutput();
  if (json !== true) await output.line(markdownOf(rows));
  else for (const { table, contender, cells, ratios } of rows) await output.json({ table, contender, figures: Object.fromEntries([...cells].map(([column, spread]) => [column.path, spread])), ratios });
  return exitCode.ok;
}

/** Ratios to the contender named, and of the first contender to this one. */
const ratioPlace = /^(ratios|oursToThis)\.(of\.)?/;

/** A row for each contender of the document that has a figure of the table. */
function rowsOf(document: ResultDocument, name: string): Row[] {
  const figures = figuresOf(document);
  const cells = new Map<string, Map<Column, Spread<number>>>();
  for (const [place, spread] of figures) {
    const column = ratioPlace.test(place) ? undefined : columns.find((candidate) => place === candidate.path || place.endsWith(`.${candidate.path}`));
    if (column === undefined) continue;
    const contender = place.slice(0, Math.max(0, place.length - column.path.length - 1));
    const own = cells.get(contender) ?? new Map<Column, Spread<number>>();
    cells.set(contender, own.set(column, spread));
  }
  const { bench, group, contender } = document;
  const table = [name, ...(name === bench ? [] : [bench]), ...(typeof group === "string" ? [group] : [])].join(": ");
  const main = typeof contender === "string" ? contender : "ringwall";
  return [...cells].map(([place, own], index): Row => ({ table, contender: place === "" ? main : place, cells: own, ratios: index === 0 ? ratiosOf(document, figures) : [] }));
}

function ratiosOf({ ratios }: ResultDocument, figures: ReadonlyMap<string, Spread<number>>): string[] {
  const to = typeof ratios === "object" && ratios !== null && "to" in ratios ? String(ratios.to) : null;
  return [...figures].flatMap(([place, spread]) => {
    if (!ratioPlace.test(place)) return [];
    const figure = place.replace(ratioPlace, "");
    const title = columns.find((column) => column.path === figure)?.title ?? figure;
    return [`${title}: ${place.startsWith("oursToThis") ? "Ringwall " : ""}${rangedText(spread, 2)} ×${to === null ? "" : ` ${to}`}`];
  });
}

function markdownOf(rows: readonly Row[]): string {
  return [...new Set(rows.map(({ table }) => table))].map((table) => tableOf(table, rows.filter((row) => row.table === table))).join("\n\n");
}

function tableOf(table: string, rows: readonly Row[]): string {
  const used = columns.filter((column) => rows.some(({ cells }) => cells.has(column)));
  const hasRatios = rows.some(({ ratios }) => ratios.length > 0);
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    `### ${table}`,
    "",
    line(["", ...used.map(({ title }) => title), ...(hasRatios ? ["ratios"] : [])]),
    line(["---", ...used.map(() => "---"), ...(hasRatios ? ["---"] : [])]),
    ...rows.map(({ contender, cells, ratios }) => {
      const texts = used.map((column) => {
        const spread = cells.get(column);
        return spread === undefined ? "" : rangedText(spread, column.digits);
      });
      return line([contender, ...texts, ...(hasRatios ? [ratios.join("; ")] : [])]);
    }),
  ].join("\n");
}

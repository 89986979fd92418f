// A process of its own that reads a log in one way. Ways that share a process share its collections too: beside `get` in turn V8
// collected the whole heap three times as often, and reading in batches was a quarter slower.

import type { LogOptions } from "../../../log/options.js";
import type { ReadFigures, WayName } from "./read-ways.js";
import { ToldProcess } from "./told-process.js";

export interface ReaderRequest {
  readonly directory: string;
  readonly options: LogOptions;
  readonly recordBytes: number;
  readonly way: WayName;
  /** Of objects that the process keeps: V8 lets the memory of records grow with them before it collects the whole heap. */
  readonly heapBytes: number;
}

/** Runs a round, or closes the log and ends. */
export type ReaderOrder = { readonly kind: "round"; readonly seconds: number } | { readonly kind: "close" };

export type ReaderReply = { readonly kind: "ready"; readonly facts: object; readonly records: number; readonly objects: number } | { readonly kind: "read"; readonly figures: ReadFigures };

export type ReaderProcess = ToldProcess<ReaderOrder, ReaderReply>;

/** Resolves once the log is open and in the page cache. */
export function startReader(request: ReaderRequest, signal: AbortSignal): Promise<ReaderProcess> {
  return ToldProcess.start<ReaderOrder, ReaderReply>({ url: new URL("./reader-program.js", import.meta.url), request, what: "reading", signal });
}

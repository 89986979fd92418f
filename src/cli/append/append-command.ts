// `ringwall append`: input → records → many appends in flight → an account of what is durable, whatever happened.

import { Log } from "../../thread/log.js";
import type { CommonOptions } from "../common-options.js";
import { type ExitCode, exitCode } from "../exit-codes.js";
import { Interrupt } from "../interrupt.js";
import { standardOutput } from "../output.js";
import { startProgress, type Progress } from "../progress.js";
import { bytesText, countOf, countText, rangeText } from "../quantities.js";
import { CommandError, reportFailure } from "../report-failure.js";
import { AppendWindow } from "./append-window.js";
import { inputsOf, totalBytes, type Input } from "./inputs.js";
import { LineSplitter, PrefixSplitter, WholeSplitter, type RecordSplitter } from "./record-splitter.js";

export interface AppendCommandOptions extends CommonOptions {
  readonly file?: string[];
  readonly lengthPrefixed?: boolean;
  readonly whole?: boolean;
  readonly keepNewline?: boolean;
  readonly create: boolean;
  readonly segmentBytes?: number;
  readonly recordBytesMax: number;
  readonly progress?: boolean;
}

export async function appendCommand(directory: string, partition: string, options: AppendCommandOptions): Promise<ExitCode> {
  const inputs = inputsOf(options.file);
  using interrupt = new Interrupt();
  const { backend, create, segmentBytes, recordBytesMax } = options;
  const log = await Log.open(directory, { backend, create, recordBytesMax, ...(segmentBytes === undefined ? {} : { segmentBytes }) });
  const started = performance.now();
  const failures: unknown[] = [];
  const fail = (error: unknown): void => { failures.push(error); };
  let window: AppendWindow | null = null;
  try {
    window = new AppendWindow(log.partition(partition));
    const progress = await startProgress({ label: "append", bytesTotal: totalBytes(inputs), noun: "records", isWanted: options.progress });
    await new Feed({ inputs, options, window, interrupt, progress }).run().catch(fail);
    await window.settle();
    progress.stop();
    if (window.failure !== null) failures.unshift(window.failure.error);
  } finally {
    await log.close().catch(fail);
  }
  return await report({ partition, window, seconds: (performance.now() - started) / 1000, failure: failures[0], interrupt, isJson: options.json === true });
}

interface FeedOptions {
  readonly inputs: readonly Input[];
  readonly options: AppendCommandOptions;
  readonly window: AppendWindow;
  readonly interrupt: Interrupt;
  readonly progress: Progress;
}

class Feed {
  readonly #feed: FeedOptions;
  #bytes = 0;
  #records = 0;

  constructor(feed: FeedOptions) {
    this.#feed = feed;
  }

  async run(): Promise<void> {
    for (const input of this.#feed.inputs) {
      if (this.#isOver) return;
      await this.#readInput(input);
    }
  }

  get #isOver(): boolean {
    return this.#feed.interrupt.isRaised || this.#feed.window.failure !== null;
  }

  async #readInput(input: Input): Promise<void> {
    const splitter = splitterFor(this.#feed.options);
    const stream = input.open();
    const { signal } = this.#feed.interrupt;
    // A terminal or a pipe that says nothing more must not hold up the end.
    const stop = (): void => { stream.destroy(); };
    signal.addEventListener("abort", stop);
    try {
      for await (const chunk of stream) {
        this.#bytes += (chunk as Buffer).length;
        await this.#push(splitter.push(chunk as Buffer));
        this.#feed.progress.update(this.#bytes, this.#records);
        if (this.#isOver) return;
      }
      // What a signal cut off is no record.
      if (!this.#isOver) await this.#push(splitter.end());
    } catch (error) {
      if (signal.aborted) return;
      throw isSystemError(error) ? new CommandError(`cannot read ${input.name}: ${error.message}`, "INPUT", { cause: error }) : error;
    } finally {
      signal.removeEventListener("abort", stop);
      stream.destroy();
    }
  }

  async #push(records: Iterable<Uint8Array>): Promise<void> {
    const { window } = this.#feed;
    for (const record of records) {
      if (!window.hasRoom) await window.room();
      if (this.#isOver) return;
      window.push(record);
      this.#records++;
    }
  }
}

function splitterFor(options: AppendCommandOptions): RecordSplitter {
  if (options.whole === true) return new WholeSplitter(options.recordBytesMax);
  if (options.lengthPrefixed === true) return new PrefixSplitter(options.recordBytesMax);
  return new LineSplitter(options.recordBytesMax, options.keepNewline === true);
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}

interface Result {
  readonly partition: string;
  readonly window: AppendWindow | null;
  readonly seconds: number;
  readonly failure: unknown;
  readonly interrupt: Interrupt;
  readonly isJson: boolean;
}

async function report({ partition, window, seconds, failure, interrupt, isJson }: Result): Promise<ExitCode> {
  const records = window?.durableRecords ?? 0;
  const summary = {
    partition,
    records,
    bytes: window?.durableBytes ?? 0,
    first: window?.firstSequence ?? 0,
    last: window?.lastSequence ?? 0,
    seconds,
    recordsPerSecond: Math.round(records / seconds),
    interrupted: interrupt.isRaised,
  };
  if (failure !== undefined) {
    const code = reportFailure(failure, isJson, { durable: summary });
    if (!isJson) process.stderr.write(`ringwall: ${durableText(summary)}\n`);
    return code;
  }
  const output = standardOutput();
  if (isJson) await output.json(summary);
  else await output.line(summaryText(summary));
  return interrupt.isRaised ? interrupt.exitCode : exitCode.ok;
}

interface Summary {
  readonly partition: string;
  readonly records: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  readonly interrupted: boolean;
}

function summaryText({ partition, records, bytes, first, last, seconds, recordsPerSecond, interrupted }: Summary): string {
  const prefix = interrupted ? "interrupted; durable are " : "";
  const sequences = records === 0 ? "" : `: ${first === last ? "sequence" : "sequences"} ${rangeText(first, last)}`;
  const rate = records === 0 ? "" : `, ${seconds.toFixed(2)} s, ${countText(recordsPerSecond)} records/s`;
  return `${prefix}${countOf(records, "record")} (${bytesText(bytes)}) in ${JSON.stringify(partition)}${sequences}${rate}`;
}

function durableText({ records, first, last, partition }: Summary): string {
  if (records === 0) return "no record of the input is known to be durable";
  return `durable are the first ${countOf(records, "record")} of the input: ${JSON.stringify(partition)} ${rangeText(first, last)}`;
}

// The suite `transactions`: new-order and payment on memory tables, in one thread, committed once the record is durable.

import type { BenchContext } from "../bench-run.js";
import { runRound } from "../caller-round.js";
import { logFactsOf, logOptionsOf, type LogFlags } from "../log-settings.js";
import { LogContender } from "../log-contender.js";
import { PortableBaseline } from "../portable-baseline.js";
import type { Quantiles } from "../samples.js";
import { Trimmer } from "../trimmer.js";
import { backendsOf, closeLogs, everyCallOf, openLog, type OpenedLog } from "./log-entrant.js";
import { OrderTables } from "./order-tables.js";
import type { Entrant, OpenGroup, Suite, SuiteFlags } from "./suite.js";

export interface TransactionsFlags extends SuiteFlags, LogFlags {
  readonly backend: "auto" | "uring" | "fs";
  readonly callers: number;
  readonly warehouses: number;
  readonly warmUp: number;
}

interface TransactionFigures {
  readonly transactionsPerSecond: number;
  readonly commitMicros: Quantiles;
  readonly newOrders: number;
  readonly payments: number;
  readonly refused: number;
  readonly cpuMicrosPerTransaction: number;
  readonly othersCores: number;
  readonly seconds: number;
}

/** What makes a record durable; `null`: nothing. */
interface Journal {
  readonly append: ((record: Uint8Array) => Promise<unknown>) | null;
  readonly onTick?: () => void;
  readonly settled?: () => Promise<void>;
}

const seed = 20_261;
const baselineFileBytes = 64 * 1024 * 1024;
const recordBytesMax = 256;
const rival = "portable baseline";

export const transactionsSuite: Suite<TransactionsFlags> = {
  measures: [
    { path: "transactionsPerSecond", title: "transactions/s", digits: 0, isCompared: true },
    { path: "commitMicros.p50", title: "p50 µs", digits: 0, isCompared: true },
    { path: "commitMicros.p99", title: "p99 µs", digits: 0 },
    { path: "cpuMicrosPerTransaction", title: "CPU µs/transaction", digits: 2 },
  ],
  groups: (flags) => [{ name: `${String(flags.callers)} callers, ${String(flags.warehouses)} warehouses`, open: (context) => openGroup(flags, context) }],
};

async function openGroup(flags: TransactionsFlags, { place }: BenchContext): Promise<OpenGroup> {
  const logs: OpenedLog[] = [];
  let baseline: PortableBaseline | null = null;
  const close = async (): Promise<void> => {
    baseline?.close();
    await closeLogs(place, logs);
  };
  try {
    const entrants: Entrant[] = [];
    for (const backend of backendsOf(flags.backend)) {
      const opened = await openLog(place, logOptionsOf({ ...flags, backend }));
      logs.push(opened);
      entrants.push(logEntrant(backend, opened, flags));
    }
    const opened = await PortableBaseline.open({ path: place.fresh("baseline"), fileBytes: baselineFileBytes, stagingBytes: Math.max(1024 * 1024, flags.callers * recordBytesMax * 2) });
    baseline = opened;
    entrants.push(entrantOf(rival, flags, { append: (record) => opened.append(record) }));
    entrants.push(entrantOf("no log", flags, { append: null }));
    return { entrants, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function logEntrant(backend: "uring" | "fs", { log, directory }: OpenedLog, flags: TransactionsFlags): Entrant {
  const partition = log.partition("bench-0");
  const trimmer = new Trimmer(log, [partition]);
  const entrant = entrantOf(backend, flags, { append: (record) => partition.append(record), onTick: () => { trimmer.check(); }, settled: () => trimmer.settled() });
  const filler = LogContender.over(log, directory, { callers: 1, bytes: recordBytesMax, partitions: 1, batch: 1, everyCall: 1, trims: true });
  return {
    ...entrant,
    facts: logFactsOf(log),
    prepare: async (isStopped) => {
      const warmUp = await filler.warmUp(0.01, isStopped);
      await entrant.round(flags.warmUp, isStopped);
      return warmUp;
    },
  };
}

/** With tables of its own, which are the same for all in the beginning. */
function entrantOf(name: string, { callers, warehouses, warmUp }: TransactionsFlags, journal: Journal): Entrant {
  const tables = new OrderTables(warehouses, seed);
  const appender = { append: (): Promise<unknown> => commit(tables, journal) };
  const entrant: Entrant = {
    name,
    settings: { callers, warehouses, everyCall: everyCallOf(callers) },
    ...(name === rival || name === "no log" ? {} : { reference: rival }),
    prepare: async (isStopped) => {
      await entrant.round(warmUp, isStopped);
      return undefined;
    },
    round: async (seconds, isStopped): Promise<TransactionFigures> => {
      const count = (): { newOrders: number; payments: number; refused: number } => ({ newOrders: tables.newOrders, payments: tables.payments, refused: tables.refused });
      let before = count();
      let after = before;
      const window = await runRound({ callers, items: [null], appenders: [appender], everyCall: everyCallOf(callers) }, {
        seconds,
        isStopped,
        onOpen: () => { before = count(); },
        onShut: () => { after = count(); },
        onTick: () => { journal.onTick?.(); },
      });
      await journal.settled?.();
      tables.demandConsistent();
      return {
        transactionsPerSecond: window.calls / window.seconds,
        commitMicros: window.ackMicros,
        newOrders: after.newOrders - before.newOrders,
        payments: after.payments - before.payments,
        refused: after.refused - before.refused,
        cpuMicrosPerTransaction: window.cpuMicros / window.calls,
        othersCores: window.othersCores,
        seconds: window.seconds,
      };
    },
  };
  return entrant;
}

/** One that was refused has nothing to log: it is over at once. */
function commit(tables: OrderTables, { append }: Journal): Promise<unknown> {
  const record = tables.transact();
  return record === null || append === null ? over : append(record);
}

const over = Promise.resolve();

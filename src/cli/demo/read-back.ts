// Reads everything back after the kill and compares it, byte for byte, with what was sent.

import { chooseKernels } from "../../format/kernels.js";
import type { Log } from "../../log/log.js";
import type { AckLedger } from "./acknowledgements.js";
import type { Corpus } from "./corpus.js";
import { contentMark, partitionCount, partitionName } from "./demo-shape.js";

export interface ReadBack {
  /** Records found, acknowledged or not. */
  records: number;
  bytes: number;
  /** Acknowledged records that are not there. */
  lost: number;
  /** Records whose bytes are not those that were sent, or that nobody sent. */
  wrong: number;
  /** Whole records that were written and not acknowledged yet when the writer was killed. */
  unacknowledged: number;
  /** What is wrong, the first few. */
  readonly problems: string[];
}

const problemsMax = 10;

export async function readBack(log: Log, ledger: AckLedger, corpus: Corpus, signal: AbortSignal): Promise<ReadBack> {
  const result: ReadBack = { records: 0, bytes: 0, lost: 0, wrong: 0, unacknowledged: 0, problems: [] };
  const names = Array.from({ length: partitionCount }, (_, partition) => partitionName(partition));
  for (const { name } of log.partitions()) {
    if (!names.includes(name)) note(result, `a partition that nobody wrote: ${JSON.stringify(name)}`, "wrong");
  }
  for (const [partition, name] of names.entries()) await comparePartition(log, { ledger, corpus, partition, name, result, signal });
  return result;
}

interface Comparison {
  readonly ledger: AckLedger;
  readonly corpus: Corpus;
  readonly partition: number;
  readonly name: string;
  readonly result: ReadBack;
  readonly signal: AbortSignal;
}

async function comparePartition(log: Log, { ledger, corpus, partition, name, result, signal }: Comparison): Promise<void> {
  const kernels = chooseKernels();
  const last = ledger.lastSequence(partition);
  let due = 1;
  for await (const records of log.partition(name).readBatches({ signal })) {
    for (const { seq, data } of records) {
      if (seq !== due) note(result, `${name}: sequence ${String(seq)} where ${String(due)} is due`, "wrong");
      due = seq + 1;
      result.records++;
      result.bytes += data.length;
      const mark = ledger.checksum(partition, seq);
      if (mark === 0) result.unacknowledged++;
      const isSame = corpus.record(partition, seq - 1).equals(data);
      if (!isSame) note(result, `${name} ${String(seq)}: not the bytes that were sent`, "wrong");
      else if (mark !== 0 && mark !== contentMark(kernels.crc32c(data, 0))) note(result, `${name} ${String(seq)}: not the bytes that were acknowledged`, "wrong");
    }
  }
  for (let sequence = due; sequence <= last; sequence++) {
    if (ledger.checksum(partition, sequence) !== 0) note(result, `${name} ${String(sequence)}: acknowledged and gone`, "lost");
  }
}

function note(result: ReadBack, problem: string, kind: "lost" | "wrong"): void {
  result[kind]++;
  if (result.problems.length < problemsMax) result.problems.push(problem);
}

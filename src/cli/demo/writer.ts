// The writing process of the demo: appends until it is killed, and tells through descriptor 3 what was acknowledged.

import { chooseKernels } from "../../format/kernels.js";
import { Log } from "../../thread/log.js";
import { AckSender } from "./acknowledgements.js";
import { Corpus } from "./corpus.js";
import { contentMark, partitionCount, partitionName, writerCount, type WriterRequest } from "./demo-shape.js";

const { directory, corpusRoot, backend } = JSON.parse(process.argv[2] ?? "{}") as WriterRequest;
const kernels = chooseKernels();
const corpus = Corpus.load(corpusRoot);
const log = await Log.open(directory, { backend });
// Without a reader of the acknowledgements there is no point in going on: the demo was killed.
const acknowledged = new AckSender(3, () => process.exit(1));
const { backendReason, flushMethod, checksumKernel } = log.info;
acknowledged.sendFacts({ backend: log.info.backend, backendReason, flushMethod, checksumKernel });

const partitions = Array.from({ length: partitionCount }, (_, partition) => log.partition(partitionName(partition)));
const next = new Array<number>(partitionCount).fill(0);

async function write(writer: number): Promise<never> {
  const number = writer % partitionCount;
  const partition = partitions[number] as (typeof partitions)[number];
  for (;;) {
    const n = next[number] as number;
    next[number] = n + 1;
    const record = corpus.record(number, n);
    const mark = contentMark(kernels.crc32c(record, 0));
    const started = performance.now();
    const sequence = await partition.append(record);
    acknowledged.send(number, sequence, mark, Math.round((performance.now() - started) * 1000));
    if (acknowledged.backlog !== null) await acknowledged.backlog;
  }
}

await Promise.all(Array.from({ length: writerCount }, (_, writer) => write(writer)));

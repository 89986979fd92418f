// `node main.mjs DIRECTORY [COUNT]`: enqueues numbered jobs, of which some fail at first, and works them off with four workers.

import { JobQueue } from "./job-queue.mjs";

const [directory = "./job-data", count = "3000"] = process.argv.slice(2);
const queue = await JobQueue.open(directory);
console.log(`opened with ${queue.size} jobs`);

async function enqueue() {
  for (let seq = 1; seq <= Number(count); seq += 50) {
    // The same numbers in each life: what is there already is not enqueued again.
    await Promise.all(Array.from({ length: 50 }, (_, index) => queue.enqueue(`job ${seq + index}`, { producer: "main", seq: seq + index }).catch(unlessKnown)));
  }
}

function unlessKnown(error) {
  // Long ago, in another life.
  if (error.code !== "RINGWALL_OUT_OF_SEQUENCE" || error.details.seq >= error.details.oldest) throw error;
}

async function work(isOver) {
  while (!isOver() || queue.size > 0) {
    const job = queue.lease(10_000);
    if (job === undefined) await new Promise((resolve) => setImmediate(resolve));
    else if (job.id % 10 === 0 && job.attempt < 3) await queue.fail(job.id);
    else {
      await queue.acknowledge(job.id, [{ partition: "results", data: `${job.data} at attempt ${job.attempt}` }]);
      console.log(`done ${job.id}`);
    }
  }
}

let isOver = false;
const enqueued = enqueue().then(() => { isOver = true; });
await Promise.all([enqueued, ...Array.from({ length: 4 }, () => work(() => isOver))]);
await queue.close();

// `node main.mjs DIRECTORY [COUNT]`: three tellers book into five accounts at once, and a projection keeps the balances.

import { ConflictError, EventStore } from "./event-store.mjs";

const [directory = "./event-data", count = "600"] = process.argv.slice(2);
const store = await EventStore.open(directory);

const balances = new Map();
for await (const { account, balance } of store.results("balances")) balances.set(account, balance);
const [position] = await store.progress("balances");
console.log(`opened with ${position} events in the balances, sum ${[...balances.values()].reduce((sum, balance) => sum + balance, 0)}`);

const abort = new AbortController();
const projected = store.project("balances", ({ stream, amount }) => {
  balances.set(stream, (balances.get(stream) ?? 0) + amount);
  return [{ partition: "balances", data: JSON.stringify({ account: stream, balance: balances.get(stream) }) }];
}, abort.signal);

async function book(account, amount) {
  for (;;) {
    try {
      return await store.append(account, [{ type: "booked", amount }], store.version(account));
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}

await Promise.all([1, 2, 3].map(async (teller) => {
  for (let round = 1; round <= Number(count) / 3; round++) {
    const account = `account ${(teller * round) % 5}`;
    console.log(`booked ${account} ${await book(account, teller)}`);
  }
}));
for (let [done, all] = [0, 1]; done < all; [done, all] = await store.progress("balances")) await new Promise((resolve) => setImmediate(resolve));
abort.abort();
await projected;
console.log(`sum ${[...balances.values()].reduce((sum, balance) => sum + balance, 0)}`);
await store.close();

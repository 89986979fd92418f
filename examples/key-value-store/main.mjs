// `node main.mjs DIRECTORY [COUNT]`: counts up under a few hundred keys, and says each number once it is durable.

import { KeyValueStore } from "./key-value-store.mjs";

const [directory = "./key-value-data", count = "5000"] = process.argv.slice(2);
const store = await KeyValueStore.open(directory);
const start = store.get("last") ?? 0;
console.log(`opened with ${store.size} keys, last ${start}`);
for (let number = start + 1; number <= start + Number(count); number += 50) {
  const writes = Array.from({ length: 50 }, async (_, index) => {
    await store.set(`key ${(number + index) % 300}`, number + index);
    await store.set("last", number + index);
    console.log(`durable ${number + index}`);
  });
  await Promise.all(writes);
}
await store.close();

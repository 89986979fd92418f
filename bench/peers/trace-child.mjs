// Appends one record after the other through an adapter, and marks in the trace where each begins and is acknowledged.

import fs from "node:fs";
import { adapters } from "./adapters/adapters.mjs";
import { Log } from "../../dist/index.js";

const [, , name, directory, markers] = process.argv;
const ringwall = {
  name: "ringwall on node:fs",
  async open() {
    const log = await Log.open(`${directory}/log`, { backend: "fs" });
    const partition = log.partition("traced");
    return { append: (data) => partition.append(data), close: () => log.close() };
  },
};
const adapter = [...adapters, ringwall].find((candidate) => candidate.name === name);
const opened = await adapter.open(directory);
const marker = fs.openSync(markers, "w");
const data = Buffer.alloc(1024, "ringwall");
for (let warm = 0; warm < 5; warm++) await opened.append(data);
for (let index = 0; index < 20; index++) {
  fs.writeSync(marker, `begin ${index}\n`);
  await opened.append(data);
  fs.writeSync(marker, `acknowledged ${index}\n`);
}
await opened.close();

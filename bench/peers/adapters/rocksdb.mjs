import path from "node:path";
import { ascendingKeys } from "./keys.mjs";
import { called } from "./waiters.mjs";

export const rocksdb = {
  name: "rocksdb",
  how: "one put per append, { sync: true }; RocksDB groups what its threads bring at once",
  isDurable: true,
  async open(directory) {
    const { default: open } = await import("rocksdb");
    const database = open(path.join(directory, "log.rocksdb"));
    await called((done) => database.open({ compression: false }, done));
    const key = ascendingKeys();
    const sync = { sync: true };
    return {
      append: (data) => called((done) => database.put(key(), Buffer.from(data.buffer, data.byteOffset, data.length), sync, done)),
      appendBatch: (list) => called((done) => database.batch(list.map((data) => ({ type: "put", key: key(), value: Buffer.from(data.buffer, data.byteOffset, data.length) })), sync, done)),
      close: () => called((done) => database.close(done)),
    };
  },
};

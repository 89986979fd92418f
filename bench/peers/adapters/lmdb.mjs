import path from "node:path";

export const lmdb = {
  name: "lmdb",
  how: "one put per append, which the library commits in batches; overlappingSync off, so that a commit is durable",
  isDurable: true,
  async open(directory) {
    const { open } = await import("lmdb");
    const database = open({ path: path.join(directory, "log.lmdb"), encoding: "binary", keyEncoding: "uint32", overlappingSync: false });
    let sequence = 0;
    return {
      append: (data) => database.put(++sequence, data),
      appendBatch: (list) => database.transaction(() => {
        for (const data of list) void database.put(++sequence, data);
      }),
      close: () => database.close(),
    };
  },
};

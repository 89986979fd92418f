import path from "node:path";

export const nodeSqlite = {
  name: "node:sqlite",
  how: "one INSERT per append, its own transaction; WAL, synchronous=FULL",
  isDurable: true,
  async open(directory) {
    const { DatabaseSync } = await import("node:sqlite").catch(() => {
      throw new Error(`Node ${process.versions.node} has no node:sqlite; Node 22.13 has`);
    });
    const database = new DatabaseSync(path.join(directory, "log.sqlite"));
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE records (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)");
    const insert = database.prepare("INSERT INTO records (data) VALUES (?)");
    return {
      append: async (data) => void insert.run(data),
      appendBatch: async (list) => {
        database.exec("BEGIN");
        for (const data of list) insert.run(data);
        database.exec("COMMIT");
      },
      close: () => database.close(),
    };
  },
};

import path from "node:path";
import { Batcher } from "./waiters.mjs";

async function openTable(directory) {
  const { default: Database } = await import("better-sqlite3");
  const database = new Database(path.join(directory, "log.sqlite"));
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.exec("CREATE TABLE records (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)");
  const insert = database.prepare("INSERT INTO records (data) VALUES (?)");
  const insertAll = database.transaction((list) => {
    for (const data of list) insert.run(data);
  });
  return { database, insert, insertAll };
}

export const betterSqlite = {
  name: "better-sqlite3",
  how: "one INSERT per append, its own transaction; WAL, synchronous=FULL",
  isDurable: true,
  async open(directory) {
    const { database, insert, insertAll } = await openTable(directory);
    return {
      append: async (data) => void insert.run(data),
      appendBatch: async (list) => void insertAll(list),
      close: () => database.close(),
    };
  },
};

export const betterSqliteBatched = {
  name: "better-sqlite3 + batcher",
  how: "what is appended in one turn of the event loop is one transaction; WAL, synchronous=FULL",
  isDurable: true,
  async open(directory) {
    const { database, insertAll } = await openTable(directory);
    const batcher = new Batcher((items) => insertAll(items.flat()));
    return {
      append: (data) => batcher.append(data),
      appendBatch: (list) => batcher.append(list),
      close: () => database.close(),
    };
  },
};

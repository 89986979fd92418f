import path from "node:path";
import { ascendingKeys } from "./keys.mjs";

export const classicLevel = {
  name: "classic-level",
  how: "one put per append, { sync: true }; LevelDB groups what its threads bring at once",
  isDurable: true,
  async open(directory) {
    const { ClassicLevel } = await import("classic-level");
    const database = new ClassicLevel(path.join(directory, "log.leveldb"), { keyEncoding: "view", valueEncoding: "view", compression: false });
    await database.open();
    const key = ascendingKeys();
    const sync = { sync: true };
    return {
      append: (data) => database.put(key(), data, sync),
      appendBatch: (list) => database.batch(list.map((value) => ({ type: "put", key: key(), value })), sync),
      close: () => database.close(),
    };
  },
};

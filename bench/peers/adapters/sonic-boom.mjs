import path from "node:path";
import { Batcher, called } from "./waiters.mjs";

export const sonicBoom = {
  name: "sonic-boom + fsync",
  how: "what is appended in one turn is written, then flushed; { fsync: true }",
  isDurable: true,
  async open(directory) {
    const { default: SonicBoom } = await import("sonic-boom");
    const stream = new SonicBoom({ dest: path.join(directory, "log.ndjson"), fsync: true, sync: false, contentMode: "buffer", maxLength: 0 });
    await new Promise((resolve, reject) => stream.once("ready", resolve).once("error", reject));
    const batcher = new Batcher((items) => {
      for (const data of items.flat()) stream.write(Buffer.from(data.buffer, data.byteOffset, data.length));
      return called((done) => stream.flush(done));
    });
    return {
      append: (data) => batcher.append(data),
      appendBatch: (list) => batcher.append(list),
      close: () => new Promise((resolve) => {
        stream.once("close", resolve);
        stream.end();
      }),
    };
  },
};

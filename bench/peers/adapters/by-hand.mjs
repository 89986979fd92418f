import fs from "node:fs";
import path from "node:path";
import { PortableBaseline } from "../../../dist/cli/bench/portable-baseline.js";

export const fdatasyncEach = {
  name: "fdatasync per append",
  how: "by hand on node:fs: each append is one write at the end of the file, then one fdatasync",
  isDurable: true,
  async open(directory) {
    const file = await fs.promises.open(path.join(directory, "log.bin"), "wx");
    let end = 0;
    const append = async (data) => {
      const position = end;
      end += data.length;
      await file.write(data, 0, data.length, position);
      await file.datasync();
    };
    return { append, appendBatch: (list) => append(Buffer.concat(list)), close: () => file.close() };
  },
};

export const groupCommit = {
  name: "O_DSYNC group commit",
  how: "by hand on node:fs: two staging buffers, a pre-written file opened O_DSYNC, one write at a time",
  isDurable: true,
  async open(directory) {
    const baseline = await PortableBaseline.open({ path: path.join(directory, "log.bin"), fileBytes: 64 * 1024 * 1024, stagingBytes: 8 * 1024 * 1024 });
    return { append: (data) => baseline.append(data), appendBatch: (list) => Promise.all(list.map((data) => baseline.append(data))), close: () => baseline.close() };
  },
};

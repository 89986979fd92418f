import path from "node:path";

export const hypercore = {
  name: "hypercore",
  how: "one append per append; the library asks for no flush",
  isDurable: false,
  async open(directory) {
    const { default: Hypercore } = await import("hypercore");
    const core = new Hypercore(path.join(directory, "log.hypercore"));
    await core.ready();
    const buffer = (data) => Buffer.from(data.buffer, data.byteOffset, data.length);
    return {
      append: (data) => core.append(buffer(data)),
      appendBatch: (list) => core.append(list.map(buffer)),
      close: () => core.close(),
    };
  },
};

// Simulated storage keeps the contract, fast and slow, so that what is found on it counts for the others.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SimMachine } from "#src/storage/sim/machine.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { storageContract, type ContractPlace } from "./contract.js";

const memory: ContractPlace = {
  name: "a simulated machine",
  enter: async ({ files }) => {
    await files.makeDirectory("/here");
    return "/here";
  },
  leave: () => undefined,
};

storageContract("sim", () => new SimStorage(new SimMachine({ seed: 1 })), [memory]);
storageContract("sim, slow and in pieces", () => new SimStorage(new SimMachine({ seed: 2, faults: { slow: 0.2, short: 0.3 } })), [memory]);

test("a write in two steps, the first of them slow: nothing of it comes after its completion, over what was written since", async () => {
  const blockBytes = 8192;
  const machine = new SimMachine({ seed: 3, faults: { slow: 0.5, short: 1 } });
  const storage = new SimStorage(machine);
  let delivered: () => void = () => undefined;
  const writer = storage.createWriter({
    bufferBytes: blockBytes, bufferCount: 1, writesInFlight: 1, alignment: 4096, flush: "dsync", onBatchEnd: () => undefined,
    onWritten: (_, error) => {
      assert.equal(error, null);
      delivered();
    },
  });
  await (await storage.files.open("/file", "create")).writeAt(new Uint8Array(blockBytes), 0);
  const file = await writer.openFile("/file");
  for (let token = 1; token <= 100; token++) {
    writer.memory.bytes.fill(token);
    await new Promise<void>((resolve) => {
      delivered = resolve;
      writer.write(file, 0, 0, blockBytes, token);
    });
    // Two writes one right after the other, then longer than the slowest operation takes.
    if (token % 2 === 1) continue;
    await machine.loop.sleep(storage.owner, 200_000);
    const content = (machine.disk.files()[0] as { inode: { visible: Uint8Array } }).inode.visible;
    assert.ok(content.every((byte) => byte === token), `write ${token}`);
  }
  assert.ok(machine.counts.of("slow") > 20 && machine.counts.of("short") === 100);
});

// Simulated storage keeps the contract, fast and slow, so that what is found on it counts for the others.

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

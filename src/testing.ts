// Public entry `ringwall/testing`: simulated storage, for testing programs that use a log against crashes and faults.
//
//   const machine = new SimMachine({ seed: 1 });
//   const log = await Log.openOn({ storage: new SimStorage(machine), reason: "test" }, "/log", resolveOptions({}));
//   …
//   machine.losePower();

export { SimMachine, type MachineOptions } from "./storage/sim/machine.js";
export { SimStorage, type SimStorageOptions } from "./storage/sim/sim-storage.js";
export { Random } from "./storage/sim/random.js";
export type { FaultKind, FaultRates } from "./storage/sim/faults.js";
export type { WriteObserver } from "./storage/sim/sim-writer.js";
export { LaneLog as Log, type LogEnvironment } from "./log/lane-log.js";
export { resolveOptions } from "./log/options.js";

// Public entry `ringwall/testing`: simulated storage, for testing programs that use a log against crashes and faults.
//
//   const machine = new SimMachine({ seed: 1 });
//   const storage = new SimStorage(machine);                              a process on it
//   const crash = machine.crashAfter(200);                                events later the power fails
//   const log = await Log.openOn({ storage, reason: "test" }, "/log", resolveOptions({}));
//
// docs/TESTING.md has a whole program.

export { SimMachine, type MachineOptions } from "./storage/sim/machine.js";
export { SimStorage, type SimStorageOptions } from "./storage/sim/sim-storage.js";
export { Random } from "./storage/sim/random.js";
export type { Owner } from "./storage/sim/event-loop.js";
export type { FaultKind, FaultRates } from "./storage/sim/faults.js";
export type { WriteObserver } from "./storage/sim/sim-writer.js";
export { LaneLog as Log, type LogEnvironment } from "./log/lane-log.js";
export { resolveOptions, type LogOptions } from "./log/options.js";

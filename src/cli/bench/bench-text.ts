// Figures and facts as people read them.

import { countText } from "../quantities.js";
import type { BenchMachine } from "./bench-machine.js";
import type { LogFacts } from "./log-settings.js";
import type { Spread } from "./spread.js";

/** "512 000 (490 000..530 000)"; the range only where there is one. */
export function rangedText({ median, min, max }: Spread<number>, digits: number): string {
  const text = (value: number): string => (digits === 0 ? countText(value) : value.toFixed(digits));
  return text(min) === text(max) ? text(median) : `${text(median)} (${text(min)}..${text(max)})`;
}

export function factsText({ machine, ...log }: { readonly machine: BenchMachine } & Partial<LogFacts>): string {
  const lines = [`${machine.cpuModel}, ${String(machine.cpus)} cores; ${machine.platform} ${machine.kernel}; Node ${machine.node}; ${machine.fileSystem} (${machine.mountOptions}); load before ${machine.loadBefore.toFixed(1)}`];
  if (log.backend !== undefined) lines.push(`backend ${log.backend}, flush ${log.flushMethod ?? ""}, checksum ${log.checksumKernel ?? ""}`);
  return lines.join("\n");
}

// `ringwall bench atomic`: what belongs together beside a plain append. A producer's number, a cursor's move or a second record goes along.

import { logOptionsOf } from "../log-settings.js";
import type { LogCall } from "../log-contender.js";
import type { CallersFlags } from "./callers-suites.js";
import { appendMeasures, backendsOf, closeLogs, everyCallOf, logEntrant, openLog } from "./log-entrant.js";
import type { Entrant, Group, Suite } from "./suite.js";

const calls: readonly { readonly call: LogCall; readonly name: string }[] = [
  { call: "append", name: "append" },
  { call: "numbered", name: "append with a producer's number" },
  { call: "moving", name: "record and cursor" },
  { call: "pair", name: "write over two partitions" },
];

/** Ratios to the plain append by as many callers, on the same log, its rounds in turn with the others'. */
export const atomicSuite: Suite<CallersFlags> = {
  measures: appendMeasures,
  groups: (flags) => backendsOf(flags.backend).flatMap((backend) => flags.callers.map((callers): Group => {
    const { bytes, trim: trims, warmUp } = flags;
    return {
      name: `${backend}, ${String(callers)} ${callers === 1 ? "caller" : "callers"}, ${String(bytes)} B`,
      open: async ({ place }) => {
        const opened = await openLog(place, logOptionsOf({ ...flags, backend }));
        const entrants = calls.map(({ call, name }): Entrant => logEntrant({
          name,
          opened,
          load: { callers, bytes, partitions: 2, batch: 1, everyCall: everyCallOf(callers), trims, call },
          settings: { backend, call },
          ...(call === "append" ? {} : { reference: "append" }),
          warmUp,
          fills: call === "append",
        }));
        return { entrants, close: () => closeLogs(place, [opened]) };
      },
    };
  })),
};

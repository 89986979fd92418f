// Runs a suite: its groups one after the other, in each the entrants' rounds in turn; one document per entrant.

import type { ExitCode } from "../../exit-codes.js";
import { optionsOf, runBench, type BenchContext } from "../bench-run.js";
import { interleave } from "../contender.js";
import { ratioOf, spreadOf, type Spread } from "../spread.js";
import { figureAt } from "./figure-at.js";
import type { SuiteDocument } from "./suite-document.js";
import type { Entrant, Group, Measure, Suite, SuiteFlags } from "./suite.js";
import { suiteText } from "./suite-text.js";

export function runSuite<Flags extends SuiteFlags>(name: string, suite: Suite<Flags>, flags: Flags): Promise<ExitCode> {
  const groups = suite.groups(flags);
  const body = async (context: BenchContext): Promise<SuiteDocument[]> => {
    const documents: SuiteDocument[] = [];
    for (const group of groups) {
      if (context.isStopped()) break;
      documents.push(...(await runGroup({ name, suite, flags, group, context })));
    }
    return documents;
  };
  return runBench(flags, body, (documents) => suiteText(documents, suite.measures));
}

interface GroupRun<Flags extends SuiteFlags> {
  readonly name: string;
  readonly suite: Suite<Flags>;
  readonly flags: Flags;
  readonly group: Group;
  readonly context: BenchContext;
}

async function runGroup<Flags extends SuiteFlags>({ name, suite, flags, group, context }: GroupRun<Flags>): Promise<SuiteDocument[]> {
  const { isStopped, machine } = context;
  const onStep = (text: string): void => { context.onStep(`${name}, ${group.name}: ${text}`); };
  onStep("opening");
  const opened = await group.open(context);
  const { entrants } = opened;
  try {
    const warmUps = new Map<string, object>();
    for (const entrant of entrants) {
      if (isStopped()) return [];
      onStep(`${entrant.name}: warming up`);
      const warmUp = await entrant.prepare?.(isStopped);
      if (warmUp !== undefined) warmUps.set(entrant.name, warmUp);
    }
    const results = await interleave(entrants, { rounds: flags.repeat, seconds: flags.seconds, isStopped, onRound: onStep });
    if (isStopped()) return [];
    return entrants.map((entrant): SuiteDocument => {
      const rounds = results.get(entrant.name) as object[];
      const warmUp = warmUps.get(entrant.name);
      return {
        bench: name,
        group: group.name,
        contender: entrant.name,
        settings: entrant.settings,
        rounds: rounds.length,
        ...spreadOf(rounds),
        ...ratiosOf(entrant, results, suite.measures),
        ...(entrant.facts === undefined ? {} : { facts: entrant.facts }),
        ...(warmUp === undefined ? {} : { warmUp }),
        machine,
        options: optionsOf(flags),
      };
    });
  } finally {
    await opened.close();
  }
}

function ratiosOf({ name, reference }: Entrant, results: ReadonlyMap<string, readonly object[]>, measures: readonly Measure[]): Pick<SuiteDocument, "ratios"> {
  if (reference === undefined) return {};
  const own = results.get(name) as readonly object[];
  const others = results.get(reference);
  if (others === undefined) return {};
  const compared = measures.flatMap(({ path, isCompared }): [string, Spread<number>][] => {
    if (isCompared !== true) return [];
    const below = others.map((figures) => figureAt(figures, path));
    const above = own.map((figures) => figureAt(figures, path));
    const isWhole = [...above, ...below].every((value) => value !== undefined && value > 0);
    return isWhole ? [[path, ratioOf(above as number[], below as number[])]] : [];
  });
  return { ratios: { to: reference, of: Object.fromEntries(compared) } };
}

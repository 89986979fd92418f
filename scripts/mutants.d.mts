import type { Mutant } from "./mutants/list.mjs";

export interface Verdict {
  mutant: Mutant;
  kind: "caught" | "escaped" | "rotten" | "broken" | "not judged";
  outcomes: { kind: string; evidence: string }[];
  seconds: number;
}

export function judgeMutants(chosen: Mutant[], workers: number, onVerdict?: (verdict: Verdict) => void): Promise<Verdict[]>;

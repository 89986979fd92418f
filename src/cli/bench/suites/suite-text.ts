// What people see of a suite: a table per group, with the ratios beside the measures, and the machine in the end.

import { tableText } from "../../quantities.js";
import { factsText, rangedText } from "../bench-text.js";
import { spreadAt } from "./figure-at.js";
import type { Measure } from "./suite.js";
import type { SuiteDocument } from "./suite-document.js";

export function suiteText(documents: readonly SuiteDocument[], measures: readonly Measure[]): string {
  const groups = [...new Set(documents.map(({ group }) => group))];
  const tables = groups.map((group) => groupText(group, documents.filter((document) => document.group === group), measures));
  const [first] = documents;
  if (first === undefined) return "nothing was measured";
  const backends = documents.flatMap(({ facts }) => (facts !== undefined && "backend" in facts && "flushMethod" in facts ? [`${String(facts.backend)}: flush ${String(facts.flushMethod)}`] : []));
  const method = [...new Set(backends)].join("; ");
  return [...tables, `medians (min..max) of ${String(first.rounds)} rounds${method === "" ? "" : `; ${method}`}`, factsText(first)].join("\n");
}

function groupText(group: string, documents: readonly SuiteDocument[], measures: readonly Measure[]): string {
  const used = measures.filter(({ path }) => documents.some((document) => spreadAt(document, path) !== undefined));
  const compared = used.filter(({ path }) => documents.some(({ ratios }) => ratios?.of[path] !== undefined));
  const heading = [group, ...used.map(({ title }) => title), ...compared.map(({ title }) => `${title}, ratio`)];
  const rows = documents.map((document) => {
    const cells = used.map(({ path, digits }) => {
      const spread = spreadAt(document, path);
      return spread === undefined ? "-" : rangedText(spread, digits);
    });
    const ratios = compared.map(({ path }) => {
      const ratio = document.ratios?.of[path];
      return ratio === undefined ? "" : `${rangedText(ratio, 2)} × ${document.ratios?.to ?? ""}`;
    });
    return [document.contender, ...cells, ...ratios];
  });
  return `${tableText([heading, ...rows])}\n`;
}

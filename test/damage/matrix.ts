// The damage matrix: every class of damage × a closed, an idle and a killed log × writer, reader, verify, repair.
//
// RINGWALL_DAMAGE=long runs the dense choice; RINGWALL_DAMAGE_CASE="<kind>" runs one class, dense.

import assert from "node:assert/strict";
import { test } from "node:test";
import { damagesOf, type Density } from "./damages.js";
import { buildImage } from "./image.js";
import { judge, type Outcomes } from "./verdict.js";

const only = process.env["RINGWALL_DAMAGE_CASE"];
const isLong = process.env["RINGWALL_DAMAGE"] === "long" || only !== undefined;
/** Primes, so that a sparse choice meets other bits, bytes and pages in each field, block and image. */
const density: Density = isLong ? { bits: 5, cuts: 1, pages: 1 } : { bits: 499, cuts: 8209, pages: 7 };
const failuresShown = 10;

class Tally {
  readonly #counts = new Map<string, Map<string, number>>();
  cases = 0;

  add(kind: string, outcomes: Outcomes): void {
    this.cases++;
    const row = this.#counts.get(kind) ?? new Map<string, number>();
    this.#counts.set(kind, row);
    for (const [who, outcome] of Object.entries(outcomes)) row.set(`${who}: ${String(outcome)}`, (row.get(`${who}: ${String(outcome)}`) ?? 0) + 1);
  }

  lines(): string[] {
    return [...this.#counts].map(([kind, row]) => `${kind}: ${[...row].sort(([a], [b]) => (a < b ? -1 : 1)).map(([outcome, count]) => `${outcome} ${String(count)}`).join(", ")}`);
  }

  has(who: keyof Outcomes, outcome: string): boolean {
    return [...this.#counts.values()].some((row) => row.has(`${who}: ${outcome}`));
  }
}

/** All damages of one image; the tests of each image are a file of their own, so that they run side by side. */
export function testMatrix(name: "closed" | "idle" | "killed"): void {
  test(`damage to a log that was ${name}: intact, refused, named, or torn beyond the horizon; never wrong, never silent`, async (t) => {
    const image = await buildImage(name);
    const whole = await judge(image, { kind: "none", title: "no damage", changes: new Map() });
    assert.deepEqual(whole, { writer: "intact", reader: "intact", verify: "sound", repair: "complete" });
    const tally = new Tally();
    const failures: string[] = [];
    for (const damage of damagesOf(image, density)) {
      if (only !== undefined && damage.kind !== only) continue;
      try {
        tally.add(damage.kind, await judge(image, damage));
      } catch (error) {
        failures.push(`${damage.kind}: ${damage.title}: ${error instanceof Error ? error.message : String(error)}`);
        if (process.env["RINGWALL_DAMAGE_STACKS"] === "1") console.error(error);
      }
    }
    t.diagnostic(`${name}: ${String(tally.cases + failures.length)} cases`);
    for (const line of tally.lines()) t.diagnostic(`  ${line}`);
    assert.deepEqual(failures.slice(0, failuresShown), [], `${String(failures.length)} cases fail`);
    if (only !== undefined) return;
    for (const outcome of ["intact", "refused"]) assert.ok(tally.has("writer", outcome), `some damage leaves the writer ${outcome}`);
    // The seal of a closed log and the superblock vouch for everything: nothing of it may pass for a torn tail.
    for (const who of ["writer", "reader"] as const) assert.equal(tally.has(who, "torn tail"), name !== "closed", `a torn tail, by the ${who}`);
    for (const outcome of ["sound", "damage found", "refused"]) assert.ok(tally.has("verify", outcome), `of some damage verify says ${outcome}`);
    for (const outcome of ["complete", "incomplete"]) assert.ok(tally.has("repair", outcome), `some repair is ${outcome}`);
  });
}

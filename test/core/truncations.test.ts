// Truncations of a partition against the whole history of them: what hides, and what somebody is told who knows it as of some moment.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hasHiding, truncationsFrom, truncationSince, withTruncation } from "#src/core/truncations.js";
import { noTruncations, type Truncation } from "#src/format/checkpoint.js";
import { Random } from "#src/storage/sim/random.js";

const pastMax = 3;
const runs = 500;

interface Moment {
  readonly list: readonly Truncation[];
  /** Truncations before it. */
  readonly count: number;
}

/** A partition's truncations, how its list stood before and behind each change, and the first segment that is kept. */
function history(random: Random): { readonly all: Truncation[]; readonly moments: Moment[]; readonly firstSegment: number } {
  const all: Truncation[] = [];
  let list: readonly Truncation[] = noTruncations;
  const moments: Moment[] = [{ list, count: 0 }];
  let firstSegment = 1;
  for (let step = random.between(1, 30); step > 0; step--) {
    const last = all[all.length - 1] ?? { segment: 1, offset: 0, after: 0 };
    if (random.chance(0.3)) {
      firstSegment = random.between(firstSegment, last.segment + 1);
      list = truncationsFrom(list, firstSegment, pastMax);
    } else {
      const segment = Math.max(firstSegment, last.segment + (random.chance(0.5) ? 1 : 0));
      const truncation = { segment, offset: segment === last.segment ? last.offset + 8 : 0, after: random.chance(0.6) ? last.after + random.between(0, 5) : random.between(0, 40) };
      all.push(truncation);
      list = withTruncation(list, truncation);
    }
    moments.push({ list, count: all.length });
  }
  return { all, moments, firstSegment };
}

test("whoever knows an earlier moment is told of the lowest truncation since, never of one that kept more, and of none where there was none", () => {
  let told = 0;
  let exact = 0;
  for (let seed = 1; seed <= runs; seed++) {
    const { all, moments } = history(new Random(seed));
    const { list } = moments[moments.length - 1] as Moment;
    for (const { list: known, count } of moments) {
      const missed = all.slice(count);
      const lowest = Math.min(...missed.map(({ after }) => after));
      const since = truncationSince(list, known, 1000);
      // As a lane has them that was recovered anew, from copies.
      assert.deepEqual(truncationSince(list, known.map((each) => ({ ...each })), 1000), since);
      assert.equal(since === null, missed.length === 0, `seed ${seed}`);
      if (since === null) continue;
      told++;
      assert.ok(since.after <= lowest, `seed ${seed}: ${since.after} for ${lowest}`);
      if (since.after === lowest) exact++;
      // One that was past and stands for others is there only where so many more came.
      else assert.ok(missed.length >= pastMax, `seed ${seed}: ${since.after} for ${lowest}, ${missed.length} were missed`);
      assert.deepEqual([truncationSince(list, known, since.after + 1), truncationSince(list, known, since.after)], [since, null]);
    }
  }
  assert.ok(told > 1000 && exact < told, `${told}, of these exactly ${exact}`);
});

test("what hides something is as if nothing were ever past; past ones are few, come first, and hide nothing", () => {
  for (let seed = 1; seed <= runs; seed++) {
    const { all, moments, firstSegment } = history(new Random(seed));
    const { list } = moments[moments.length - 1] as Moment;
    const whole = all.reduce(withTruncation, noTruncations);
    assert.deepEqual(truncationsFrom(list, firstSegment, pastMax).filter(({ isPast }) => isPast !== true), whole.filter(({ segment }) => segment >= firstSegment));
    const past = list.filter(({ isPast }) => isPast === true);
    assert.deepEqual(list.slice(0, past.length), past);
    assert.ok(past.length <= pastMax);
    assert.equal(hasHiding(list), past.length < list.length);
    for (const [at, each] of list.entries()) {
      const before = list[at - 1];
      assert.ok(before === undefined || (before.after < each.after && (before.segment < each.segment || before.offset < each.offset)), `seed ${seed}`);
    }
  }
});

test("a list in which nothing becomes past stays the same object", () => {
  const list = withTruncation(noTruncations, { segment: 2, offset: 8, after: 5 });
  assert.equal(truncationsFrom(list, 2, 1), list);
  const past = truncationsFrom(list, 3, 1);
  assert.deepEqual(past, [{ segment: 2, offset: 8, after: 5, isPast: true }]);
  assert.equal(truncationsFrom(past, 9, 1), past);
  assert.equal(truncationsFrom(noTruncations, 9, 1), noTruncations);
});

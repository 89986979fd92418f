// The error class: code, place and remedy in the message, cause and details for programs; broken invariants are another class.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as invariant, RingwallAssertionError, unreachable } from "#src/base/assert.js";
import { errorCodes, RingwallError } from "#src/base/errors.js";

test("a message is place, what happened, remedy; programs get the parts", () => {
  const cause = new Error("below");
  const error = new RingwallError("RINGWALL_DAMAGED", "it does not verify", {
    place: { path: "/a/b", lane: 0, segment: 7, offset: 8192, partition: "or\"ders", sequence: 3 }, remedy: "Look closer.", cause, details: { some: 1 },
  });
  assert.equal(error.message, '/a/b lane 0 segment 7 offset 8192 partition "or\\"ders" sequence 3: it does not verify. Look closer.');
  assert.deepEqual([error.name, error.code, error.cause, error.details, error.place.segment], ["RingwallError", "RINGWALL_DAMAGED", cause, { some: 1 }, 7]);
  assert.ok(error instanceof Error);
});

test("without options the message is a sentence, and there is no cause", () => {
  const error = new RingwallError("RINGWALL_CLOSED", "the log is closed");
  assert.equal(error.message, "the log is closed.");
  assert.deepEqual([error.place, error.details, "cause" in error], [{}, undefined, false]);
});

test("a place with zeros names them", () => {
  assert.equal(new RingwallError("RINGWALL_IO", "x", { place: { lane: 0, offset: 0 } }).message, "lane 0 offset 0: x.");
  assert.equal(new RingwallError("RINGWALL_IO", "x", { place: {} }).message, "x.");
});

test("codes are unique, sorted, and all begin alike", () => {
  assert.deepEqual([...errorCodes], [...new Set(errorCodes)].sort());
  assert.ok(errorCodes.every((code) => /^RINGWALL_[A-Z_]+$/.test(code)));
});

test("a broken invariant is no RingwallError", () => {
  invariant(true, "holds");
  assert.throws(() => invariant(false, "one is one"), (error: unknown) => error instanceof RingwallAssertionError && !(error instanceof RingwallError) && error.message === "invariant broken: one is one");
  assert.throws(() => unreachable("left over" as never, "all cases are known"), /all cases are known: "left over"/);
});

// Checkpoints: entries come back whatever their names and truncations, payloads keep to their size, damage is no entry.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkpointEntryBytesMax, decodeCheckpoint, checkpointPayloads, partitionNameBytesMax, rewriteEntry, storedPastMax, storedTruncationsMax, truncationsMax, type CheckpointEntry } from "#src/format/checkpoint.js";

const largest = 2 ** 52;

function entry(id: number, name: string, truncations = 0): CheckpointEntry {
  return {
    id, name, firstSequence: id * 10, lastSequence: id * 1000,
    truncations: Array.from({ length: truncations }, (_, index) => ({ segment: index + 1, offset: 4160 + index * 8, after: index })),
  };
}

const entries: readonly CheckpointEntry[] = [
  entry(1, "a"), entry(2, "1234567"), entry(3, "12345678"), entry(4, "123456789"), entry(5, "日本語 😀 \0"), entry(6, "x".repeat(partitionNameBytesMax)), entry(7, "truncated", 3),
  { id: 0xffff_ffff, name: "limits", firstSequence: largest, lastSequence: largest, truncations: [{ segment: largest, offset: largest, after: largest }] },
  { ...entry(8, "past", 4), truncations: [{ segment: 1, offset: 8, after: 0, isPast: true }, { segment: 1, offset: 16, after: 3, isPast: true }, { segment: 3, offset: 8, after: 5 }] },
  { ...entry(10, "only past"), truncations: Array.from({ length: storedPastMax }, (_, index) => ({ segment: index + 1, offset: 4096, after: index, isPast: true as const })) },
  { id: 9, name: "never written", firstSequence: 1, lastSequence: 0, truncations: [] },
];

function decodeAll(payloads: readonly Uint8Array[]): CheckpointEntry[] {
  return payloads.flatMap((payload) => {
    const decoded = decodeCheckpoint(payload);
    assert.notEqual(decoded, null);
    return decoded as CheckpointEntry[];
  });
}

test("entries come back, in order, in one payload or many, none larger than allowed", () => {
  for (const payloadBytesMax of [1100, 1200, 2000, 32 * 1024]) {
    const payloads = [...checkpointPayloads(entries, payloadBytesMax)];
    assert.ok(payloads.every((payload) => payload.length <= payloadBytesMax && payload.length % 8 === 0), `${payloads.map((payload) => payload.length).join()}`);
    assert.deepEqual(decodeAll(payloads), entries);
  }
  assert.equal([...checkpointPayloads(entries, 32 * 1024)].length, 1);
});

test("no partition: one empty payload, which decodes to none", () => {
  const payloads = [...checkpointPayloads([], 1000)];
  assert.deepEqual(payloads.map((payload) => payload.length), [0]);
  assert.deepEqual(decodeAll(payloads), []);
});

test("the bound on truncations keeps the largest entry inside one payload, and is not needlessly low", () => {
  for (const payloadBytesMax of [16 * 1024 - 88, 32 * 1024]) {
    const most = truncationsMax(payloadBytesMax);
    const name = "x".repeat(partitionNameBytesMax);
    assert.ok(([...checkpointPayloads([entry(1, name, most)], payloadBytesMax)][0] as Uint8Array).length <= payloadBytesMax);
    assert.ok(checkpointEntryBytesMax(partitionNameBytesMax, most + 1) > payloadBytesMax);
    assert.deepEqual(decodeAll([...checkpointPayloads([entry(1, name, most), entry(2, "b")], payloadBytesMax)]), [entry(1, name, most), entry(2, "b")]);
  }
});

test("an entry takes no more than it was said to", () => {
  for (const each of entries) {
    const [payload] = [...checkpointPayloads([each], 32 * 1024)];
    assert.ok((payload as Uint8Array).length <= checkpointEntryBytesMax(Buffer.byteLength(each.name), each.truncations.length));
  }
});

test("an entry is rewritten where it stands if it takes the same room: sequences, truncations, and what of these is past", () => {
  const before = entry(7, "truncated", 3);
  const now = { ...before, firstSequence: 99, lastSequence: 100, truncations: before.truncations.map((truncation, at) => ({ ...truncation, after: at + 40, ...(at < 2 ? { isPast: true as const } : {}) })) };
  const payload = Uint8Array.from([...checkpointPayloads([entry(6, "before"), before, entry(8, "behind")], 32 * 1024)][0] as Uint8Array);
  const at = (checkpointPayloads([entry(6, "before")], 32 * 1024).next().value as Uint8Array).length;
  const view = new DataView(payload.buffer);
  assert.equal(rewriteEntry(view, at, 1, 1, now.truncations.slice(1)), false);
  assert.deepEqual(decodeCheckpoint(payload), [entry(6, "before"), before, entry(8, "behind")]);
  assert.equal(rewriteEntry(view, at, 99, 100, now.truncations), true);
  assert.deepEqual(decodeCheckpoint(payload), [entry(6, "before"), now, entry(8, "behind")]);
});

test("a payload cut off anywhere, or with lengths that lead out of it, is null; at any offset in its memory", () => {
  const [payload] = [...checkpointPayloads(entries.slice(0, 7), 32 * 1024)] as [Uint8Array];
  const starts = new Set([0]);
  for (let length = 0; length < payload.length; length++) {
    const decoded = decodeCheckpoint(payload.subarray(0, length));
    if (decoded !== null) starts.add(length);
  }
  assert.equal(starts.size, 7, "only a cut between two entries leaves whole ones");
  for (const at of [4, 6]) {
    const wrong = Uint8Array.from(payload);
    new DataView(wrong.buffer).setUint16(at, 0xffff, true);
    assert.equal(decodeCheckpoint(wrong), null);
  }
  const shifted = new Uint8Array(payload.length + 3);
  shifted.set(payload, 3);
  assert.deepEqual(decodeCheckpoint(shifted.subarray(3)), entries.slice(0, 7));
});

test("what no writer writes is null, whatever its lengths: numbers above 2^52, id 0, an empty range below the first, names, truncations out of order", () => {
  const whole = entry(1, "abc", 2);
  const places = [[1, 4096, 5], [1, 4096, 6], [1, 8192, 5], [2, 4096, 5]] as const;
  const truncated = (...numbers: readonly (readonly [number, number, number])[]): CheckpointEntry => ({ ...whole, truncations: numbers.map(([segment, offset, after]) => ({ segment, offset, after })) });
  const decoded = (each: CheckpointEntry, change: (view: DataView) => void = () => undefined): CheckpointEntry[] | null => {
    const payload = Uint8Array.from([...checkpointPayloads([each], 1 << 20)][0] as Uint8Array);
    change(new DataView(payload.buffer));
    return decodeCheckpoint(payload);
  };
  assert.deepEqual(decoded(whole), [whole]);
  for (const at of [8, 16, 24, 32, 40, 48, 56, 64]) assert.equal(decoded(whole, (view) => view.setBigUint64(at, 2n ** 52n + 1n, true)), null, `the number at ${String(at)}`);
  assert.equal(decoded({ ...whole, id: 0 }), null);
  assert.equal(decoded({ ...whole, firstSequence: 0, lastSequence: 0 }), null);
  assert.equal(decoded({ ...whole, firstSequence: 7, lastSequence: 5 }), null);
  assert.notEqual(decoded({ ...whole, firstSequence: 7, lastSequence: 6 }), null);
  assert.equal(decoded({ ...whole, name: "" }), null);
  assert.equal(decoded({ ...whole, name: "x".repeat(partitionNameBytesMax + 1) }), null);
  assert.equal(decoded({ ...entry(1, "abc") }, (view) => view.setUint8(24, 0xff)), null, "no UTF-8");
  assert.notEqual(decoded(truncated(places[0], [1, 4104, 6])), null);
  for (const [first, second] of [[places[0], places[0]], [places[0], places[1]], [places[0], places[2]], [places[0], places[3]], [places[3], places[1]], [places[2], places[1]]] as const) {
    assert.equal(decoded(truncated(first, second)), null, `${String(first)} then ${String(second)}`);
  }
  assert.notEqual(decoded(entry(1, "a", 2), (view) => view.setUint16(6, 2 + 8192 * 2, true)), null);
  assert.equal(decoded(entry(1, "a", 2), (view) => view.setUint16(6, 2 + 8192 * 3, true)), null, "more past ones than there are");
  assert.notEqual(decoded(entry(1, "a", storedTruncationsMax)), null);
  assert.equal(decoded(entry(1, "a", storedTruncationsMax + 1)), null);
});

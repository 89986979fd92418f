// The two rings alone, both ends in one thread: what is written comes out, whole and in order, and never before it is whole.

import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerReader, AnswerWriter } from "#src/thread/answer-ring.js";
import { commandKind, CommandReader, CommandWriter, pieceBytesMax } from "#src/thread/command-ring.js";
import { commandBytes, ProducerMemory, word } from "#src/thread/producer-memory.js";
import { seeded } from "../log/log-fixture.js";

function rings(start = 0): { memory: ProducerMemory; writer: CommandWriter; reader: CommandReader } {
  const memory = new ProducerMemory();
  Atomics.store(memory.words, word.commandTail, start);
  Atomics.store(memory.words, word.commandHead, start);
  return { memory, writer: new CommandWriter(memory), reader: new CommandReader(memory) };
}

for (const start of [0, 2 ** 31 - 64 * 1024, -64 * 1024]) {
  test(`frames of random sizes, written and read in random steps over many turns of the ring, from ${start} on`, (t) => {
    const random = seeded(t);
    const { memory, writer, reader } = rings(start);
    const due: { token: number; bytes: number; fill: number }[] = [];
    let written = 0;
    let token = 0;
    while (written < 12 * commandBytes) {
      const bytes = random(10) === 0 ? random(pieceBytesMax + 1) : random(300);
      if (writer.hasRoom(bytes)) {
        const at = writer.begin(commandKind.append, token, 7, bytes);
        memory.commands.fill(token & 0xff, at, at + bytes);
        writer.publish();
        due.push({ token, bytes, fill: token & 0xff });
        token++;
        written += bytes;
      } else assert.ok(due.length > 0, "an empty ring has room for any piece");
      for (let count = random(3); count > 0 && reader.next(); count--) {
        const expected = due.shift();
        assert.deepEqual([reader.kind, reader.token, reader.partition, reader.pieceBytes], [commandKind.append, expected?.token, 7, expected?.bytes]);
        const piece = memory.commands.subarray(reader.pieceAt, reader.pieceAt + reader.pieceBytes);
        assert.ok(piece.every((byte) => byte === expected?.fill));
        reader.release();
      }
    }
  });
}

test("a full ring has no room until the reader releases", () => {
  const { writer, reader } = rings();
  let frames = 0;
  while (writer.hasRoom(1000)) {
    writer.begin(commandKind.append, frames++, 0, 1000);
    writer.publish();
  }
  assert.ok(frames * 1024 <= commandBytes && (frames + 1) * 1024 > commandBytes - 1024);
  assert.ok(reader.next());
  assert.equal(writer.hasRoom(1000), false, "read, not released");
  while (reader.next());
  reader.release();
  assert.equal(writer.hasRoom(1000), true);
});

test("a frame that was begun and not published is not there: a writer that ends in the middle leaves nothing", () => {
  const { memory, writer, reader } = rings();
  writer.begin(commandKind.append, 1, 0, 16);
  writer.publish();
  writer.begin(commandKind.append, 2, 0, 16);
  assert.ok(reader.next());
  assert.equal(reader.token, 1);
  assert.equal(reader.next(), false);
  assert.equal(new CommandReader(memory).next(), true);
});

test("answers come out as runs, in order, none before it is published", () => {
  const memory = new ProducerMemory();
  const writer = new AnswerWriter(memory);
  const reader = new AnswerReader(memory);
  for (const [token, sequence] of [[5, 100], [6, 101], [7, 102], [8, 200], [10, 201], [0xffff_ffff, 2 ** 40], [0, 2 ** 40 + 1]] as const) writer.add(token, sequence);
  assert.equal(reader.next(), false);
  writer.publish();
  const found: number[][] = [];
  while (reader.next()) found.push([reader.token, reader.count, reader.sequence]);
  assert.deepEqual(found, [[5, 3, 100], [8, 1, 200], [10, 1, 201], [0xffff_ffff, 2, 2 ** 40]]);
});

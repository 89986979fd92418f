// The same tests without the addon: the portable checksum and frame kernels must carry the whole library.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Log } from "#src/index.js";
import { contents, freshPath, refused, small, withLog } from "./log-fixture.js";

const run = promisify(execFile);
// A runner inside a runner must not take itself for one of its parent's files.
const { NODE_TEST_CONTEXT: _context, ...inherited } = process.env;
const environment = { ...inherited, RINGWALL_NATIVE: "off" };

for (const file of ["round-trip", "order", "durability", "trim-truncate"]) {
  test(`${file} without the addon`, async (t) => {
    const path = fileURLToPath(new URL(`./${file}.test.js`, import.meta.url));
    const { stdout } = await run(process.execPath, ["--test", "--test-reporter=tap", path], { env: environment, maxBuffer: 1 << 24 }).catch((error: unknown) => error as { stdout: string });
    const count = (name: string): number => Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(stdout)?.[1] ?? Number.NaN);
    t.diagnostic(`passed ${count("pass")}, skipped ${count("skipped")}: uring needs the addon`);
    assert.equal(count("fail") + count("cancelled"), 0, stdout);
    assert.ok(count("pass") > 3, stdout);
  });
}

test("a log written with the addon is read without it, and the other way round", async () => {
  const directory = freshPath();
  const script = (index: string) => `
    import { Log } from ${JSON.stringify(index)};
    const log = await Log.open(process.argv[1], { bufferBytes: 16384, segmentBytes: 1048576 });
    if (log.info.checksumKernel !== "javascript" || log.info.backend !== "fs") throw new Error(JSON.stringify(log.info));
    const found = [];
    for await (const { data } of log.partition("p").read()) found.push(Buffer.from(data).toString());
    for (let index = 0; index < 100; index++) await log.partition("p").append("portable " + index + ".".repeat(index * 200));
    console.log(JSON.stringify({ found, reason: log.info.backendReason }));
    await log.close();`;
  const native = Array.from({ length: 100 }, (_, index) => `native ${index}${".".repeat(index * 200)}`);
  await withLog(directory, small, async (log) => {
    for (const record of native) await log.partition("p").append(record);
  });
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script(import.meta.resolve("#src/index.js")), directory], { env: environment, maxBuffer: 1 << 26 });
  const answer = JSON.parse(stdout) as { found: string[]; reason: string };
  assert.deepEqual(answer.found, native);
  assert.match(answer.reason, /RINGWALL_NATIVE=off/);
  await withLog(directory, small, async (log) => {
    assert.equal(log.info.recovery[0]!.verdict, "clean");
    assert.deepEqual(await contents(log.partition("p")), [...native, ...native.map((record) => record.replace("native", "portable"))]);
  });
});

test("uring without the addon is UNAVAILABLE and says why", async () => {
  const script = `
    import { Log } from ${JSON.stringify(import.meta.resolve("#src/index.js"))};
    await Log.open(process.argv[1], { backend: "uring" }).catch(({ code, message }) => console.log(JSON.stringify({ code, message })));`;
  const directory = freshPath();
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script, directory], { env: environment });
  const { code, message } = JSON.parse(stdout) as { code: string; message: string };
  assert.equal(code, "RINGWALL_UNAVAILABLE");
  assert.match(message, /RINGWALL_NATIVE=off.*backend: "fs"/);
  await refused("RINGWALL_NOT_FOUND", () => Log.open(directory, { create: false }));
});

// The lock against records that a living process would not leave here: other boots, other hosts, half records.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { RingwallError } from "#src/base/errors.js";
import { loadNative } from "#src/native/binding.js";
import { isLocked, lockDirectory } from "#src/storage/lock.js";
import { currentOwner, type LockOwner } from "#src/storage/lock-owner.js";

const native = loadNative();
const binding = native.kind === "loaded" ? native.binding : null;

describe("lock records", () => {
  let root = "";
  before(() => (root = fs.mkdtempSync(path.join(os.tmpdir(), "ringwall-lock-"))));
  after(() => fs.rmSync(root, { recursive: true, force: true }));

  const leave = (change: Partial<LockOwner>, name = "lock", directory = fs.mkdtempSync(path.join(root, "log-"))): string => {
    fs.writeFileSync(path.join(directory, name), JSON.stringify({ ...currentOwner(false), ...change }));
    return directory;
  };
  const taken = async (directory: string): Promise<void> => {
    assert.equal(await isLocked(directory, null), false);
    assert.equal(await isLocked(directory, binding), false);
    const release = await lockDirectory(directory, null);
    assert.deepEqual(fs.readdirSync(directory), ["lock"]);
    await release();
    assert.deepEqual(fs.readdirSync(directory), []);
  };
  const refused = async (directory: string, words: RegExp): Promise<void> => {
    assert.equal(await isLocked(directory, null), true);
    await assert.rejects(lockDirectory(directory, null), (error: RingwallError) => {
      assert.equal(error.code, "RINGWALL_LOCKED");
      assert.match(error.message, words);
      return true;
    });
  };

  test("an owner of an earlier boot of this host is gone", { skip: noProc() }, () => taken(leave({ bootId: "earlier" })));
  test("a pid that was given to another process since is not the owner", { skip: noProc() }, () => taken(leave({ startTime: "1" })));
  test("a pid that nobody has is not the owner", () => taken(leave({ pid: 2 ** 22 + 1 })));
  test("this very process is the owner", () => refused(leave({}), /this process/));
  test("an owner on another host can't be judged", () => refused(leave({ bootId: "other", host: "elsewhere" }), /host elsewhere.*another machine.*remove .*lock/s));
  test("an owner in another pid namespace can't be judged", { skip: noProc() }, () => refused(leave({ pidNamespace: "pid:[1]" }), /another container/));

  test("with the addon, an owner elsewhere whose flock is free is gone", { skip: binding === null ? "no addon" : false }, async () => {
    for (const elsewhere of [{ pidNamespace: "pid:[1]" }, { bootId: "other", host: "elsewhere" }]) {
      const directory = leave({ ...elsewhere, flock: true });
      assert.equal(await isLocked(directory, binding), false);
      await (await lockDirectory(directory, binding))();
      assert.deepEqual(fs.readdirSync(directory), []);
    }
  });

  test("with the addon, an owner elsewhere whose flock is held is alive", { skip: binding === null ? "no addon" : false }, async () => {
    const directory = leave({ pidNamespace: "pid:[1]", flock: true });
    const descriptor = fs.openSync(path.join(directory, "lock"), "r");
    assert.equal(binding?.lock(descriptor, true), 0);
    assert.equal(await isLocked(directory, binding), true);
    await assert.rejects(lockDirectory(directory, binding), { code: "RINGWALL_LOCKED" });
    fs.closeSync(descriptor);
    await (await lockDirectory(directory, binding))();
  });

  test("half a record, from a power failure, is nobody's", async () => {
    for (const text of ["", "{", "{}", "null", '{"pid":1}']) {
      const directory = fs.mkdtempSync(path.join(root, "log-"));
      fs.writeFileSync(path.join(directory, "lock"), text);
      fs.utimesSync(path.join(directory, "lock"), 1, 1);
      await taken(directory);
    }
  });

  test("half a record that is fresh may be one that is just being written: it is looked at again, and half for good it holds nothing", async () => {
    const directory = fs.mkdtempSync(path.join(root, "log-"));
    fs.writeFileSync(path.join(directory, "lock"), "{");
    const looked = performance.now();
    assert.equal(await isLocked(directory, null), false);
    assert.ok(performance.now() - looked > 500, "a fresh one gets time to become whole");
    await (await lockDirectory(directory, null))();
  });

  test("a successor that died before it became first is succeeded in turn", async () => {
    const first = "00000000-0000-4000-8000-000000000001";
    const directory = leave({ nonce: first, pid: 2 ** 22 + 1 });
    leave({ pid: 2 ** 22 + 2 }, `lock.${first}`, directory);
    leave({ pid: 2 ** 22 + 3 }, "lock.new-0011", directory);
    await taken(directory);
  });

  test("a living successor of a dead owner holds the lock", async () => {
    const first = "00000000-0000-4000-8000-000000000002";
    const directory = leave({ nonce: first, pid: 2 ** 22 + 1 });
    leave({}, `lock.${first}`, directory);
    await refused(directory, /this process/);
  });

  test("isLocked works where nothing can be written", async () => {
    const directory = leave({});
    fs.chmodSync(directory, 0o555);
    assert.equal(await isLocked(directory, binding), true);
    fs.chmodSync(directory, 0o755);
  });

  test("asking does not disturb those who take it", async () => {
    const directory = fs.mkdtempSync(path.join(root, "log-"));
    let asking = true;
    const asker = (async () => {
      while (asking) await isLocked(directory, binding);
    })();
    for (let round = 0; round < 50; round++) await (await lockDirectory(directory, binding))();
    asking = false;
    await asker;
  });
});

function noProc(): string | false {
  return fs.existsSync("/proc/self/stat") ? false : "no /proc here";
}

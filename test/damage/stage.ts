// Directories in which a damaged image stands while it is looked at: in memory where the machine has a place for that.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";
import type { Damage, Replacement } from "./damages.js";
import type { Files } from "./image.js";

const root = fs.mkdtempSync(path.join(fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir(), "ringwall-damage-"));
after(() => fs.rmSync(root, { recursive: true, force: true }));
const zeros = Buffer.alloc(4096);
let serial = 0;

/** Zeros at the end of a file are a hole: most of a small log is zeros. */
function put(file: string, content: Replacement): void {
  if (content === "removed") return;
  if (content === "directory") {
    fs.mkdirSync(file);
    return;
  }
  let end = content.length;
  while (end >= zeros.length && content.subarray(end - zeros.length, end).equals(zeros)) end -= zeros.length;
  const descriptor = fs.openSync(file, "w");
  try {
    fs.writeSync(descriptor, content, 0, end, 0);
    fs.ftruncateSync(descriptor, content.length);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** A fresh directory with the image and its damage; `body` may change it. */
export async function staged<T>(files: Files, damage: Damage | null, body: (directory: string) => Promise<T>): Promise<T> {
  const directory = path.join(root, String(serial++));
  fs.mkdirSync(path.join(directory, "lane-00"), { recursive: true });
  try {
    for (const [file, content] of files) if (damage?.changes.has(file) !== true) put(path.join(directory, file), content);
    for (const [file, content] of damage?.changes ?? []) put(path.join(directory, file), content);
    return await body(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

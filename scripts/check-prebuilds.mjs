// Checks every built addon: it needs no library and asks its host for nothing but Node-API and, weakly, libuv.
//
//   node scripts/check-prebuilds.mjs [arch ...]     named architectures must be there; without names, at least one
//
// Reads the ELF files itself, so that it runs wherever Node runs. Exits 1 with one line per fault.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const directory = join(dirname(fileURLToPath(import.meta.url)), "../prebuilds");
const machines = { x64: 62, arm64: 183 };
const weakAllowed = new Set([
  "uv_handle_size", "uv_poll_init", "uv_poll_start", "uv_poll_stop", "uv_close", "uv_ref", "uv_unref", "napi_get_uv_event_loop",
]);
const exported = ["napi_register_module_v1", "node_api_module_get_api_version_v1"];

const faults = [];
const required = process.argv.slice(2);
const present = existsSync(directory) ? readdirSync(directory).filter((name) => name.startsWith("linux-")).map((name) => name.slice(6)) : [];
if (required.length === 0 && present.length === 0) faults.push("prebuilds/ holds no addon: node scripts/build-native.mjs");
for (const arch of new Set([...required, ...present])) {
  const path = join(directory, `linux-${arch}`, "ringwall.node");
  if (!existsSync(path)) faults.push(`linux-${arch}: ringwall.node is missing`);
  else check(arch, readFileSync(path));
}
for (const fault of faults) console.error(`check-prebuilds: ${fault}`);
process.exit(faults.length === 0 ? 0 : 1);

function check(arch, bytes) {
  const before = faults.length;
  const fault = (text) => faults.push(`linux-${arch}: ${text}`);
  if (bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return fault("not a 64-bit little-endian ELF file");
  if (bytes.readUInt16LE(18) !== machines[arch]) return fault(`made for machine ${bytes.readUInt16LE(18)}`);

  const sections = readSections(bytes);
  const dynamic = sections.find((section) => section.type === 6);
  const symbols = sections.find((section) => section.type === 11);
  if (dynamic === undefined || symbols === undefined) return fault("no dynamic section");

  const dynamicStrings = sections[dynamic.link];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.bytes; at += 16) {
    const tag = Number(bytes.readBigInt64LE(at));
    if (tag === 1) fault(`needs the library ${text(bytes, dynamicStrings.offset + Number(bytes.readBigUInt64LE(at + 8)))}`);
    if (tag === 22) fault("has relocations in its code");
  }
  if (sections.some((section) => (section.flags & 0x400) !== 0)) fault("uses thread-local storage");

  const defined = new Set();
  const symbolStrings = sections[symbols.link];
  for (let at = symbols.offset + 24; at < symbols.offset + symbols.bytes; at += 24) {
    const name = text(bytes, symbolStrings.offset + bytes.readUInt32LE(at));
    if ((bytes[at + 4] & 15) === 3) continue; // a section, as aarch64's linker lists them
    const weak = bytes[at + 4] >> 4 === 2;
    if (bytes.readUInt16LE(at + 6) !== 0) defined.add(name);
    else if (weak ? !weakAllowed.has(name) : !/^(napi|node_api)_/.test(name) || weakAllowed.has(name)) {
      fault(`asks for ${weak ? "the weak symbol " : ""}${name}`);
    }
  }
  for (const name of exported) if (!defined.delete(name)) fault(`does not export ${name}`);
  for (const name of defined) fault(`exports ${name}`);
  if (faults.length === before) console.log(`check-prebuilds: linux-${arch} needs no library (${bytes.length} bytes)`);
}

function readSections(bytes) {
  const start = Number(bytes.readBigUInt64LE(40));
  return Array.from({ length: bytes.readUInt16LE(60) }, (_, index) => {
    const at = start + index * bytes.readUInt16LE(58);
    return {
      type: bytes.readUInt32LE(at + 4),
      flags: Number(bytes.readBigUInt64LE(at + 8)),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      bytes: Number(bytes.readBigUInt64LE(at + 32)),
      link: bytes.readUInt32LE(at + 40),
    };
  });
}

function text(bytes, at) {
  return bytes.toString("latin1", at, bytes.indexOf(0, at));
}

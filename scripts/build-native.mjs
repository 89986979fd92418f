// Builds the native addon into prebuilds/linux-<arch>/ringwall.node.
//
//   node scripts/build-native.mjs               for this machine; skipped when nothing changed
//   node scripts/build-native.mjs --all         x64 and arm64; a missing compiler is an error
//   node scripts/build-native.mjs --sanitize    with AddressSanitizer and UndefinedBehaviorSanitizer, into build/sanitize/
//   --plant leak|overflow|undefined             with --sanitize: with that defect in it, into build/sanitize-<defect>/
//   --force                                     even when nothing changed
//
// Without Linux, a compiler or Node-API's headers the ordinary build says so in one line and succeeds: the portable
// node:fs backend serves there. The result links to no library at all, so that one file loads under glibc and musl.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const sourceDirectory = join(root, "native");

const targets = {
  x64: { compiler: "x86_64-linux-gnu-gcc", package: "gcc-x86-64-linux-gnu", variable: "CC_X64", flags: [] },
  // Outlined atomics would call into libgcc. Kernels with pages of 64 KiB need segments aligned to them.
  arm64: { compiler: "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu", variable: "CC_ARM64", flags: ["-mno-outline-atomics", "-Wl,-z,max-page-size=65536"] },
};

const compileFlags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden", "-fno-plt", "-fno-asynchronous-unwind-tables"];
const plainFlags = ["-ffreestanding", "-fno-stack-protector", "-fno-tree-loop-distribute-patterns"];
// Undefined behaviour traps, and AddressSanitizer reports the trap with its line: two runtimes would not write into one file.
const sanitizeFlags = ["-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fsanitize-undefined-trap-on-error", "-DRINGWALL_SANITIZE", "-D_POSIX_C_SOURCE=200809L"];
const linkFlags = ["-shared", "-Wl,-z,now", "-Wl,-z,relro", "-Wl,-z,noexecstack", "-Wl,--build-id=none", "-Wl,--hash-style=both"];
// nodelete: a Worker that was the only user closes the library while the loop may still hold pointers into it.
const plainLinkFlags = ["-nostdlib", "-Wl,-z,nodelete", "-s"];

const plants = { leak: 1, overflow: 2, undefined: 3 };
const options = readOptions();

const headers = findHeaders();
if (options.all) {
  if (process.platform !== "linux") fail("--all builds on Linux only");
  if (headers === undefined) fail("node_api.h is missing: npm install");
  for (const arch of Object.keys(targets)) {
    const compiler = findCompiler(arch);
    if (compiler === undefined) fail(`no compiler for ${arch}: apt-get install ${targets[arch].package}, or set ${targets[arch].variable}`);
    build(arch, compiler);
  }
} else {
  if (process.platform !== "linux") absent(`io_uring is Linux's, this is ${process.platform}`);
  if (!(process.arch in targets)) absent(`no addon for ${process.arch}`);
  if (headers === undefined) absent("node_api.h is missing (npm install brings it)");
  const compiler = findCompiler(process.arch);
  if (compiler === undefined) absent("no C compiler found (CC, cc, gcc, clang)");
  build(process.arch, compiler);
}

function build(arch, compiler) {
  const { sanitize, plant } = options;
  const variant = plant === undefined ? "sanitize" : `sanitize-${plant}`;
  const output = join(root, sanitize ? `build/${variant}` : "prebuilds", `linux-${arch}`, "ringwall.node");
  const stamp = join(root, "build/native", `linux-${arch}${sanitize ? `-${variant}` : ""}.json`);
  const files = readdirSync(sourceDirectory).filter((name) => /\.[ch]$/.test(name)).sort();
  const sources = files.filter((name) => name.endsWith(".c")).map((name) => join("native", name));
  const own = (compiler.arguments ?? []).concat(targets[arch].flags);
  const flags = sanitize
    ? [...compileFlags, ...own, ...sanitizeFlags, ...(plant === undefined ? [] : [`-DRINGWALL_PLANT=${plants[plant]}`]), ...linkFlags]
    : [...compileFlags, ...plainFlags, ...own, ...linkFlags, ...plainLinkFlags];
  // freestanding.c would take memcpy away from the sanitizer.
  const inputs = sanitize ? sources.filter((name) => !name.endsWith("freestanding.c")) : sources;

  const hash = createHash("sha256").update(JSON.stringify([flags, compiler.version]));
  for (const name of files) hash.update(name).update("\0").update(readFileSync(join(sourceDirectory, name)));
  const wanted = hash.digest("hex");
  const label = output.slice(root.length + 1);
  if (!options.force && isUpToDate(stamp, output, wanted)) {
    console.log(`native addon: ${label} is up to date`);
    return;
  }

  mkdirSync(dirname(output), { recursive: true });
  mkdirSync(dirname(stamp), { recursive: true });
  // Renamed into place: a process that has the old file mapped keeps it.
  const temporary = `${output}.${process.pid}.tmp`;
  const result = spawnSync(compiler.command, [...flags, `-I${headers}`, "-o", temporary, ...inputs], { cwd: root, encoding: "utf8" });
  if (result.status !== 0) {
    rmSync(temporary, { force: true });
    fail(`${compiler.command} failed for ${arch}:\n${result.stdout ?? ""}${result.stderr ?? ""}`);
  }
  renameSync(temporary, output);
  writeFileSync(stamp, JSON.stringify({ inputs: wanted, output: digest(output) }) + "\n");
  console.log(`native addon: built ${label} with ${compiler.command}`);
}

function readOptions() {
  try {
    const { values } = parseArgs({ options: { all: { type: "boolean" }, sanitize: { type: "boolean" }, force: { type: "boolean" }, plant: { type: "string" } } });
    if (values.plant === undefined) return values;
    if (!values.sanitize || !(values.plant in plants)) fail(`--plant goes with --sanitize and takes ${Object.keys(plants).join(", ")}`);
    return values;
  } catch (error) {
    return fail(error.message);
  }
}

function isUpToDate(stamp, output, wanted) {
  if (!existsSync(stamp) || !existsSync(output)) return false;
  try {
    const last = JSON.parse(readFileSync(stamp, "utf8"));
    return last.inputs === wanted && last.output === digest(output);
  } catch {
    return false;
  }
}

function digest(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function findHeaders() {
  const candidates = [join(root, "node_modules/node-api-headers/include"), join(dirname(process.execPath), "../include/node")];
  return candidates.find((directory) => existsSync(join(directory, "node_api.h")));
}

/** The first compiler that answers and makes code for `arch`: host compilers only for the host's architecture. */
function findCompiler(arch) {
  const commands = [process.env[targets[arch].variable]];
  if (arch === process.arch) commands.push(process.env["CC"], "cc", "gcc", "clang");
  commands.push(targets[arch].compiler);
  for (const words of commands) {
    if (!words) continue;
    const [command, ...rest] = words.trim().split(/\s+/);
    const answer = spawnSync(command, [...rest, "--version"], { encoding: "utf8" });
    if (answer.status === 0) return { command, arguments: rest, version: `${words} ${answer.stdout.split("\n", 1)[0]}` };
  }
  return undefined;
}

function absent(reason) {
  console.log(`native addon: not built, ${reason}; the portable node:fs backend will serve`);
  process.exit(0);
}

function fail(message) {
  console.error(`native addon: ${message}`);
  process.exit(1);
}

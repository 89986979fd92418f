// Ringwall and its peers in one run: for each workload every contender has a round, then every one the next, in this process.
//
//   node main.mjs --dir D [--workloads 1x1024,256x1024] [--peers lmdb,…] [--seconds 1] [--repeat 5] [--no-trim] [--json]
//
// Ringwall is trimmed and recycles its segments, after a warm-up; with --no-trim it grows. Prints a table per workload, or with --json one line per workload and contender. Only those whose acknowledgement is
// durable are ranked; what could not run is named with its reason.

import fs from "node:fs";
import { parseArgs } from "node:util";
import { benchMachine } from "../../dist/cli/bench/bench-machine.js";
import { BenchPlace } from "../../dist/cli/bench/bench-place.js";
import { rangedText } from "../../dist/cli/bench/bench-text.js";
import { interleave } from "../../dist/cli/bench/contender.js";
import { LogContender } from "../../dist/cli/bench/log-contender.js";
import { ratioOf, spreadOf } from "../../dist/cli/bench/spread.js";
import { countText, tableText } from "../../dist/cli/quantities.js";
import { adapters } from "./adapters/adapters.mjs";
import { PeerContender } from "./peer-contender.mjs";
import { workloads } from "./workloads.mjs";

const ours = [
  { name: "ringwall", options: {} },
  { name: "ringwall, spinning", options: { completion: "spin" } },
  { name: "ringwall on node:fs", options: { backend: "fs" } },
];
const manyCallers = 16;

function flags() {
  const { values } = parseArgs({
    options: {
      dir: { type: "string" }, workloads: { type: "string" }, peers: { type: "string" },
      seconds: { type: "string", default: "1" }, repeat: { type: "string", default: "5" }, json: { type: "boolean", default: false },
      "no-trim": { type: "boolean", default: false },
    },
  });
  const pick = (text, known, what) => {
    if (text === undefined) return known;
    const names = text.split(",");
    const unknown = names.find((name) => !known.some((item) => item.name === name));
    if (unknown !== undefined) throw new TypeError(`there is no ${what} "${unknown}"; there are ${known.map(({ name }) => name).join(", ")}`);
    return known.filter(({ name }) => names.includes(name));
  };
  const seconds = Number(values.seconds);
  const repeat = Number(values.repeat);
  if (!(seconds > 0) || !Number.isInteger(repeat) || repeat < 1) throw new TypeError("--seconds is above 0, --repeat an integer from 1 on");
  if (values.dir === undefined) throw new TypeError("--dir names a directory on the disk to be measured");
  return { dir: values.dir, trims: !values["no-trim"], seconds, repeat, json: values.json, workloads: pick(values.workloads, workloads, "workload"), adapters: pick(values.peers, adapters, "peer") };
}

async function openAll(place, load, { adapters: chosen, trims }, say) {
  const contenders = [];
  const absent = [];
  for (const { name, options } of ours) {
    say(`${name}: warming up`);
    const log = await LogContender.open(place.fresh("log"), options, { ...load, partitions: 1, trims });
    await log.warmUp(0.5, () => false);
    contenders.push({ name, isDurable: true, how: `append; backend ${log.facts.backend}`, round: (seconds, isStopped) => log.round(seconds, isStopped), close: () => log.close() });
  }
  for (const adapter of chosen) {
    try {
      say(`${adapter.name}: warming up`);
      const directory = place.fresh("peer");
      fs.mkdirSync(directory);
      const peer = new PeerContender(adapter, await adapter.open(directory), load);
      await peer.round(0.3, () => false);
      contenders.push({ name: adapter.name, isDurable: adapter.isDurable, how: adapter.how, round: (seconds, isStopped) => peer.round(seconds, isStopped), close: () => peer.close() });
    } catch (error) {
      absent.push({ name: adapter.name, reason: error.message.split("\n")[0] });
    }
  }
  return { contenders, absent };
}

async function measure(workload, chosen, say) {
  const { dir, seconds, repeat } = chosen;
  const place = new BenchPlace(dir, false);
  const load = { ...workload, everyCall: workload.callers < manyCallers ? 1 : manyCallers };
  const open = [];
  try {
    const { contenders, absent } = await openAll(place, load, chosen, say);
    open.push(...contenders);
    const results = await interleave(contenders, { rounds: repeat, seconds, isStopped: () => false, onRound: say });
    const first = results.get(ours[0].name);
    const rows = contenders.map(({ name, isDurable, how }) => {
      const rounds = results.get(name);
      return {
        workload: workload.name, contender: name, isDurable, how, ...spreadOf(rounds),
        oursToThis: {
          recordsPerSecond: ratioOf(first.map((round) => round.recordsPerSecond), rounds.map((round) => round.recordsPerSecond)),
          ackP50: ratioOf(first.map((round) => round.ackMicros.p50), rounds.map((round) => round.ackMicros.p50)),
        },
      };
    });
    return { rows, absent };
  } finally {
    for (const contender of open) await contender.close();
    place[Symbol.dispose]();
  }
}

function table({ rows, absent }) {
  const ranked = [...rows].sort((a, b) => Number(b.isDurable) - Number(a.isDurable) || b.median.recordsPerSecond - a.median.recordsPerSecond);
  const lines = ranked.map((row) => [
    row.contender + (row.isDurable ? "" : " (not durable)"),
    rangedText({ median: row.median.recordsPerSecond, min: row.min.recordsPerSecond, max: row.max.recordsPerSecond }, 0),
    countText(row.median.ackMicros.p50), countText(row.median.ackMicros.p99), row.median.cpuMicrosPerRecord.toFixed(2), rangedText(row.oursToThis.recordsPerSecond, 2),
  ]);
  lines.unshift(["", "records/s", "p50 µs", "p99 µs", "CPU µs/record", "ringwall to this"]);
  return [`${rows[0].workload}:`, tableText(lines), ...absent.map(({ name, reason }) => `not run: ${name}: ${reason}`), ""].join("\n");
}

async function main() {
  const chosen = flags();
  const say = (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`);
  const machine = benchMachine(fs.existsSync(chosen.dir) ? chosen.dir : ".");
  console.log(chosen.json ? JSON.stringify({ machine }) : `${machine.cpuModel}, ${machine.cpus ?? "?"} cores, ${machine.fileSystem}, load before ${machine.loadBefore.toFixed(1)}; ${chosen.repeat} rounds of ${chosen.seconds} s\n`);
  for (const workload of chosen.workloads) {
    const result = await measure(workload, chosen, say);
    say("");
    if (!chosen.json) console.log(table(result));
    else for (const row of [...result.rows, ...result.absent.map((absent) => ({ workload: workload.name, ...absent }))]) console.log(JSON.stringify(row));
  }
}

try {
  await main();
} catch (error) {
  console.error(`peers: ${error instanceof TypeError ? error.message : error.stack}`);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}

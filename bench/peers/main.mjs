// Ringwall and its peers in one run: for each workload every contender has a round, then every one the next, in this process.
//
// `--help` lists the flags. Ringwall is trimmed and recycles its segments, after a warm-up; with --no-trim it grows. Prints a table per workload, or with --json one line per workload and contender. Only those whose acknowledgement is
// durable are ranked; what could not run is named with its reason.

import fs from "node:fs";
import { parseArgs } from "node:util";
import { benchMachine } from "../../dist/cli/bench/bench-machine.js";
import { BusyProcesses } from "../../dist/cli/bench/busy-processes.js";
import { BenchPlace } from "../../dist/cli/bench/bench-place.js";
import { rangedText } from "../../dist/cli/bench/bench-text.js";
import { interleave } from "../../dist/cli/bench/contender.js";
import { Log } from "../../dist/index.js";
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

function usage() {
  const names = (items) => items.map(({ name }) => name).join(", ");
  return [
    "npm run peers -- --dir DIR [flags]: Ringwall beside what people use today, in one run",
    "",
    "  --dir DIR           where everything is written: on the disk that is to be measured",
    `  --workloads LIST    callers x bytes, or callers x records of a batch x bytes; all by default: ${names(workloads)}`,
    `  --peers LIST        beside Ringwall; all by default: ${names(adapters)}`,
    "  --seconds 1         length of a round",
    "  --repeat 5          rounds; those of all contenders alternate",
    "  --busy 0            processes beside it that keep a core busy each",
    "  --no-trim           Ringwall grows too, instead of recycling its segments",
    "  --json              one line per workload and contender",
  ].join("\n");
}

function flags() {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", short: "h", default: false },
      dir: { type: "string" }, workloads: { type: "string" }, peers: { type: "string" },
      seconds: { type: "string", default: "1" }, repeat: { type: "string", default: "5" }, json: { type: "boolean", default: false },
      busy: { type: "string", default: "0" }, "no-trim": { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
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
  const busy = Number(values.busy);
  if (!Number.isInteger(busy) || busy < 0 || busy > 64) throw new TypeError("--busy is an integer from 0 to 64");
  if (values.dir === undefined) throw new TypeError("--dir names a directory on the disk to be measured");
  return { dir: values.dir, busy, trims: !values["no-trim"], seconds, repeat, json: values.json, workloads: pick(values.workloads, workloads, "workload"), adapters: pick(values.peers, adapters, "peer") };
}

/** Logs for all workloads: filling one until its segments are recycled takes longer than the rounds. */
async function openOurs(place, { trims }, say) {
  const opened = [];
  for (const { name, options } of ours) {
    say(`${name}: warming up`);
    const directory = place.fresh("log");
    const log = await Log.open(directory, options);
    await LogContender.over(log, directory, { callers: 1, bytes: 1024, batch: 1, everyCall: 1, partitions: 1, trims }).warmUp(0.3, () => false);
    opened.push({ name, log, directory });
  }
  return opened;
}

async function openAll(place, load, { adapters: chosen, trims, opened }, say) {
  const contenders = [];
  const absent = [];
  for (const { name, log, directory } of opened) {
    say(`${name}: warming up`);
    const contender = LogContender.over(log, directory, { ...load, partitions: 1, trims });
    await contender.round(0.3, () => false);
    contenders.push({ name, isDurable: true, how: `append; backend ${contender.facts.backend}`, round: (seconds, isStopped) => contender.round(seconds, isStopped), close: async () => undefined });
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
        bench: "peers", group: workload.name, contender: name, isDurable, how, ...spreadOf(rounds),
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
  return [`${rows[0].group}:`, tableText(lines), ...absent.map(({ name, reason }) => `not run: ${name}: ${reason}`), ""].join("\n");
}

async function main() {
  const chosen = flags();
  if (chosen === null) {
    console.log(usage());
    return;
  }
  const say = (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`);
  const machine = benchMachine(fs.existsSync(chosen.dir) ? chosen.dir : ".");
  console.log(chosen.json ? JSON.stringify({ bench: "peers", machine, options: { seconds: chosen.seconds, repeat: chosen.repeat, busy: chosen.busy, trims: chosen.trims } }) : `${machine.cpuModel}, ${machine.cpus ?? "?"} cores, ${machine.fileSystem}, load before ${machine.loadBefore.toFixed(1)}; ${chosen.repeat} rounds of ${chosen.seconds} s${chosen.busy === 0 ? "" : `, beside ${chosen.busy} busy`}\n`);
  const place = new BenchPlace(chosen.dir, false);
  const opened = [];
  const busy = new BusyProcesses(chosen.busy);
  try {
    opened.push(...(await openOurs(place, chosen, say)));
    for (const workload of chosen.workloads) await print(workload, { ...chosen, opened }, say);
  } finally {
    busy.end();
    for (const { log } of opened) await log.close();
    place[Symbol.dispose]();
  }
}

async function print(workload, chosen, say) {
  const result = await measure(workload, chosen, say);
  say("");
  if (!chosen.json) console.log(table(result));
  else for (const row of [...result.rows, ...result.absent.map(({ name, reason }) => ({ bench: "peers", group: workload.name, contender: name, reason }))]) console.log(JSON.stringify(row));
}

// Ending by itself, the process removes what it wrote.
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]]) process.once(signal, () => process.exit(code));
try {
  await main();
} catch (error) {
  console.error(`peers: ${error instanceof TypeError ? error.message : error.stack}`);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}

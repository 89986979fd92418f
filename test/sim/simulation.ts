// One run: a machine, a log, lives that end by crash or close, and after each the question whether the log is what it must be.
//
// Everything follows from the seed. A run ends with its numbers, or with the first thing that is wrong.

import { RingwallError } from "#src/base/errors.js";
import { LaneLog as Log } from "#src/log/lane-log.js";
import type { ResolvedOptions } from "#src/log/options.js";
import type { RecoveryReport } from "#src/recovery/recovered-lane.js";
import type { Partition } from "#src/log/partition.js";
import { SimMachine } from "#src/storage/sim/machine.js";
import { Random } from "#src/storage/sim/random.js";
import { SimStorage } from "#src/storage/sim/sim-storage.js";
import { Claims } from "./claims.js";
import { Client } from "./client.js";
import { foreignSuperblock, putSuperblock } from "./foreign-superblock.js";
import { findLanes, match, type FoundLane } from "./found-lane.js";
import { LaneModel } from "./lane-model.js";
import { Witness } from "./live-reader.js";
import { describe } from "./payload.js";
import { planOptions, planRun, type RunPlan } from "./plan.js";
import { RunNumbers } from "./run-numbers.js";

export interface RunOutcome {
  readonly seed: number;
  readonly digest: number;
  readonly numbers: RunNumbers;
  /** Null: all was as it must be. */
  readonly failure: string | null;
}

/** How a life ended. */
type End = "closed" | "power" | "kill" | /** The log could not be opened, as this run allows. */ "refused" | "over";

const directory = "/log";
const emptyLane: FoundLane = new Map();
const eventsPerLifeMax = 300_000;

class Failure extends Error {
  override readonly name = "Failure";
}

export async function simulate(seed: number, trace?: (line: string) => void): Promise<RunOutcome> {
  const run = new Run(seed, trace);
  const failure = await run.go();
  return { seed, digest: run.machine.digest, numbers: run.numbers, failure };
}

class Run {
  readonly machine: SimMachine;
  readonly numbers = new RunNumbers();
  readonly #random: Random;
  readonly #plan: RunPlan;
  readonly #lanes: readonly LaneModel[];
  readonly #claims: Claims;
  readonly #trace: ((line: string) => void) | undefined;
  #failure: Failure | null = null;
  #payloads = 0;
  #isLiving = false;
  /** Other processes of this life: they end with it, or their readers would go on in the next. */
  #beside: SimStorage[] = [];
  /** Null: the log of this life is not open yet. */
  #client: Client | null = null;
  /** Ends the life under way. */
  #endLife: (end: End) => void = () => undefined;

  constructor(seed: number, trace?: (line: string) => void) {
    this.#random = new Random(seed, 2);
    this.#trace = trace;
    this.#plan = planRun(this.#random);
    this.#lanes = Array.from({ length: this.#plan.lanes }, () => new LaneModel());
    this.#claims = new Claims(this.#lanes);
    const { faults, faultsMax, diskBytes } = this.#plan;
    this.machine = new SimMachine({ seed, faults, faultsMax, diskBytes, trace, onError: (error) => { this.#fail("an action of the event loop threw", error); } });
    this.machine.loop.onIdle = () => { this.#handleIdle(); };
  }

  async go(): Promise<string | null> {
    this.#say(`plan ${JSON.stringify(this.#plan)}`);
    try {
      for (let life = 0; life < this.#plan.lives; life++) {
        if ((await this.#live(life)) === "over") break;
        if (this.#failure !== null) break;
      }
    } catch (error) {
      this.#fail("the run ended", error);
    }
    this.numbers.end(this.machine);
    const failure = this.#failure as Failure | null;
    if (failure === null) return null;
    return `${failure.message}${failure.cause instanceof Error ? `\n${failure.cause.stack ?? failure.cause.message}` : ""}`;
  }

  /** From boot to crash or close. */
  async #live(life: number): Promise<End> {
    const { machine } = this;
    const storage = new SimStorage(machine, { flushMethod: this.#plan.flushMethod, observer: this.#claims });
    const options = planOptions(this.#random, this.#plan);
    const foreign = await this.#foreignFor(life, options);
    this.#say(`life ${String(life)}: ${JSON.stringify(options.durability)} buffers ${String(options.bufferCount)} × ${String(options.bufferBytes)} segments ${String(options.segmentBytes)} in flight ${String(options.blocksInFlight)}`);
    const ended = new Promise<End>((resolve) => { this.#endLife = resolve; });
    this.#armCrash(foreign !== null && this.#plan.foreign === "of a killed copy");
    const living = this.#use(storage, options).catch((error: unknown): End => {
      this.#fail("a life failed", error);
      return "over";
    });
    this.#isLiving = true;
    this.#client = null;
    const end = await Promise.race([ended, living]);
    this.#isLiving = false;
    machine.loop.interruptAt = Number.POSITIVE_INFINITY;
    this.#say(`end of life ${String(life)}: ${end}`);
    this.#dieOf(end, storage, options);
    if (this.#plan.rot === "between lives" && this.#random.chance(0.6)) this.#damage();
    if (foreign !== null && this.#client !== null) putSuperblock(machine, directory, foreign);
    return end;
  }

  /** What will stand in the superblock's place after this life; at most once in a run. */
  async #foreignFor(life: number, options: ResolvedOptions): Promise<Uint8Array | null> {
    const { foreign: kind, lives } = this.#plan;
    if (kind === "never" || life + 1 >= lives || this.machine.counts.of("replaced") > 0 || !this.#random.chance(0.7)) return null;
    return foreignSuperblock({ kind, machine: this.machine, directory, options, random: this.#random });
  }

  #armCrash(demandsPower: boolean): void {
    const { loop } = this.machine;
    const random = this.#random;
    const mayWait = this.#plan.diskBytes !== Number.POSITIVE_INFINITY || (this.#plan.faults.stuck ?? 0) > 0;
    // On a full disk what was accepted may wait for ever, and so may what is behind a stuck write.
    const long = mayWait ? 2000 : eventsPerLifeMax;
    const shots = [random.between(1, 60), random.between(1, 60), random.between(1, 300), random.between(1, 300), random.between(1, 1000), long];
    const events = demandsPower ? random.between(100, 600) : random.pick(shots);
    const kind = demandsPower ? "power" : random.pick<End>(["power", "power", "kill"]);
    loop.interruptAt = loop.count + events;
    loop.onInterrupt = () => {
      if (events === eventsPerLifeMax) this.#fail("a life does not end: its events go on for ever");
      this.#endLife(kind);
    };
  }

  #dieOf(end: End, storage: SimStorage, options: ResolvedOptions): void {
    if (this.#client === null && (end === "power" || end === "kill")) this.numbers.met("crash while opening");
    for (const other of this.#beside.splice(0)) if (other.owner.alive) this.machine.kill(other.owner);
    if (end === "power") {
      this.numbers.crashes.power++;
      this.#losePower();
    } else if (end === "kill") {
      this.numbers.crashes.kill++;
      // What was written survives the process.
      if (options.durability.mode === "none" && this.#client !== null) for (const lane of this.#lanes) lane.written = lane.folded + lane.steps.findLastIndex((step) => step.accepted) + 1;
      this.machine.kill(storage.owner);
    } else {
      this.machine.kill(storage.owner);
      if (this.#random.chance(0.3)) this.#losePower();
    }
  }

  #losePower(): void {
    for (const lane of this.#lanes) lane.written = 0;
    this.machine.losePower();
  }

  async #use(storage: SimStorage, options: ResolvedOptions): Promise<End> {
    this.#claims.areDoubtful = true;
    const log = await this.#open(storage, options);
    if (log === null) return this.#plan.flavour === "damage" ? "over" : "refused";
    if (!(await this.#verify(log))) return "over";
    const { machine } = this;
    const client = (this.#client = new Client({
      log, options, lanes: this.#lanes, plan: this.#plan, random: this.#random,
      sleep: (micros) => machine.loop.sleep(storage.owner, micros),
      readBeside: () => this.#readBeside(options),
      nextPayloadId: () => this.#payloads++,
      fail: (reason, cause) => { this.#fail(reason, cause); },
      say: (line) => { this.#say(line); },
      met: (what) => { this.numbers.met(what); },
    }));
    for (let rounds = this.#random.between(1, 4); rounds > 0; rounds--) {
      await client.work(this.#random.pick([3, 20, 60, 120]));
      if (this.#plan.flavour !== "damage") this.#foldAcknowledged();
      if (this.#plan.rot === "while open" && this.#random.chance(0.3)) this.#damage();
    }
    if (log.stats().some(({ segmentsReclaimed }) => segmentsReclaimed > 0)) this.numbers.met("segments reclaimed");
    if (this.#random.chance(0.1)) return "kill";
    await client.close();
    this.numbers.calls += client.calls;
    return "closed";
  }

  /** Another process looks at the log while it is written: it may see less, and nothing else. */
  async #readBeside(options: ResolvedOptions): Promise<void> {
    const storage = new SimStorage(this.machine);
    this.#beside.push(storage);
    this.#say("another process reads");
    // What it sees may be as old as this moment.
    const witnesses = this.#lanes.map((lane) => new Map([...lane.view.keys()].map((name) => [name, new Witness(lane, name)])));
    let log: Log;
    try {
      log = await Log.openOn({ storage, reason: "simulation" }, directory, { ...options, readOnly: true });
    } catch (error) {
      if (this.#plan.flavour !== "damage") this.#fail("a read-only opening beside the writer was refused", error);
      return;
    }
    for (const partition of log.partitions()) {
      const witness = witnesses[partition.lane]?.get(partition.name);
      if (witness !== undefined) await this.#readOne(partition, witness);
    }
    await log.close();
    this.machine.kill(storage.owner);
  }

  async #readOne(partition: Partition, witness: Witness): Promise<void> {
    const { name } = partition;
    let due = partition.firstSeq;
    try {
      for await (const { seq, data } of partition.read()) {
        if (seq !== due) this.#fail(`a reader in another process got ${name} ${String(seq)} where ${String(due)} was due`);
        if (!witness.everAllowed(seq, data)) this.#fail(`a reader in another process got ${name} ${String(seq)} as ${describe(data)}, which nobody wrote there`);
        due++;
      }
    } catch (error) {
      const { flavour } = this.#plan;
      const code = error instanceof RingwallError ? error.code : "";
      if (code === "RINGWALL_TRIMMED" || code === "RINGWALL_DROPPED" || code === "RINGWALL_NOT_FOUND" || (flavour === "damage" && code === "RINGWALL_DAMAGED")) return;
      // Trimmed or truncated since: its segments may be gone, and this reader does not look again.
      const isTrimmed = (this.#lanes[partition.lane]?.view.get(name)?.first ?? 1) > due;
      if (code === "RINGWALL_DAMAGED" && (isTrimmed || witness.isLaneDisturbed())) return;
      this.#fail(`a reader in another process failed at ${name} ${String(due)}`, error);
    }
  }

  /** Null: refused, as this run allows. */
  async #open(storage: SimStorage, options: ResolvedOptions): Promise<Log | null> {
    try {
      const log = await Log.openOn({ storage, reason: "simulation" }, directory, options);
      this.numbers.opens++;
      for (const report of log.info.recovery) this.numbers.noteVerdict(report);
      return log;
    } catch (error) {
      if (!(error instanceof RingwallError)) throw error;
      this.#say(`open refused: ${error.message}`);
      this.numbers.met(`opening ${error.code}`);
      await this.#judgeRefusal(storage, options, error);
      return null;
    }
  }

  async #judgeRefusal(storage: SimStorage, options: ResolvedOptions, error: RingwallError): Promise<void> {
    const { flavour } = this.#plan;
    if (flavour === "errors" && ["RINGWALL_IO", "RINGWALL_DISK_FULL", "RINGWALL_POISONED"].includes(error.code)) return;
    if (flavour !== "damage" || this.#damageDone === 0) return this.#fail("opening was refused", error);
    if (error.code === "RINGWALL_IO" && this.machine.counts.of("unreadable") > 0) return;
    // Nothing of the log is left: lost to a lying flush of its creation.
    if (error.code === "RINGWALL_NOT_A_LOG" && this.machine.counts.of("syncLie") > 0) return;
    if (error.code !== "RINGWALL_DAMAGED") return this.#fail("opening a damaged log was refused with the wrong error", error);
    this.numbers.damageReported++;
    const report = error.details as RecoveryReport | undefined;
    if (report?.notes === undefined) return;
    this.numbers.noteVerdict(report);
    await this.#verifyDamaged(storage, options, report);
  }

  /** A damaged log is open for reading; what it does not name as lost must be there. */
  async #verifyDamaged(storage: SimStorage, options: ResolvedOptions, report: RecoveryReport): Promise<void> {
    const log = await Log.openOn({ storage, reason: "simulation" }, directory, { ...options, readOnly: true });
    const found = await findLanes(log);
    for (const [lane, model] of this.#lanes.entries()) {
      const here = found[lane] ?? emptyLane;
      const lost = log.info.recovery[lane]?.lost ?? [];
      const exact = log.info.recovery[lane]?.lostExact !== false;
      const floor = this.#floorOf(lane, model);
      const result = match(model, here, floor - model.folded, { lost, exact });
      if (result.kind === "mismatch") this.#fail(`damaged lane ${String(lane)} (${report.notes.join("; ")}) hides losses:\n  ${result.reasons.join("\n  ")}`);
    }
    await log.close();
  }

  /** The log must hold exactly what a prefix of the steps leads to, with everything acknowledged. False: the run ends. */
  async #verify(log: Log): Promise<boolean> {
    const found = await findLanes(log);
    for (const [lane, model] of this.#lanes.entries()) {
      const here = found[lane] ?? emptyLane;
      const floor = this.#floorOf(lane, model);
      const result = match(model, here, floor - model.folded);
      if (result.kind === "mismatch") {
        this.#fail(`lane ${String(lane)} holds what no prefix of its ${String(model.end)} steps, of which ${String(floor)} are certain, leads to:\n  ${result.reasons.join("\n  ")}`);
        return false;
      }
      this.numbers.recordsCompared += [...here.values()].reduce((sum, { records }) => sum + records.size, 0);
      this.#say(`lane ${String(lane)} verified: ${String(model.folded + result.steps)} of ${String(model.end)} steps, ${String(floor)} certain`);
      const hasLoss = [...here.values()].some(({ lost }) => lost.length > 0);
      if (hasLoss) {
        if (this.#damageDone === 0) this.#fail("reading reports damage where there is none");
        this.numbers.damageReported++;
        return false;
      }
      if (this.#plan.flavour === "damage" && model.folded + result.steps < model.acknowledged) this.numbers.undetectable++;
      // Where flushes lie, nothing is ever certain: every step may still turn out to be lost.
      if (this.#hasLies) model.cut(result.steps);
      else model.settle(result.image);
    }
    if (!this.#hasLies) this.#claims.clear();
    this.#claims.areDoubtful = false;
    return true;
  }

  #floorOf(lane: number, model: LaneModel): number {
    if (this.#plan.flavour !== "damage" || this.#damageDone === 0) return Math.max(model.acknowledged, model.written);
    return this.#hasLies ? 0 : Math.max(model.folded, Math.min(model.acknowledged, this.#claims.coveredOf(lane)));
  }

  #foldAcknowledged(): void {
    for (const lane of this.#lanes) {
      const problem = lane.fold(lane.acknowledged);
      if (problem !== null) this.#fail(problem);
    }
  }

  get #hasLies(): boolean {
    return (this.#plan.faults.syncLie ?? 0) > 0;
  }

  get #damageDone(): number {
    const { counts } = this.machine;
    return counts.of("rot") + counts.of("unreadable") + counts.of("replaced") + counts.of("misdirected") + counts.of("syncLie");
  }

  /** One bit, or some sectors in a row, of one file. Once per run: what two hide from each other is nobody's promise. */
  #damage(): void {
    if (this.#damageDone > 0) return;
    const random = this.#random;
    const files = this.machine.disk.files();
    const segments = files.filter(({ path }) => path.endsWith(".segment"));
    const chosen = random.chance(0.8) && segments.length > 0 ? segments : files;
    if (chosen.length === 0) return;
    const { inode, path } = random.pick(chosen);
    if (random.chance(0.6)) {
      const position = this.machine.rot(inode, path);
      if (position !== null) this.#claims.overwritten(path, position, 1);
    } else {
      const spoiled = this.machine.spoil(inode, path, random.pick([1, 1, 8, 64]));
      if (spoiled !== null) this.#claims.overwritten(path, spoiled.position, spoiled.bytes);
    }
  }

  /** Nothing will ever happen again: fine between lives, and where an operation is stuck. */
  #handleIdle(): void {
    if (!this.#isLiving) return;
    if (this.machine.counts.of("stuck") > 0) this.#endLife("power");
    else this.#fail(`the log hangs: nothing is under way, and these wait: ${this.#client?.waiting.join(", ") ?? "open"}`);
  }

  #fail(reason: string, cause?: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = new Failure(reason, { cause });
    this.#say(`FAILED: ${reason}`);
    this.#endLife("over");
  }

  #say(line: string): void {
    if (this.#trace !== undefined) this.machine.note(`    ${line}`, 0, 0);
  }
}

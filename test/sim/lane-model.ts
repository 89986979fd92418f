// What one lane must hold: a state that is certain, and the steps since, of which any prefix may be in force after a crash.
//
// Independent of the library: it knows only what the public interface promises. A step is what one call asked for; steps
// are in the order of the calls. Batches are one step, so "whole or absent" and "in order" are the same rule.

import type { Payload } from "./payload.js";

export interface ModelItem {
  readonly partition: string;
  readonly sequence: number;
  readonly payload: Payload;
}

export interface ModelCut {
  readonly partition: string;
  readonly after: number;
}

export type Step =
  /** What the cuts take away goes when the items come, or neither. */
  | { readonly kind: "records"; readonly cuts: readonly ModelCut[]; readonly items: readonly ModelItem[]; accepted: boolean }
  | { readonly kind: "trim"; readonly partition: string; readonly before: number; accepted: boolean }
  | { readonly kind: "truncate"; readonly partition: string; readonly after: number; accepted: boolean }
  | { readonly kind: "drop"; readonly partition: string; accepted: boolean };

export interface PartitionImage {
  first: number;
  last: number;
  readonly records: Map<number, Payload>;
}

export type LaneImage = Map<string, PartitionImage>;

export class LaneModel {
  /** Certain to survive. */
  base: LaneImage = new Map();
  /** May or may not survive, in this order. */
  steps: Step[] = [];
  /** With every step in force. */
  view: LaneImage = new Map();
  /** Steps that ever went into `base`: `folded` + an index in `steps` is a step's number. */
  folded = 0;
  /** Number behind the last step that was acknowledged to be durable. */
  acknowledged = 0;
  /** Number behind the last step that the operating system had when the process was killed: certain until the power fails. */
  written = 0;
  /** Trims and truncations so far. */
  controls = 0;
  readonly #given = new Map<string, Payload[]>();

  add(step: Step): Step {
    this.steps.push(step);
    if (step.kind === "records") for (const item of step.items) this.#remember(item);
    if (isControl(step)) this.controls++;
    apply(this.view, step);
    return step;
  }

  /** Contents that the sequence ever had. */
  everGiven(partition: string, sequence: number): readonly Payload[] {
    return this.#given.get(`${partition} ${String(sequence)}`) ?? [];
  }

  #remember({ partition, sequence, payload }: ModelItem): void {
    const key = `${partition} ${String(sequence)}`;
    const known = this.#given.get(key);
    if (known === undefined) this.#given.set(key, [payload]);
    else known.push(payload);
  }

  /** The step was refused: it never happened. */
  drop(step: Step): void {
    const index = this.steps.indexOf(step);
    if (index < 0) return;
    this.steps.splice(index, 1);
    if (this.acknowledged > this.folded + index) this.acknowledged--;
    this.view = copied(this.base);
    for (const other of this.steps) apply(this.view, other);
  }

  /** Everything up to the step is durable. */
  acknowledge(step: Step): void {
    const index = this.steps.indexOf(step);
    if (index >= 0) this.acknowledgeUpTo(this.folded + index + 1);
  }

  get end(): number {
    return this.folded + this.steps.length;
  }

  acknowledgeUpTo(number: number): void {
    this.acknowledged = Math.max(this.acknowledged, Math.min(number, this.end));
  }

  /** The step that gave the partition this record, or -1. */
  numberOf(partition: string, sequence: number): number {
    const index = this.steps.findLastIndex((step) => step.kind === "records" && step.items.some((item) => item.partition === partition && item.sequence === sequence));
    return index < 0 ? -1 : this.folded + index;
  }

  /** Whether a truncation of the partition is under way, or its drop. */
  isTruncating(partition: string): boolean {
    return this.steps.some((step) => step.kind !== "trim" && isControl(step, partition));
  }

  /** Steps below `number` are certain. Returns what contradicts, or null. */
  fold(number: number): string | null {
    const count = Math.min(this.steps.length, number - this.folded);
    for (const step of this.steps.splice(0, Math.max(0, count))) {
      const problem = apply(this.base, step);
      this.folded++;
      if (problem !== null) return problem;
    }
    return null;
  }

  /** Only the first `count` steps survived; they may still be lost. */
  cut(count: number): void {
    this.steps.length = count;
    this.acknowledged = this.end;
    this.written = 0;
    this.view = copied(this.base);
    for (const step of this.steps) apply(this.view, step);
  }

  /** What was found after a crash is certain from now on. */
  settle(found: LaneImage): void {
    this.base = copied(found);
    this.view = copied(found);
    this.folded += this.steps.length;
    this.steps = [];
    this.acknowledged = this.folded;
    this.written = 0;
  }
}

/** Returns why the step can't follow, or null. */
export function apply(image: LaneImage, step: Step): string | null {
  if (step.kind === "records") {
    let problem: string | null = null;
    for (const cut of step.cuts) truncate(image, cut);
    for (const { partition, sequence, payload } of step.items) {
      const state = imageOf(image, partition);
      if (sequence !== state.last + 1) problem ??= `${partition} got sequence ${String(sequence)} where ${String(state.last + 1)} was due`;
      state.last = sequence;
      state.records.set(sequence, payload);
    }
    return problem;
  }
  if (step.kind === "truncate") truncate(image, step);
  else if (step.kind === "drop") image.delete(step.partition);
  else {
    const state = imageOf(image, step.partition);
    for (let sequence = state.first; sequence < step.before; sequence++) state.records.delete(sequence);
    state.first = Math.max(state.first, step.before);
    state.last = Math.max(state.last, state.first - 1);
  }
  return null;
}

function truncate(image: LaneImage, { partition, after }: ModelCut): void {
  const state = imageOf(image, partition);
  for (let sequence = after + 1; sequence <= state.last; sequence++) state.records.delete(sequence);
  state.last = Math.min(state.last, after);
}

function cutsOf(step: Step): readonly ModelCut[] {
  if (step.kind === "records") return step.cuts;
  return step.kind === "truncate" ? [step] : [];
}

/** Whether the step takes records away, of one partition or any. */
export function isControl(step: Step, partition?: string): boolean {
  const touched = step.kind === "trim" || step.kind === "drop" ? [step] : cutsOf(step);
  return touched.some((control) => partition === undefined || control.partition === partition);
}

export function imageOf(image: LaneImage, partition: string): PartitionImage {
  let state = image.get(partition);
  if (state === undefined) {
    state = { first: 1, last: 0, records: new Map() };
    image.set(partition, state);
  }
  return state;
}

export function copied(image: LaneImage): LaneImage {
  return new Map([...image].map(([name, { first, last, records }]) => [name, { first, last, records: new Map(records) }]));
}

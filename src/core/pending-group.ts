// Frames of a group whose end has not come yet: numbers, not payloads. A large batch waits here for its last frame. Pure.

import { groupFramesMax } from "../format/frame.js";
import type { SegmentIndex } from "./segment-index.js";

/** What replay needs of one frame. One object is reused for all frames of a lane. */
export interface FrameFacts {
  /** Kind in bits 24-27 and flags in bits 28-31, as on disk, unsigned. */
  kindAndFlags: number;
  partition: number;
  time: number;
  sequence: number;
  payloadBytes: number;
  blockOffset: number;
  frameOffset: number;
  index: SegmentIndex;
  /** Of a definition; empty when its bytes can't be a name. Null otherwise. */
  name: string | null;
}

const numbersPerFrame = 7;

export class PendingGroup {
  readonly #numbers: number[] = [];
  readonly #names: string[] = [];
  /** The frames of the group, as ranges of the segment files; one per block. */
  readonly #ranges: { readonly index: SegmentIndex; readonly from: number; to: number; readonly firstFrame: number }[] = [];

  get frameCount(): number {
    return this.#numbers.length / numbersPerFrame;
  }

  /** No writer makes a longer group: what goes on here never ends, and would take the heap. */
  get isFull(): boolean {
    return this.frameCount >= groupFramesMax;
  }

  /** Of all its frames. */
  get bytes(): number {
    return this.#ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  }

  /** `position` and `end` of the frame in its segment's file. */
  add(frame: FrameFacts, position: number, end: number): void {
    const range = this.#ranges[this.#ranges.length - 1];
    if (range !== undefined && range.index === frame.index && range.to === position) range.to = end;
    else this.#ranges.push({ index: frame.index, from: position, to: end, firstFrame: this.frameCount });
    this.#numbers.push(frame.kindAndFlags, frame.partition, frame.time, frame.sequence, frame.payloadBytes, frame.blockOffset, frame.frameOffset);
    if (frame.name !== null) this.#names.push(frame.name);
  }

  /** Gives every frame to `apply`, in `frame`, in order. */
  replay(frame: FrameFacts, isDefinition: (kindAndFlags: number) => boolean, apply: () => void): void {
    const numbers = this.#numbers;
    let name = 0;
    let range = -1;
    for (let index = 0; index < this.frameCount; index++) {
      while (this.#ranges[range + 1] !== undefined && (this.#ranges[range + 1] as { firstFrame: number }).firstFrame <= index) range++;
      const at = index * numbersPerFrame;
      frame.kindAndFlags = numbers[at] as number;
      frame.partition = numbers[at + 1] as number;
      frame.time = numbers[at + 2] as number;
      frame.sequence = numbers[at + 3] as number;
      frame.payloadBytes = numbers[at + 4] as number;
      frame.blockOffset = numbers[at + 5] as number;
      frame.frameOffset = numbers[at + 6] as number;
      frame.index = (this.#ranges[range] as { index: SegmentIndex }).index;
      frame.name = isDefinition(frame.kindAndFlags) ? (this.#names[name++] ?? "") : null;
      apply();
    }
  }

  /** The group never was completed: its frames count for nothing. */
  markVoid(): void {
    for (const { index, from, to } of this.#ranges) index.addVoid(from, to);
  }
}

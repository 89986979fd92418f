// What every floor is: its sizes and its three kinds of write.

export const floorPageBytes = 4096;
export const floorLargeBytes = 1024 * 1024;
export const floorDepth = 8;
export const floorFileBytes = 64 * 1024 * 1024;

export interface FloorDevice {
  /** What a write is, in words. */
  readonly method: string;
  /** Writes of `floorLargeBytes` that are under way at once in `large`. */
  readonly depth: number;
  /** Bytes of one `write`, a multiple of a page. */
  readonly writeBytes: number;
  /** One durable write at `position`; blocks the thread until it is. */
  write(position: number): void;
  /** The same, burning the processor instead of sleeping; null where there is no such way. */
  readonly poll: ((position: number) => void) | null;
  /** `count` durable writes of `floorLargeBytes`, `depth` at once, from position 0 on, going around in the file. Blocks. */
  large(count: number): void;
  close(): void;
}

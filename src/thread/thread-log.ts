// A log in another thread than its lanes': the one that opened it, or one that attached.

import { RingwallError } from "../base/errors.js";
import { cursorOf, cursorPartition, isHiddenName } from "../core/own-names.js";
import type { BackupOptions, BackupReport } from "../log/backup/backup.js";
import { type Cursor, hasPosition, LogCursor } from "../log/cursor.js";
import { checkCursorName, checkedItems, checkPartitionName, checkPlacement, noPlacement } from "../log/log-arguments.js";
import type { Log, LogHandle, LogInfo, LogStats, PartitionOptions, WriteItem } from "../log/log.js";
import { commandKind } from "./command-ring.js";
import type { Connection } from "./connection.js";
import { encodeItems, type PayloadItem } from "./payloads.js";
import { backUp } from "./thread-backup.js";
import { ThreadPartition } from "./thread-partition.js";

export interface ThreadLogOptions {
  readonly connection: Connection;
  readonly info: LogInfo;
  readonly recordBytesMax: number;
  readonly handle: LogHandle;
  /** Ends the log for all and waits for its thread; null where it was only attached to. */
  readonly threadEnded: (() => Promise<void>) | null;
}

export class ThreadLog implements Log {
  readonly info: LogInfo;
  readonly #options: ThreadLogOptions;
  readonly #connection: Connection;
  readonly #partitions = new Map<string, ThreadPartition>();
  #closing: Promise<void> | null = null;

  constructor(options: ThreadLogOptions) {
    this.info = options.info;
    this.#options = options;
    this.#connection = options.connection;
  }

  partition(name: string, options: PartitionOptions = noPlacement): ThreadPartition {
    const known = this.#partitions.get(name);
    if (known !== undefined && options === noPlacement && !isHiddenName(name)) return known;
    checkPartitionName(name);
    return this.#named(name, options);
  }

  #named(name: string, options: PartitionOptions = noPlacement): ThreadPartition {
    const known = this.#partitions.get(name);
    if (known !== undefined && options === noPlacement) return known;
    checkPlacement(options);
    const partition = known ?? this.#newPartition(name);
    if (options !== noPlacement) this.#place(partition, options);
    this.#partitions.set(name, partition);
    return partition;
  }

  partitions(): ThreadPartition[] {
    return this.#connection.board.existing().filter((name) => !isHiddenName(name)).map((name) => this.partition(name));
  }

  cursor(name: string, options: PartitionOptions = noPlacement): Cursor {
    checkCursorName(name);
    const partition = this.#named(cursorPartition(name), options);
    return new LogCursor(name, { find: () => partition, move: (seq) => this.write([{ cursor: name, seq }]) });
  }

  cursors(): Cursor[] {
    const names = this.#connection.board.existing().filter((name) => cursorOf(name) !== null && hasPosition(this.#named(name)));
    return names.map((name) => this.cursor(cursorOf(name) as string));
  }

  async write(items: readonly WriteItem[]): Promise<number[]> {
    const checked = checkedItems(items, this.#options.recordBytesMax);
    const named = checked.map(({ name, data, truncate }): PayloadItem<Uint8Array | string> => {
      const partition = this.#named(name).number();
      return truncate === undefined ? { partition, data } : { partition, truncate };
    });
    const sequences = await this.#connection.callForMany(commandKind.write, 0, encodeItems(named));
    return checked.map(({ position }, index) => position ?? (sequences[index] as number));
  }

  async sync(): Promise<void> {
    await this.#connection.call(commandKind.sync, 0);
  }

  get needDrain(): boolean {
    return this.#connection.needDrain;
  }

  drain(): Promise<void> {
    return this.#connection.drain();
  }

  rotate(): void {
    this.#connection.tell(commandKind.rotate, 0);
  }

  stats(): LogStats[] {
    return this.#connection.board.stats();
  }

  backup(directory: string, options: BackupOptions = {}): Promise<BackupReport> {
    return backUp(this.#connection, directory, options);
  }

  share(): LogHandle {
    return this.#options.handle;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { threadEnded } = this.#options;
    try {
      await this.#connection.end(threadEnded === null ? commandKind.detach : commandKind.close);
    } finally {
      await threadEnded?.();
    }
  }

  #newPartition(name: string): ThreadPartition {
    const { recordBytesMax, info } = this.#options;
    return new ThreadPartition(name, { connection: this.#connection, number: this.#partitions.size, recordBytesMax, lanes: info.lanes });
  }

  /** What this thread can't know yet, another's partition on another lane, the first use of this one tells. */
  #place(partition: ThreadPartition, options: PartitionOptions): void {
    const { lane, with: companion } = options;
    const asked = companion === undefined ? lane : this.partition(companion).lane;
    if (lane !== undefined && (!Number.isInteger(lane) || lane < 0 || lane >= this.info.lanes)) {
      throw new RingwallError("RINGWALL_INVALID_OPTION", `\`lane\` must be an integer from 0 to ${String(this.info.lanes - 1)}; it is ${String(lane)}`);
    }
    if (asked !== undefined && asked >= 0 && partition.lane >= 0 && partition.lane !== asked) {
      throw new RingwallError("RINGWALL_CROSS_LANE", `the partition lives on lane ${String(partition.lane)} and can't move to lane ${String(asked)}`, {
        place: { partition: partition.name },
      });
    }
    partition.placement = options;
  }
}

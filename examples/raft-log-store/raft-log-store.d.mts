import type { LogOptions } from "ringwall";

export interface RaftEntry {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

export interface RaftState {
  readonly term: number;
  readonly votedFor: string | null;
}

export declare class RaftLogStore {
  private constructor();
  static open(directory: string, options?: LogOptions): Promise<RaftLogStore>;
  readonly firstIndex: number;
  readonly lastIndex: number;
  getLog(index: number): Promise<RaftEntry | undefined>;
  getLogs(min: number, max: number): AsyncGenerator<RaftEntry, void, undefined>;
  storeLogs(entries: readonly { readonly index: number; readonly term: number; readonly data: Uint8Array | string }[]): Promise<void>;
  deleteRange(min: number, max: number): Promise<void>;
  readonly state: RaftState;
  setState(state: { readonly term: number; readonly votedFor?: string | null }): Promise<void>;
  close(): Promise<void>;
}

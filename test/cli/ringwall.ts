// Runs the built command as users do: as a child process, with its output and exit code.

import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const mainPath = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));
export const demoPath = fileURLToPath(new URL("../../../dist/cli/demo/main.js", import.meta.url));

export interface RunResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Of stdout. */
  readonly text: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly program?: string;
}

/** Runs to the end. */
export async function ringwall(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const running = start(args, options);
  running.child.stdin.on("error", () => undefined);
  running.child.stdin.end(options.input ?? "");
  return running.end();
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves once stdout holds what `test` wants; rejects when the process ends before. */
  until(test: (text: string) => boolean): Promise<string>;
  end(): Promise<RunResult>;
}

/** Starts and leaves stdin open. */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(process.execPath, [options.program ?? mainPath, ...args], { env: { ...process.env, NO_COLOR: "1", ...options.env } });
  const chunks: Buffer[] = [];
  let stderr = "";
  let onData: (() => void) | null = null;
  child.stdout.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    onData?.();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const closed = once(child, "close");
  const textSoFar = (): string => Buffer.concat(chunks).toString("utf8");
  return {
    child,
    until: (test) => new Promise((resolve, reject) => {
      onData = () => {
        if (test(textSoFar())) resolve(textSoFar());
      };
      void closed.then(() => reject(new Error(`ended before: ${textSoFar()} ${stderr}`)));
      onData();
    }),
    end: async () => {
      await closed;
      const stdout = Buffer.concat(chunks);
      return { code: child.exitCode, stdout, stderr, text: stdout.toString("utf8") };
    },
  };
}

/** A directory that is removed after `body`; what it gets is a path in it where nothing is yet. */
export async function withPlace(body: (log: string, directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(path.join(os.tmpdir(), "ringwall-cli-"));
  try {
    await body(path.join(directory, "log"), directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export function prefixed(records: readonly Uint8Array[]): Buffer {
  return Buffer.concat(records.flatMap((record) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(record.length);
    return [length, record];
  }));
}

/** The error that a command in --json mode left on stderr. */
export function errorOf(result: RunResult): { readonly code: string; readonly message: string; readonly place: Record<string, unknown>; readonly details?: unknown } {
  return (JSON.parse(result.stderr) as { error: ReturnType<typeof errorOf> }).error;
}

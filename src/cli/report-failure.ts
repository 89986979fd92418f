// What people and programs see of an error, and which exit code it is.

import { RingwallError } from "../base/errors.js";
import { type ExitCode, exitCode } from "./exit-codes.js";
import { PipeClosedError } from "./output.js";

/** Something about the command line, its input or its environment; not about the log. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: string;

  constructor(message: string, code = "USAGE", options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Prints the error to stderr; returns the exit code. `more` goes into the JSON document, next to `error`. */
export function reportFailure(error: unknown, isJson: boolean, more: Readonly<Record<string, unknown>> = {}): ExitCode {
  if (error instanceof PipeClosedError) return exitCode.ok;
  process.stderr.write(isJson ? `${JSON.stringify({ ...more, error: describe(error) })}\n` : `${textOf(error)}\n`);
  return codeOf(error);
}

function describe(error: unknown): Record<string, unknown> {
  if (error instanceof RingwallError) {
    const { code, message, place, details } = error;
    return { code, message, place, ...(details === undefined ? {} : { details }) };
  }
  if (error instanceof CommandError) return { code: error.code, message: error.message, place: {} };
  return { code: "UNKNOWN", message: error instanceof Error ? error.message : String(error), place: {}, stack: error instanceof Error ? error.stack : undefined };
}

function textOf(error: unknown): string {
  if (error instanceof RingwallError || error instanceof CommandError) return `ringwall: ${error.message}`;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `ringwall: this should not have happened. Please report it with the text below and what \`ringwall doctor\` prints.\n${text}`;
}

function codeOf(error: unknown): ExitCode {
  if (!(error instanceof RingwallError)) return exitCode.failed;
  switch (error.code) {
    case "RINGWALL_DAMAGED":
    case "RINGWALL_TRIMMED":
      return exitCode.refused;
    case "RINGWALL_NOT_FOUND":
      // No such record or partition; without one it is a path that is wrong.
      return error.place.partition === undefined ? exitCode.failed : exitCode.refused;
    default:
      return exitCode.failed;
  }
}

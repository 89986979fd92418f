// Errors on their way between threads: structured cloning makes a RingwallError a plain Error and drops its code.

import { RingwallError, type Place, type RingwallErrorCode } from "../base/errors.js";

export type SentError =
  | {
      readonly kind: "ringwall";
      readonly code: RingwallErrorCode;
      readonly message: string;
      readonly place: Place;
      readonly details: unknown;
      readonly cause: SentError | undefined;
      readonly stack: string | undefined;
    }
  | { readonly kind: "other"; readonly name: string; readonly message: string; readonly stack: string | undefined; readonly code: unknown };

export function sentError(error: unknown): SentError {
  if (error instanceof RingwallError) {
    const { code, message, place, details, cause, stack } = error;
    return { kind: "ringwall", code, message, place, details: cloneable(details), cause: cause === undefined ? undefined : sentError(cause), stack };
  }
  if (error instanceof Error) return { kind: "other", name: error.name, message: error.message, stack: error.stack, code: (error as { code?: unknown }).code };
  return { kind: "other", name: "Error", message: String(error), stack: undefined, code: undefined };
}

export function receivedError(sent: SentError): Error {
  if (sent.kind === "other") {
    const error = new Error(sent.message);
    error.name = sent.name;
    if (sent.stack !== undefined) error.stack = sent.stack;
    return sent.code === undefined ? error : Object.assign(error, { code: sent.code });
  }
  const { code, message, place, details, cause, stack } = sent;
  const error = new RingwallError(code, "", { place, details, ...(cause === undefined ? {} : { cause: receivedError(cause) }) });
  // The message names place and remedy already.
  error.message = message;
  if (stack !== undefined) error.stack = stack;
  return error;
}

function cloneable(details: unknown): unknown {
  try {
    return structuredClone(details);
  } catch {
    return String(details);
  }
}

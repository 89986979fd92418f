// The one error class of the library and its stable codes. docs/ERRORS.md has a section per code; a test compares them.

export const errorCodes = [
  "RINGWALL_ABORTED",
  "RINGWALL_BACKPRESSURE",
  "RINGWALL_CLOSED",
  "RINGWALL_CROSS_LANE",
  "RINGWALL_DAMAGED",
  "RINGWALL_DISK_FULL",
  "RINGWALL_DROPPED",
  "RINGWALL_INVALID_ARGUMENT",
  "RINGWALL_INVALID_OPTION",
  "RINGWALL_IO",
  "RINGWALL_LOCKED",
  "RINGWALL_NEWER_FORMAT",
  "RINGWALL_NOT_A_LOG",
  "RINGWALL_NOT_FOUND",
  "RINGWALL_OUT_OF_SEQUENCE",
  "RINGWALL_POISONED",
  "RINGWALL_READ_ONLY",
  "RINGWALL_RECORD_TOO_LARGE",
  "RINGWALL_TRIMMED",
  "RINGWALL_UNAVAILABLE",
] as const;

export type RingwallErrorCode = (typeof errorCodes)[number];

/** Where in the log: whatever is known of it. Offsets and counts are bytes. */
export interface Place {
  readonly path?: string;
  readonly lane?: number;
  readonly segment?: number;
  readonly offset?: number;
  readonly partition?: string;
  readonly sequence?: number;
}

export interface RingwallErrorOptions {
  readonly cause?: unknown;
  readonly place?: Place;
  /** What to do about it, a sentence. Becomes the end of the message. */
  readonly remedy?: string;
  /** Machine-readable details, e.g. the lost ranges of a damaged log. */
  readonly details?: unknown;
}

/** Every failure that a caller can meet. Programs read `code`; people read `message`, which names place and remedy. */
export class RingwallError extends Error {
  override readonly name = "RingwallError";
  readonly code: RingwallErrorCode;
  readonly place: Place;
  readonly details: unknown;

  constructor(code: RingwallErrorCode, message: string, options: RingwallErrorOptions = {}) {
    const where = placeText(options.place);
    const remedy = options.remedy === undefined ? "" : ` ${options.remedy}`;
    super(`${where}${message}.${remedy}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.place = options.place ?? {};
    this.details = options.details;
  }
}

function placeText(place: Place | undefined): string {
  if (place === undefined) return "";
  const parts: string[] = [];
  if (place.path !== undefined) parts.push(place.path);
  if (place.lane !== undefined) parts.push(`lane ${String(place.lane)}`);
  if (place.segment !== undefined) parts.push(`segment ${String(place.segment)}`);
  if (place.offset !== undefined) parts.push(`offset ${String(place.offset)}`);
  if (place.partition !== undefined) parts.push(`partition ${JSON.stringify(place.partition)}`);
  if (place.sequence !== undefined) parts.push(`sequence ${String(place.sequence)}`);
  return parts.length === 0 ? "" : `${parts.join(" ")}: `;
}

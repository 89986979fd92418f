// Records as bytes for stdout.

import { isUtf8 } from "node:buffer";
import type { LogRecord } from "../../log/reader.js";

export type RecordFormat = "lines" | "length-prefixed" | "json";

export interface RecordFormatOptions {
  readonly json?: boolean;
  readonly lengthPrefixed?: boolean;
}

export function formatOf(options: RecordFormatOptions): RecordFormat {
  if (options.json === true) return "json";
  return options.lengthPrefixed === true ? "length-prefixed" : "lines";
}

export function recordsText(records: readonly LogRecord[], format: RecordFormat): Uint8Array | string {
  switch (format) {
    case "lines":
      return joined(records, 0, 1);
    case "length-prefixed":
      return joined(records, 4, 0);
    case "json":
      return records.map(jsonLine).join("");
  }
}

function joined(records: readonly LogRecord[], before: number, behind: number): Uint8Array {
  const bytes = records.reduce((sum, record) => sum + before + record.data.length + behind, 0);
  const text = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { data } of records) {
    if (before > 0) text.writeUInt32LE(data.length, at);
    text.set(data, at + before);
    at += before + data.length;
    if (behind > 0) text[at++] = 10;
  }
  return text;
}

function jsonLine({ seq, time, data }: LogRecord): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  return `${JSON.stringify(isUtf8(bytes) ? { seq, time, data: bytes.toString("utf8") } : { seq, time, dataBase64: bytes.toString("base64") })}\n`;
}

// Payloads that look like an application's records: JSON of a few fields, and text that does not compress to nothing.

import { randomBytes, randomInt } from "node:crypto";

const countMax = 4096;
const countMin = 8;
const poolBytes = 16 * 1024 * 1024;

/** Different buffers of exactly `bytes` each, none a part of another's memory. */
export function makePayloads(bytes: number): Uint8Array[] {
  const count = Math.max(countMin, Math.min(countMax, Math.floor(poolBytes / bytes)));
  return Array.from({ length: count }, () => makePayload(bytes));
}

/** As `makePayloads`, in arrays of `batch`; payloads recur where there are not enough. */
export function makeBatches(bytes: number, batch: number): Uint8Array[][] {
  const payloads = makePayloads(bytes);
  const count = Math.max(1, Math.floor(payloads.length / batch));
  return Array.from({ length: Math.max(count, countMin) }, (_, index) => {
    return Array.from({ length: batch }, (__, item) => payloads[(index * batch + item) % payloads.length] as Uint8Array);
  });
}

function makePayload(bytes: number): Uint8Array {
  const id = randomBytes(8).toString("hex");
  const head = `{"id":"${id}","at":${String(1_700_000_000_000 + randomInt(1e9))},"kind":"order.placed","amount":${String(randomInt(1e6))},"body":"`;
  const fill = randomBytes(Math.ceil(Math.max(0, bytes - head.length) * 0.75) + 3).toString("base64url");
  const text = `${head}${fill}`.slice(0, Math.max(0, bytes - 2)) + '"}';
  const payload = new Uint8Array(bytes);
  payload.set(Buffer.from(text.slice(0, bytes), "latin1"));
  return payload;
}

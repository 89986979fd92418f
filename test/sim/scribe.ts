// Calls a log and writes down what each call makes of it, and which calls the log has said are durable.
//
// Owns the images: the content of all partitions after each call, the newest last. After a crash the log must hold one of
// them, none older than what was said to be durable; `demand` looks for it. It knows the promises of the interface only.

import assert from "node:assert/strict";
import type { Log, RecordItem, TruncateItem } from "#src/log/log.js";

/** Records by name of their partition, the first of them with the sequence `first`. */
interface Content {
  readonly first: number;
  readonly texts: readonly string[];
}

type Image = Map<string, Content>;

const absent: Content = { first: 1, texts: [] };

export class Scribe {
  #images: Image[] = [new Map<string, Content>()];
  #durable = 0;
  readonly #mode: "sync" | "interval" | "none";
  #log: Log | null = null;

  /** Of the log's durability: it says what of a call is durable when it resolves. */
  constructor(mode: "sync" | "interval" | "none") {
    this.#mode = mode;
  }

  /** What follows is said to this log. */
  attend(log: Log): void {
    this.#log = log;
  }

  append(name: string, text: string): Promise<unknown> {
    return this.#note((log) => log.partition(name).append(text), [{ partition: name, data: text }], this.#mode === "sync");
  }

  /** One step over any partitions; truncations come before the records of theirs. */
  write(items: readonly Item[]): Promise<unknown> {
    return this.#note((log) => log.write(items), items, this.#mode === "sync");
  }

  trim(name: string, before: number): Promise<unknown> {
    return this.#note((log) => log.partition(name).trim(before), [{ partition: name, before }]);
  }

  truncate(name: string, after: number): Promise<unknown> {
    return this.#note((log) => log.partition(name).truncate(after), [{ partition: name, truncate: after }]);
  }

  drop(name: string): Promise<unknown> {
    return this.#note((log) => log.partition(name).drop(), [{ drop: name }]);
  }

  async sync(): Promise<void> {
    const number = this.#images.length - 1;
    await this.#open().sync();
    this.#hear(number);
  }

  async close(): Promise<void> {
    const number = this.#images.length - 1;
    await this.#open().close();
    this.#hear(number);
  }

  last(name: string): number {
    const { first, texts } = this.#newest().get(name) ?? absent;
    return first + texts.length - 1;
  }

  /** The opened log holds what one of the allowed images says. From now on that one is certain. */
  async demand(log: Log, when: string): Promise<void> {
    const found = await imageOf(log);
    const at = this.#images.findIndex((image, number) => number >= this.#durable && told(image) === told(found));
    assert.ok(at >= 0, `${when}: the log holds ${told(found)}; durable was ${told(this.#images[this.#durable] as Image)}, the newest is ${told(this.#newest())}`);
    this.#images = [this.#images[at] as Image];
    this.#durable = 0;
  }

  async #note(call: (log: Log) => Promise<unknown>, changes: readonly Change[], isDurable = this.#mode !== "none"): Promise<unknown> {
    const promise = call(this.#open());
    const number = this.#images.push(changed(this.#newest(), changes)) - 1;
    const value = await promise;
    if (isDurable) this.#hear(number);
    return value;
  }

  #hear(number: number): void {
    this.#durable = Math.max(this.#durable, number);
  }

  #newest(): Image {
    return this.#images[this.#images.length - 1] as Image;
  }

  #open(): Log {
    assert.ok(this.#log !== null, "the scribe attends a log");
    return this.#log;
  }
}

type Item = RecordItem | TruncateItem;
type Change = Item | { readonly partition: string; readonly before: number } | { readonly drop: string };

function changed(image: Image, changes: readonly Change[]): Image {
  const next = new Map(image);
  for (const change of changes) {
    if ("drop" in change) {
      next.delete(change.drop);
      continue;
    }
    const { first, texts } = next.get(change.partition) ?? absent;
    if ("before" in change) next.set(change.partition, { first: Math.max(first, change.before), texts: texts.slice(Math.max(0, change.before - first)) });
    else if (change.truncate !== undefined) next.set(change.partition, { first, texts: texts.slice(0, change.truncate - first + 1) });
    else next.set(change.partition, { first, texts: [...texts, String(change.data)] });
  }
  return next;
}

async function imageOf(log: Log): Promise<Image> {
  const image: Image = new Map();
  for (const partition of log.partitions()) {
    const { name, firstSeq, lastSeq } = partition;
    const texts: string[] = [];
    for await (const { seq, data } of partition.read()) {
      assert.equal(seq, firstSeq + texts.length, `sequences of ${name} are contiguous`);
      texts.push(Buffer.from(data).toString());
    }
    assert.equal(firstSeq + texts.length - 1, lastSeq, `${name} is read to its last`);
    image.set(name, { first: firstSeq, texts });
  }
  return image;
}

/** Short enough for a message: of each record its beginning, which no two records share. */
function told(image: Image): string {
  const partitions = [...image].filter(([, { first, texts }]) => texts.length > 0 || first > 1).sort(([a], [b]) => (a < b ? -1 : 1));
  return partitions.map(([name, { first, texts }]) => `${name} from ${String(first)}: [${texts.map((text) => `${text.slice(0, 12)}#${String(text.length)}`).join(" ")}]`).join(", ");
}

// What the tests of the documents need of Markdown: fenced blocks, links, headings and their anchors.

import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

export function codeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(/^```([a-z]*)\n([\s\S]*?)^```$/gm)].map((match) => ({ language: match[1] as string, text: match[2] as string }));
}

export interface Link {
  readonly line: number;
  readonly target: string;
}

/** Inline links outside code. Images count too. */
export function links(markdown: string): Link[] {
  return withoutCode(markdown)
    .split("\n")
    .flatMap((text, index) => [...text.matchAll(/\]\(([^()\s]+)\)/g)].map((match) => ({ line: index + 1, target: match[1] as string })));
}

/** Anchors of a document's headings, as GitHub makes them: lower case, no punctuation, hyphens for spaces, numbers for repetitions. */
export function anchors(markdown: string): Set<string> {
  const found = new Set<string>();
  const counts = new Map<string, number>();
  for (const [, heading] of withoutFences(markdown).matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const text = (heading as string).replace(/`/g, "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
    const plain = text.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replace(/ /g, "-");
    const count = counts.get(plain) ?? 0;
    counts.set(plain, count + 1);
    found.add(count === 0 ? plain : `${plain}-${count}`);
  }
  return found;
}

/** README, change log and everything in docs/, as paths from the root. */
export function documents(): string[] {
  const docs = readdirSync(path.join(root, "docs"), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".md"))
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)).split(path.sep).join("/"));
  return ["README.md", "CHANGELOG.md", ...docs.sort()];
}

/** Code becomes blank lines, so that line numbers stay. */
function withoutFences(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```$/gm, (block) => "\n".repeat(block.split("\n").length - 1));
}

function withoutCode(markdown: string): string {
  return withoutFences(markdown).replace(/`[^`\n]*`/g, "");
}

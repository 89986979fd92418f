/** What a record of reclaiming-writer.ts holds: its name and sequence say all of it. */
export function reclaimedText(name: string, sequence: number): string {
  return `${name} ${sequence} `.padEnd(20 + ((sequence * 7919) % 1800), name);
}

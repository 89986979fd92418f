// Names of partitions that begin with "\u0000" are the log's own: no user gives them.
//
// Two kinds. Hidden partitions hold what the log keeps for its users beside their records, such as positions of cursors;
// they are not listed. Stand-ins are what recovery lists a partition under whose name is lost: its records are the user's.

const ownPrefix = "\u0000";
const lostPrefix = "\u0000name lost: ";
const cursorPrefix = "\u0000cursor:";
const producersPrefix = "\u0000producers:";

/** Whether the name is the log's own, and the partition not the user's. */
export function isHiddenName(name: string): boolean {
  return name.startsWith(ownPrefix) && !isNameLost(name);
}

/** What stands for the name of a partition whose definition is lost. */
export function namelessPartition(id: number): string {
  return `${lostPrefix}${String(id)}`;
}

export function isNameLost(name: string): boolean {
  return name.startsWith(lostPrefix);
}

/** The hidden partition whose last record is the cursor's position. */
export function cursorPartition(cursor: string): string {
  return `${cursorPrefix}${cursor}`;
}

/** The hidden partition that says what the producers of a partition have appended. */
export function producersPartition(partition: string): string {
  return `${producersPrefix}${partition}`;
}

/** The cursor of a hidden partition; null when it is not a cursor's. */
export function cursorOf(partition: string): string | null {
  return partition.startsWith(cursorPrefix) ? partition.slice(cursorPrefix.length) : null;
}

// Ringwall: the write-ahead log for Node.js. The public entry.

export { RingwallError, errorCodes, type Place, type RingwallErrorCode } from "./base/errors.js";
export type { PartitionRetention, RetentionOption } from "./core/retention.js";
export type { BackupOptions, BackupProgress, BackupReport } from "./log/backup/backup.js";
export type { Cursor } from "./log/cursor.js";
export type { CursorMove, LogHandle, LogInfo, LogStats, PartitionOptions, RecordItem, TruncateItem, WriteItem } from "./log/log.js";
export type { DurabilityOption, LogOptions, ReclaimEvent, ReclaimOption, SqpollOption } from "./log/options.js";
export type { AppendBatchOptions, Partition, ProducerOptions } from "./log/partition.js";
export type { PartitionTimes } from "./log/read-times.js";
export type { LogRecord, ReadOptions, TailOptions } from "./log/reader.js";
export type { DamagedRange, LostRange, RecoveryReport } from "./recovery/recovered-lane.js";
export type { BackendFeature, FeatureName } from "./storage/features.js";
export { Log } from "./thread/log.js";
export { repairLog, type RepairOptions, type RepairProgress, type RepairReport } from "./repair/repair-log.js";

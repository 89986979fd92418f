// Every peer, in the order of the report. An adapter is
//   name, how       what it is called, and in one line how an append is made
//   isDurable       whether its acknowledgement is stated to survive power loss; `node trace.mjs` checks it
//   open(directory) resolves to { append(data), appendBatch?(list), close() }; rejects where the peer can't run

import { betterSqlite, betterSqliteBatched } from "./better-sqlite3.mjs";
import { classicLevel } from "./classic-level.mjs";
import { fdatasyncEach, groupCommit } from "./by-hand.mjs";
import { hypercore } from "./hypercore.mjs";
import { lmdb } from "./lmdb.mjs";
import { nodeSqlite } from "./node-sqlite.mjs";
import { rocksdb } from "./rocksdb.mjs";
import { sonicBoom } from "./sonic-boom.mjs";

export const adapters = [groupCommit, fdatasyncEach, betterSqlite, betterSqliteBatched, nodeSqlite, lmdb, classicLevel, rocksdb, sonicBoom, hypercore];

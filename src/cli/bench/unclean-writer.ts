// The writing process of `bench recover`: fills a log, says so, and waits to be killed with everything open.

import { Log } from "../../thread/log.js";
import { fill, writtenMark, type FillRequest } from "./unclean-log.js";

const request = JSON.parse(process.argv[2] ?? "{}") as FillRequest;
const log = await Log.open(request.directory, request.options);
await fill(log, request);
process.stdout.write(writtenMark);
// Longer than anyone waits for the kill; if nobody is there to kill, the log is closed all the same.
await new Promise((resolve) => setTimeout(resolve, 60_000));
await log.close();

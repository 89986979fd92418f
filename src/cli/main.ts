#!/usr/bin/env node
// The command `ringwall`. Loads no more than the command at hand needs: `--help` must not wait for the library.

import { runCli } from "./run-cli.js";

process.exitCode = await runCli(process.argv.slice(2));

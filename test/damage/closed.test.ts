// A closed log: its seal and the superblock vouch for every block.

import { testMatrix } from "./matrix.js";

testMatrix("closed");

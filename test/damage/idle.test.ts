// A log killed while idle: its beacon vouches for every acknowledged block.

import { testMatrix } from "./matrix.js";

testMatrix("idle");

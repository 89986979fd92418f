// A log killed right behind an acknowledgement: no horizon covers its last block yet.

import { testMatrix } from "./matrix.js";

testMatrix("killed");

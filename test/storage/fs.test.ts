import { fsStorage } from "#src/storage/fs/fs-storage.js";
import { storageContract } from "./contract.js";
import { processContract } from "./process-contract.js";

storageContract("fs", fsStorage);
processContract("fs");

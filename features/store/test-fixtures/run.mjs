// Runs a TypeScript module in a process of its own: `node run.mjs <module> …`. jiti's own register hook breaks the
// loading of native packages on Node 20, so lmdb is left to Node.
import { createJiti } from "jiti";

await createJiti(import.meta.url, { nativeModules: ["lmdb"] }).import(process.argv[2]);

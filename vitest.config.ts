/**
 * One run for every test: those beside their files and those of test/. `headgate` is aliased to the source, or a test
 * and the definitions it loads would each have an instance of their own. Each test file has a process of its own,
 * since LMDB and ONNX Runtime are native.
 */

import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { headgate: fileURLToPath(new URL("headgate.ts", import.meta.url)) } },
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "dist/**", "**/.headgate/**"],
    pool: "forks",
    // Vitest leaves a core free, of two as well; these tests wait for servers half of the time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 20_000,
    hookTimeout: 60_000,
    restoreMocks: true,
    coverage: {
      provider: "v8",
      include: ["*.ts", "{batch,commands,features,gateway,models}/**/*.ts"],
      exclude: ["**/*.test.ts", "**/*_pb.ts", "vitest.config.ts"],
    },
  },
});

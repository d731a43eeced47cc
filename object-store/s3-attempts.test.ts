import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { S3Attempts, s3Limits } from "./s3-attempts.ts";

test("what a try leaves behind is collected: a gateway asks S3 for its models every second", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const attempts = new S3Attempts(s3Limits());
  const signals: WeakRef<AbortSignal>[] = [];
  const tryOnce = async ({ signal }: { readonly signal: AbortSignal }) => void signals.push(new WeakRef(signal));
  for (let i = 0; i < 100; i++) await attempts.run(tryOnce, () => false);
  const left = () => {
    collect();
    return signals.filter((signal) => signal.deref() !== undefined).length;
  };
  await expect.poll(left, { timeout: 10_000 }).toBe(0);
  attempts.end(new Error("closed"));
});

/** What `headgate plan` says of definitions and settings that do not go with Feast's layout. No Feast is needed for it. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { feastProject } from "../harness/feast-project.ts";
import { headgate, run } from "../harness/project.ts";
import { findRedis, startRedis } from "../harness/redis.ts";

const redis = findRedis();
const absent = "missing" in redis ? ` (${redis.missing})` : "";

/** Hash to one four-byte field. */
const COLLIDING = `import { featureView, int64 } from "headgate";
import { customer } from "./views.ts";
export const colliding = featureView("v", { entities: [customer], schema: { f37660: int64(), f43618: int64() } });
`;

describe("headgate plan in Feast's layout", { timeout: 120_000 }, () => {
  test("refuses a store that is no Redis", async () => {
    const lmdb = { HEADGATE_ONLINE_STORE: "lmdb:.headgate/online" };
    const { exitCode, stderr } = await run(headgate("plan"), feastProject([]), lmdb);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`onlineStoreLayout "feast" is a layout of Redis`);
  });

  test("refuses two features of one field before it connects", async () => {
    const project = feastProject([]);
    writeFileSync(join(project, "features", "colliding.ts"), COLLIDING);
    const nowhere = { HEADGATE_ONLINE_STORE: "redis://127.0.0.1:1" };
    const { exitCode, stderr } = await run(headgate("plan"), project, nowhere);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`"v:f37660" and "v:f43618" would be one field in Feast's layout`);
  });

  test.skipIf(absent !== "")(`warns of keys that go before their views' rows${absent}`, async () => {
    const server = await startRedis("program" in redis ? redis.program : "");
    const expiring = { HEADGATE_ONLINE_STORE: server.url, HEADGATE_FEAST_KEY_TTL_SECONDS: "60" };
    const { exitCode, stderr } = await run(headgate("plan"), feastProject([]), expiring);
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toContain("warning: Keys go 60 s after their last write");
  });
});

import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { findRedis, startRedis, until } from "../../test/harness/redis.ts";
import type { OnlineStore } from "./online-store.ts";
import { openRedisStore } from "./redis.ts";

const found = findRedis();
const program = "program" in found ? found.program : "";
const opened: OnlineStore[] = [];
afterAll(() => Promise.all(opened.map((store) => store.close())));

describe.skipIf("missing" in found)("the history of a Redis", { timeout: 60_000 }, () => {
  it("is the same as long as the server is, and another once it has followed its replica and taken over again", async () => {
    const [server, other] = [await startRedis(program), await startRedis(program)];
    const store = await openRedisStore(server.url, { keyPrefix: `t${randomUUID()}` });
    opened.push(store);
    const history = await store.history();
    expect(history).toMatch(/^[0-9a-f]{40}:[0-9a-f]{40}$/);
    expect(await store.history()).toBe(history);
    // A failover and back, too quick for anybody to have looked between them; the server itself never restarts.
    await server.command("REPLICAOF", "127.0.0.1", String(other.port));
    await until("it to follow", async () =>
      String(await server.command("INFO", "replication")).includes("master_link_status:up"),
    );
    await server.command("REPLICAOF", "NO", "ONE");
    const later = await store.history();
    expect(later.split(":")[0]).toBe(history.split(":")[0]);
    expect(later).not.toBe(history);
  });
});

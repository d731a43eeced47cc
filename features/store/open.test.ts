import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { entity } from "../entity.ts";
import { featureView } from "../feature-view.ts";
import { bool, int64, type Schema } from "../field.ts";
import { featureField } from "./feast-field.ts";
import { isOfOneProcess, openOnlineStore } from "./open.ts";
import { readBytes, rowWrite } from "./test-fixtures/rows.ts";

const projectDirectory = mkdtempSync(join(tmpdir(), "headgate-open-"));
afterAll(() => rmSync(projectDirectory, { recursive: true }));

/** Two features of a view "v" whose names in Feast's layout are one. */
const COLLIDING = colliding();

function colliding(): [string, string] {
  const seen = new Map<string, string>();
  for (let i = 0; ; i++) {
    const field = featureField("v", `f${i}`);
    const other = seen.get(field);
    if (other !== undefined) return [other, `f${i}`];
    seen.set(field, `f${i}`);
  }
}

describe("openOnlineStore", () => {
  it("opens lmdb:<folder> relative to the project, making missing parents", async () => {
    const store = await openOnlineStore("lmdb:.headgate/online.v1", { projectDirectory, project: "shop" });
    expect(store.address).toBe(`lmdb:${join(projectDirectory, ".headgate/online.v1")}`);
    await store.write([rowWrite("id=1", 1, "x")]);
    expect(await readBytes(store, "id=1")).toBeDefined();
    await store.close();
    expect(existsSync(join(projectDirectory, ".headgate/online.v1/data.mdb"))).toBe(true);
  });

  it("makes no parents of an absolute folder", async () => {
    const parent = join(projectDirectory, "not-mounted");
    await expect(openOnlineStore(`lmdb:${parent}/online`, { projectDirectory, project: "shop" })).rejects.toMatchObject(
      {
        code: "STORE_UNWRITABLE",
        message: expect.stringContaining(`Make ${parent} a folder`),
      },
    );
    expect(existsSync(parent)).toBe(false);
  });

  it("knows which stores other processes share", () => {
    expect(["memory:", "MEMORY:"].map(isOfOneProcess)).toEqual([true, true]);
    const shared = ["lmdb:.headgate/online", "redis://127.0.0.1", "rediss+cluster://a:1,b:2", "nothing"];
    expect(shared.filter(isOfOneProcess)).toEqual([]);
  });

  it("opens memory:", async () => {
    const store = await openOnlineStore("memory:", { projectDirectory, project: "shop" });
    expect(store.tiers.map((tier) => tier.name)).toEqual(["memory"]);
  });

  const inFeast = (url: string, joinKeys: Schema, ...features: string[]) => {
    const made = entity("customer", { joinKeys });
    const schema = Object.fromEntries(features.map((name) => [name, int64()]));
    const views = new Map([["v", featureView("v", { entities: [made], schema })]]);
    return openOnlineStore(url, { projectDirectory, project: "shop", onlineStoreLayout: "feast", registry: { views } });
  };

  it.each([
    ["memory:", { id: int64() }, ["a"], "CONFIG_INVALID", "is a layout of Redis"],
    ["redis://127.0.0.1:1", { id: bool() }, ["a"], "DEFINITION_INVALID", '"id" of bool'],
    ["redis://127.0.0.1:1", { id: int64() }, COLLIDING, "DEFINITION_INVALID", "its four-byte names collide"],
  ] as const)(
    "refuses %s in Feast's layout with keys of %j and features %j",
    async (url, joinKeys, features, code, said) => {
      const refused = inFeast(url, joinKeys, ...features);
      await expect(refused).rejects.toMatchObject({ code, message: expect.stringContaining(said) });
    },
  );

  it.each([
    ["lmdb:", "names no folder"],
    ["memory:x", "takes nothing more"],
    ["redis+other://user:secret@host:6379", '"redis+other:"'],
    ["postgres://user:secret@host", '"postgres:"'],
    ["./folder", "names no kind of store"],
    ["", "names no kind of store"],
  ])("refuses %j and says what there is", async (url, said) => {
    const refusal = await openOnlineStore(url, { projectDirectory, project: "shop" }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "STORE_URL_INVALID" });
    const { message } = refusal as Error;
    expect(message).toContain(said);
    expect(message).toContain("lmdb:<folder>, redis://host:port");
    expect(message).not.toContain("secret");
  });
});

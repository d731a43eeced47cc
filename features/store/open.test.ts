import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openOnlineStore } from "./open.ts";
import { readBytes, rowWrite } from "./test-fixtures/rows.ts";

const projectDirectory = mkdtempSync(join(tmpdir(), "headgate-open-"));
afterAll(() => rmSync(projectDirectory, { recursive: true }));

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

  it("opens memory:", async () => {
    const store = await openOnlineStore("memory:", { projectDirectory, project: "shop" });
    expect(store.tiers.map((tier) => tier.name)).toEqual(["memory"]);
  });

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

/**
 * Whatever is wrong in a project is refused before anything is changed, with a sentence that names the file, the field
 * and the next step, and with exit code 1; a command line that is not understood ends with 2.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { beforeAll, describe, expect, test } from "vitest";
import { copyExample, headgate, run, serve } from "../harness/project.ts";

/** Makes the example wrong in one way; returns what to run. */
interface BadProject {
  readonly name: string;
  readonly break: (project: string) => void;
  readonly command: readonly string[];
  readonly code: string;
  readonly says: readonly RegExp[];
  readonly environment?: Readonly<Record<string, string>>;
}

const replace = (file: string, from: string, to: string) => (project: string) => {
  const path = join(project, file);
  const text = readFileSync(path, "utf8");
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
  writeFileSync(path, text.replace(from, to));
};
const DEFINITIONS = "features/customer.ts";
const MANIFEST = "models/churn/model.json";

const CASES: readonly BadProject[] = [
  {
    name: "a definition file that is not TypeScript",
    break: replace(DEFINITIONS, "export const customer =", "export const customer = = "),
    command: ["apply"],
    code: "DEFINITION_INVALID",
    says: [/features\/customer\.ts/],
  },
  {
    name: "a definition file that throws",
    break: (project) => writeFileSync(join(project, "features", "zebra.ts"), 'throw new Error("no stripes");\n'),
    command: ["apply"],
    code: "DEFINITION_INVALID",
    says: [/features\/zebra\.ts/, /no stripes/],
  },
  {
    name: "a feature service that names an unknown field",
    break: replace(DEFINITIONS, '"aov_30d", "returns_rate_30d", "time', '"aov_31d", "returns_rate_30d", "time'),
    command: ["plan"],
    code: "DEFINITION_INVALID",
    says: [/customer_30d_features/, /"aov_31d"/, /it has .*aov_30d/],
  },
  {
    name: "a ttl that is no length of time",
    break: replace(DEFINITIONS, 'ttl: "2d"', 'ttl: "2 days"'),
    command: ["plan"],
    code: "DEFINITION_INVALID",
    says: [/customer_30d_features" ttl/, /"2 days"/, /such as "2d"/],
  },
  {
    name: "a manifest whose features do not fit the graph",
    break: replace(MANIFEST, '"orders_30d", "aov_30d", "returns_rate_30d", "time', '"orders_30d", "aov_30d", "time'),
    command: ["models", "list"],
    code: "MANIFEST_INVALID|SIGNATURE_MISMATCH",
    says: [/model\.json|input/],
  },
  {
    name: "a manifest that is not JSON",
    break: replace(MANIFEST, '"service"', "service"),
    command: ["models", "list"],
    code: "MANIFEST_INVALID",
    says: [/model\.json is not JSON|model\.json: is not JSON/],
  },
  {
    name: "a corrupt ONNX file",
    break: (project) => {
      const file = join(project, "models", "churn", "1", "model.onnx");
      writeFileSync(file, readFileSync(file).subarray(0, 5_000));
    },
    command: ["models", "list"],
    code: "MODEL_FILE_INVALID",
    says: [/model\.onnx|ONNX/],
  },
  {
    name: "a store folder that can't be made",
    break: (project) => writeFileSync(join(project, "occupied"), ""),
    command: ["apply"],
    environment: { HEADGATE_ONLINE_STORE: "lmdb:occupied/online" },
    code: "STORE_UNWRITABLE",
    says: [/occupied/, /HEADGATE_ONLINE_STORE|another/],
  },
  {
    name: "an online store of an unknown kind",
    break: () => {},
    command: ["apply"],
    environment: { HEADGATE_ONLINE_STORE: "postgres://user:secret@db/features" },
    code: "STORE_URL_INVALID",
    says: [/postgres:/, /lmdb:<folder>/],
  },
  {
    name: "an unknown setting",
    break: replace("headgate.config.ts", "onlineStore:", "onlineStor:"),
    command: ["plan"],
    code: "CONFIG_INVALID",
    says: [/headgate\.config\.ts/, /"onlineStor"/, /onlineStore/],
  },
  {
    name: "a setting out of its range",
    break: () => {},
    command: ["serve"],
    environment: { HEADGATE_PORT: "70000" },
    code: "CONFIG_INVALID",
    says: [/HEADGATE_PORT/, /70000/, /TCP port/],
  },
];

describe("a wrong project", () => {
  test.each(CASES)("$name is refused", async ({ break: breakProject, command, code, says, environment }) => {
    const project = copyExample();
    breakProject(project);
    const { exitCode, stdout, stderr } = await run(headgate(...command), project, environment);
    expect(exitCode).toBe(1);
    const told = stdout + stderr;
    if (command[0] !== "models") expect(told).toMatch(new RegExp(`\\[(${code})\\]`));
    for (const sentence of says) expect(told).toMatch(sentence);
    expect(told).not.toContain("secret");
    expect(told).not.toMatch(/^\s+at .*:\d+:\d+/m);
    expect(existsSync(join(project, ".headgate", "online", "data.mdb")), "a store was made").toBe(false);
  });
});

describe("a change that would misread stored rows", () => {
  test("is refused by plan --check and by apply, with the way out", async () => {
    const project = copyExample();
    expect((await run(headgate("apply"), project)).exitCode).toBe(0);
    replace(DEFINITIONS, "orders_30d: int64()", "orders_30d: float32()")(project);
    const planned = await run(headgate("plan", "--check"), project);
    expect([planned.exitCode, planned.stdout]).toEqual([
      1,
      expect.stringMatching(/orders_30d: int64 → float32\n.*_v2/),
    ]);
    const applied = await run(headgate("apply"), project);
    expect([applied.exitCode, applied.stderr]).toEqual([1, expect.stringMatching(/_v2.*\[REGISTRY_CHANGE_REFUSED\]/)]);
    const served = await run(headgate("serve"), project, { HEADGATE_PORT: "0" });
    expect([served.exitCode, served.stderr]).toEqual([1, expect.stringContaining("[REGISTRY_NOT_APPLIED]")]);
  });
});

describe("a model that can't be loaded", () => {
  test("answers 503 with the reason while the gateway serves the rest", async () => {
    const project = copyExample();
    const file = join(project, "models", "churn", "1", "model.onnx");
    writeFileSync(file, "not a model");
    expect((await run(headgate("apply"), project)).exitCode).toBe(0);
    const gateway = await serve(project);
    const response = await fetch(`${gateway.url}/predict`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "churn", entities: { customer_id: 17 } }),
    });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toMatchObject({ code: "MODEL_UNAVAILABLE", detail: expect.stringMatching(/churn/) });
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${gateway.url}/features`)).status).toBe(200);
  });
});

describe("a wrong Parquet file", () => {
  const midnight = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000);
  const column = (name: string, type: "INT64" | "FLOAT" | "STRING" | "TIMESTAMP", value: unknown) => ({
    name,
    type,
    data: [value],
  });
  const good = [
    column("customer_id", "INT64", 1n),
    column("orders_30d", "INT64", 2n),
    column("aov_30d", "FLOAT", 3),
    column("returns_rate_30d", "FLOAT", 0),
    column("time_since_last_d", "FLOAT", 4),
    column("event_ts", "TIMESTAMP", midnight),
    column("created", "TIMESTAMP", midnight),
  ];
  const without = (name: string) => good.filter((one) => one.name !== name);
  const files = [
    [
      "lacks the timestamp column",
      without("event_ts"),
      "PARQUET_COLUMN_MISSING",
      [/customer_30d\.parquet/, /event_ts/],
    ],
    ["lacks a field", without("aov_30d"), "PARQUET_COLUMN_MISSING", [/customer_30d\.parquet/, /aov_30d/]],
    [
      "has a column of another type",
      [...without("aov_30d"), column("aov_30d", "STRING", "dear")],
      "PARQUET_COLUMN_TYPE",
      [/customer_30d\.parquet/, /aov_30d/, /float32/],
    ],
  ] as const;
  let project: string;

  const write = (content: Uint8Array | string) =>
    writeFileSync(join(project, ".headgate", "customer_30d.parquet"), content);
  const stored = async () => {
    const { stdout } = await run(
      headgate("features", "get", "customer_30d_features", "customer_id=17", "--json"),
      project,
    );
    return JSON.parse(stdout).served.values;
  };

  const refusal = async () => {
    const { exitCode, stdout } = await run(headgate("materialize-incremental", "now", "--json"), project);
    expect(exitCode).toBe(1);
    return JSON.parse(stdout).views[0].error;
  };

  beforeAll(async () => {
    project = copyExample();
    await run([process.execPath, "prepare.mjs"], project);
    await run(headgate("apply"), project);
    expect((await run(headgate("materialize-incremental", "now"), project)).exitCode).toBe(0);
  });

  test.each(files)("that %s is refused, and what was served still is", async (_, columns, code, says) => {
    const before = await stored();
    write(Buffer.from(parquetWriteBuffer({ columnData: columns as never })));
    expect(await refusal()).toMatchObject({ code });
    const { exitCode, stderr } = await run(headgate("materialize-incremental", "now"), project);
    expect(exitCode).toBe(1);
    for (const sentence of says) expect(stderr).toMatch(sentence);
    expect(await stored()).toEqual(before);
    expect(before.orders_30d.status).toBe("PRESENT");
  });

  test("that is not Parquet is refused", async () => {
    write("customer_id,orders_30d\n17,3\n");
    expect(await refusal()).toMatchObject({ code: "PARQUET_INVALID" });
  });
});

describe("a wrong command line", () => {
  const lines: readonly (readonly [string, readonly string[]])[] = [
    ["an unknown command", ["predict"]],
    ["an unknown option", ["plan", "--chek"]],
    ["a missing argument", ["materialize", "2026-11-01"]],
    ["a join key without a value", ["features", "get", "customer_30d_features", "17"]],
    ["a project name that can't be one", ["init", "1 shop"]],
    ["an unknown feature view", ["features", "describe", "nope"]],
    ["a time that is none", ["materialize", "2026-13-01", "now"]],
  ];
  test.each(lines)("with %s ends with 2", async (_, words) => {
    const { exitCode, stderr } = await run(headgate(...words), copyExample());
    expect([exitCode, stderr === ""]).toEqual([2, false]);
  });

  test("that lacks a join key is told how to go on, in words of the command line", async () => {
    const { exitCode, stderr } = await run(headgate("features", "get", "customer_30d_features"), copyExample());
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining(
        '"customer_id" is missing; ask headgate features get customer_30d_features customer_id=…. [',
      ),
    ]);
  });

  test("is one JSON object on stderr with --json", async () => {
    for (const words of [["predict"], ["plan", "--chek"], ["materialize", "2026-11-01"], ["features"]]) {
      const { exitCode, stdout, stderr } = await run(headgate(...words, "--json"), copyExample());
      expect([exitCode, stdout, JSON.parse(stderr).error.code]).toEqual([2, "", "USAGE"]);
    }
  });

  test("a reader that closes the pipe early sees no stack", async () => {
    const words = headgate("features", "list").map((word) => `'${word}'`);
    const { stderr } = await run(["bash", "-c", `${words.join(" ")} | true`], copyExample());
    expect(stderr).toBe("");
  });

  test("a definition that awaits for ever is told", async () => {
    const project = copyExample();
    writeFileSync(join(project, "features", "stuck.ts"), "await new Promise(() => {});");
    const { exitCode, stderr } = await run(headgate("features", "list"), project);
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/awaits what never comes.*DEFINITION_INVALID/)]);
  });

  test("help ends with 0 and has an example", async () => {
    const { exitCode, stdout } = await run(headgate("materialize", "--help"), copyExample());
    expect([exitCode, /Example:\n {2}\$ headgate materialize /.test(stdout)]).toEqual([0, true]);
  });

  test("outside of a project the way out is named", async () => {
    for (const words of [["plan"], ["features", "list"], ["features", "describe", "x"]]) {
      const { exitCode, stderr } = await run(headgate(...words, "--project", "/"), copyExample());
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/no headgate\.config\.ts.*--project <dir>.*headgate init/);
    }
  });
});

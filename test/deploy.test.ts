/**
 * Holds deploy/ to the code: every command line there is one that the command line takes, every setting one that there
 * is, every port and user the same in all places; and the manifests are ones that Kubernetes takes, by its own schemas.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSchedule } from "../batch/nightly.ts";
import { SETTINGS } from "../config.ts";
import { findKubernetesValidate } from "./harness/kubernetes-validate.ts";
import { headgate, run, temporaryFolder } from "./harness/project.ts";
import { CHECKOUT } from "./harness/source-tree.ts";

const DEPLOY = join(CHECKOUT, "deploy");
const files = readdirSync(DEPLOY, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ parentPath, name }) => join(parentPath, name))
  .map((path) => ({ path, shown: path.slice(CHECKOUT.length + 1), text: readFileSync(path, "utf8") }));
const manifests = files.filter(({ shown }) => /kubernetes\/.*\.yaml$/.test(shown));
const textOf = (name: string) => files.find(({ path }) => basename(path) === name)!.text;
const numbersOf = (text: string, name: string) =>
  [...text.matchAll(new RegExp(`\\b${name}: "?(\\d+)`, "g"))].map((match) => Number(match[1]));

/** Command lines of `headgate`, as the words after it. */
const commandLines = [
  ...manifests.flatMap(({ shown, text }) => wordLists(text, /^ +args: (\[.*\])$/gm).map((words) => ({ shown, words }))),
  ...textOf("compose.yaml")
    .split(/^ {2}(?=\w+:$)/m)
    .filter((service) => service.includes("<<: *headgate"))
    .flatMap((service) => wordLists(service, /^ +command: (\[.*\])$/gm))
    .map((words) => ({ shown: "deploy/compose.yaml", words })),
  ...wordLists(textOf("Containerfile"), /^CMD (\[.*\])$/gm).map((words) => ({ shown: "deploy/Containerfile", words })),
];

function wordLists(text: string, lists: RegExp): readonly (readonly string[])[] {
  return [...text.matchAll(lists)].map((match) => JSON.parse(match[1]!) as string[]);
}

/** Shell lines of manifests that run `headgate`. */
const shellLines = manifests.flatMap(({ shown, text }) =>
  [...text.matchAll(/^ +- (exec headgate .*)$/gm)].map((match) => ({ shown, line: match[1]! })),
);

/** In a folder that is no project, a command line that is understood is refused for the folder. */
const UNDERSTOOD = { exitCode: 1, stderr: expect.stringContaining("[PROJECT_NOT_FOUND]") };

describe("command lines", () => {
  test("are found", () => {
    const commands = new Set(commandLines.map(({ words }) => words[0]));
    expect([...commands].sort()).toEqual(["apply", "ingest", "nightly", "serve"]);
    expect(shellLines.length).toBe(1);
  });

  test.each(commandLines)("$shown: headgate $words is one that the command line takes", async ({ words }) => {
    expect(await run(headgate(...words), temporaryFolder())).toMatchObject(UNDERSTOOD);
  });

  test.each(shellLines)("$shown: $line is one that the command line takes, for every index", async ({ line }) => {
    const folder = temporaryFolder();
    const [node, cli] = headgate();
    writeFileSync(join(folder, "headgate"), `#!/bin/sh\nexec '${node}' '${cli}' "$@"\n`, { mode: 0o755 });
    for (const index of [0, 7]) {
      const environment = { PATH: `${folder}:${process.env.PATH}`, JOB_COMPLETION_INDEX: String(index) };
      expect(await run(["/bin/sh", "-c", line], folder, environment)).toMatchObject(UNDERSTOOD);
    }
  });
});

test("every setting is one that there is, and every value one that it takes", () => {
  const known = new Map(Object.values(SETTINGS).map((setting) => [setting.environment, setting]));
  const named = files.flatMap(({ shown, text }) =>
    [...text.matchAll(/HEADGATE_[A-Z_]+/g)].map(([name]) => ({ shown, name })),
  );
  expect(named.filter(({ name }) => !known.has(name))).toEqual([]);
  const given = files.flatMap(({ shown, text }) =>
    [...text.matchAll(/^ +(HEADGATE_[A-Z_]+): "?([^"\n]+)"?$/gm)].map(([, name, value]) => ({
      shown,
      name: name!,
      value: value!,
    })),
  );
  expect(given.length).toBeGreaterThan(8);
  expect(given.filter(({ name, value }) => known.get(name)?.read(value) === undefined)).toEqual([]);
});

test("ports are the settings' defaults, wherever they stand", () => {
  const [port, healthPort] = [SETTINGS.port.fallback, SETTINGS.healthPort.fallback];
  expect(textOf("Containerfile")).toContain(`EXPOSE ${port} ${healthPort} ${SETTINGS.nightlyHealthPort.fallback}\n`);
  expect(textOf("compose.yaml")).toContain(`"127.0.0.1:${port}:${port}"`);
  for (const [name, own] of [
    ["gateway.yaml", port],
    ["ingest.yaml", healthPort],
  ] as const) {
    expect(numbersOf(textOf(name), "containerPort")).toEqual([own]);
    expect(numbersOf(textOf(name), "prometheus.io/port")).toEqual([own]);
  }
});

test("a gateway has the time to drain that its settings say, and is looked at often enough for it", () => {
  const settings = textOf("settings.yaml");
  const written = (name: "drainGrace" | "drainTimeout") =>
    SETTINGS[name].read(new RegExp(`${SETTINGS[name].environment}: (\\S+)`).exec(settings)?.[1])!;
  const gateway = textOf("gateway.yaml");
  const [graceSeconds] = numbersOf(gateway, "terminationGracePeriodSeconds");
  expect(graceSeconds! * 1_000).toBeGreaterThan(written("drainGrace") + written("drainTimeout"));
  const [, periodSeconds] = numbersOf(gateway, "periodSeconds");
  const [, failures] = numbersOf(gateway, "failureThreshold");
  expect(written("drainGrace")).toBeGreaterThan(periodSeconds! * failures! * 1_000);
  const [stopSeconds] = numbersOf(textOf("compose.yaml"), "stop_grace_period");
  expect(stopSeconds! * 1_000).toBeGreaterThan(SETTINGS.drainGrace.fallback + SETTINGS.drainTimeout.fallback);
});

test("schedules are ones that come", () => {
  const written = files.flatMap(({ text }) => [
    ...text.matchAll(/^ +(?:HEADGATE_NIGHTLY_SCHEDULE|schedule): "(.+)"$/gm),
  ]);
  expect(written.length).toBe(2);
  const [, zone] = /timeZone: (\S+)/.exec(textOf("nightly.yaml"))!;
  for (const [, pattern] of written) expect(() => parseSchedule(pattern!, zone!, 0)).not.toThrow();
});

test("the sharded load has as many shards as completions", () => {
  const text = textOf("materialize.yaml");
  const [, shards] = /--shard "\$\(\(JOB_COMPLETION_INDEX \+ 1\)\)\/(\d+)"/.exec(text)!;
  expect([...numbersOf(text, "completions"), ...numbersOf(text, "parallelism")]).toEqual([
    Number(shards),
    Number(shards),
  ]);
});

test("the kustomization has every manifest but ingest, which is asked for, and the jobs, which are started by hand", () => {
  const resources = kustomized();
  expect(resources).not.toContain("ingest.yaml");
  expect(textOf("kustomization.yaml")).toContain("\n  # - ingest.yaml\n");
  const kept = readdirSync(join(DEPLOY, "kubernetes")).filter(
    (name) => name.endsWith(".yaml") && name !== "kustomization.yaml" && name !== "ingest.yaml",
  );
  expect([...resources].sort()).toEqual(kept.sort());
});

function kustomized(): readonly string[] {
  const [, list] = /^resources:\n((?: {2}(?:- |# ).*\n)+)/m.exec(textOf("kustomization.yaml"))!;
  return [...list!.matchAll(/^ {2}- (.*)$/gm)].map(([, name]) => name!);
}

test("the jobs' image is the one that the kustomization puts into all others", () => {
  const [, name, tag] = /newName: (\S+)\n +newTag: "(\S+)"/.exec(textOf("kustomization.yaml"))!;
  const images = (text: string) => [...text.matchAll(/^ +image: (\S+)$/gm)].map(([, image]) => image);
  for (const { shown, text } of manifests.filter((file) => file.text.includes("containers:"))) {
    expect(images(text), shown).toEqual([shown.includes("/jobs/") ? `${name}:${tag}` : "headgate"]);
  }
});

test("every pod has the service account, whose name is in a manifest", () => {
  expect(textOf("service-account.yaml")).toMatch(/kind: ServiceAccount\nmetadata:\n {2}name: headgate\n/);
  for (const { shown, text } of manifests.filter((file) => file.text.includes("containers:"))) {
    expect(text, shown).toContain(" serviceAccountName: headgate\n");
  }
});

test("no password is written where one could be left as it is", () => {
  for (const { shown, text } of manifests) expect(text, shown).not.toMatch(/change-?me|^ +HEADGATE_ADMIN_TOKEN:/im);
});

test("what loads has the memory that its decoding thread may take, and as much again for the rest", () => {
  for (const name of ["nightly.yaml", "materialize.yaml"]) {
    expect(textOf(name)).toMatch(/requests: \{ cpu: "2", memory: 2Gi \}\n +limits: \{ memory: 2Gi \}\n/);
  }
});

test("docs/operating.md installs in an order that works: what a step needs is there before it", () => {
  const [, section] = readFileSync(join(CHECKOUT, "docs/operating.md"), "utf8").split(/^## Kubernetes$/m);
  const [, commands] = /```\n([\s\S]*?)```/.exec(section!)!;
  const steps = commands!
    .split("\n")
    .map((line) => [...line.matchAll(/deploy\/kubernetes[\w./-]*/g)].map(([path]) => path));
  const stepOf = (name: string) => steps.findIndex((paths) => paths.includes(`deploy/kubernetes${name}`));
  for (const path of steps.flat()) expect(existsSync(join(CHECKOUT, path)), path).toBe(true);
  const needed = ["/namespace.yaml", "/settings.yaml", "/jobs/apply.yaml", ""].map(stepOf);
  expect(needed).not.toContain(-1);
  expect(needed).toEqual([...needed].sort((a, b) => a - b));
  expect(stepOf("/service-account.yaml")).toBe(stepOf("/settings.yaml"));
});

describe("manifests", () => {
  const found = findKubernetesValidate();
  const missing = "missing" in found ? ` (skipped: ${found.missing})` : "";
  const kinds = manifests.filter(({ path }) => basename(path) !== "kustomization.yaml");

  test.skipIf("missing" in found).each(kinds)(`$shown is what Kubernetes takes${missing}`, ({ path, text }) => {
    const file = join(temporaryFolder(), basename(path));
    // The program asks for a name, which Kubernetes makes from generateName.
    writeFileSync(file, text.replace("generateName:", "name:"));
    const program = "program" in found ? found.program : "";
    const told = execFileSync(program, ["--strict", file], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    expect(told).not.toMatch(/ERROR|WARN/);
  });
});

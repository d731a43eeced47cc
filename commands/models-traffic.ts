/**
 * `headgate models promote`, `canary`, `shadow`, `rollback`, `retire` and `traffic`: who answers a model's requests. They
 * write the repository's traffic file, conditionally; gateways notice.
 */

import { readFile } from "node:fs/promises";
import { HeadgateError, reasonOf } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";
import {
  canary,
  changeTraffic,
  promote,
  readTrafficState,
  replaceTraffic,
  retire,
  retireModel,
  rollback,
  shadow,
  type TrafficChange,
} from "../models/deploy-traffic.ts";
import {
  absentParts,
  type CanaryGuard,
  checkGuard,
  parseTraffic,
  type Traffic,
  trafficJson,
} from "../models/traffic.ts";
import { answer, type CommandContext, EXIT } from "./command.ts";
import { withModels } from "./models-project.ts";

/** Requests that a guard looks back where `--guard` does not say. */
const GUARD_REQUESTS = 500;

/** Makes a version stable. */
export function promoteModel(context: CommandContext, model: string, version: string | undefined): Promise<number> {
  return change(context, model, promote(givenVersion(version)));
}

/** Gives a version a share of the entities. */
export function canaryModel(
  context: CommandContext,
  model: string,
  version: string | undefined,
  { percent, guard }: Record<string, unknown>,
): Promise<number> {
  if (percent === undefined) {
    throw new HeadgateError("USAGE", "The canary's share is missing; give it as --percent 10.");
  }
  const share = /^\d+(\.\d+)?$/.test(String(percent)) ? Number(percent) : Number.NaN;
  if (Number.isNaN(share)) throw new HeadgateError("USAGE", `--percent is "${percent}"; it is a number from 0 to 100.`);
  return change(context, model, canary(givenVersion(version), share, guard === undefined ? undefined : guardOf(guard)));
}

/** Lets a version see the same features off the answer's path, or with --remove no longer. */
export function shadowModel(
  context: CommandContext,
  model: string,
  version: string | undefined,
  { remove }: Record<string, unknown>,
): Promise<number> {
  return change(context, model, shadow(givenVersion(version), remove !== true));
}

/** Ends the canary, or goes back to the version before. */
export function rollbackModel(context: CommandContext, model: string): Promise<number> {
  return change(context, model, rollback());
}

/** Deletes a version for good, or with --all the model. */
export function retireVersion(
  context: CommandContext,
  model: string,
  version: string | undefined,
  { all }: Record<string, unknown>,
): Promise<number> {
  if ((version === undefined) !== (all === true)) {
    throw new HeadgateError("USAGE", "Say which version to retire, or --all for the whole model; one of the two.");
  }
  return withModels(context, async (tools) => {
    if (version === undefined) {
      await retireModel(tools, model);
      answer(context, { model, retired: "all" }, `${model} is gone, with all of its versions.`);
      return EXIT.done;
    }
    await retire(tools, model, versionOf(version));
    answer(context, { model, retired: versionOf(version) }, `Version ${version} of ${model} is gone.`);
    return EXIT.done;
  });
}

/** Shows the traffic, or puts a file in its place. */
export async function trafficOfModel(context: CommandContext, model: string, file: string | undefined) {
  if (file !== undefined) return change(context, model, replaceTraffic(await readTrafficFile(file)));
  return withModels(context, async ({ repository }) => {
    const { traffic, versions } = await readTrafficState(repository, model);
    const told =
      traffic === undefined
        ? `${model} has no traffic file: the newest version that loads answers.`
        : [trafficText(model, traffic), ...absentParts(model, traffic, versions)].join(" ");
    answer(context, { model, traffic: jsonOf(traffic), versions }, told);
    return EXIT.done;
  });
}

/** Traffic in a line. */
export function trafficText(model: string, traffic: Traffic): string {
  const { stable, canary: share, shadow: shadows = [], previous } = trafficJson(traffic);
  const parts = [
    `stable is ${stable}`,
    ...(share === undefined ? [] : [`canary is ${share.version} with ${share.percent} %`, ...guardText(share.guard)]),
    ...(shadows.length === 0 ? [] : [`shadow is ${shadows.join(", ")}`]),
    ...(previous === undefined ? [] : [`before it was ${previous}`]),
  ];
  return `${model}: ${parts.join(", ")}.`;
}

/** A guard as the file has it. */
function guardText(guard: Readonly<Record<string, number>> | undefined): readonly string[] {
  if (guard === undefined) return [];
  const { requests, ...bounds } = guard;
  const shown = Object.entries(bounds).map(([name, bound]) => `${name} ${bound}`);
  return [`ended over ${shown.join(" or ")} of its last ${requests} requests`];
}

function change(context: CommandContext, model: string, wanted: TrafficChange): Promise<number> {
  return withModels(context, async (tools) => {
    const { changed, traffic } = await changeTraffic(tools, model, wanted);
    const text = trafficText(model, traffic);
    answer(context, { model, changed, traffic: jsonOf(traffic) }, changed ? text : `${text} Nothing had to change.`);
    return EXIT.done;
  });
}

const jsonOf = (traffic: Traffic | undefined): JsonValue =>
  traffic === undefined ? null : (trafficJson(traffic) as unknown as JsonValue);

async function readTrafficFile(file: string): Promise<Traffic> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (thrown) {
    throw new HeadgateError("TRAFFIC_INVALID", `${file} can't be read: ${reasonOf(thrown)}.`, thrown);
  }
  return parseTraffic(text, file);
}

/** Undefined: none was named. */
function givenVersion(text: string | undefined): number | undefined {
  return text === undefined ? undefined : versionOf(text);
}

function versionOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new HeadgateError("USAGE", `"${text}" is no version; versions are whole numbers from 1.`);
}

/** `error_rate=0.02,psi=0.25` as a traffic file has it. */
function guardOf(text: unknown): CanaryGuard {
  const bounds = String(text)
    .split(",")
    .map((part): [string, unknown] => {
      const [name = "", value = ""] = part.trim().split("=");
      return [name, /^\d+(\.\d+)?$/.test(value) ? Number(value) : value];
    });
  return checkGuard({ requests: GUARD_REQUESTS, ...Object.fromEntries(bounds) }, "--guard");
}

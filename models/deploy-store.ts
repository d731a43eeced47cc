/**
 * The last step of a deploy: the files are stored, and the version can be seen. No traffic is moved by it: where no
 * traffic file says who serves, one that names the version serving now is written just before, so that a store that
 * fails before leaves nothing.
 */

import { HeadgateError, hasCode } from "../errors.ts";
import type { StepResult } from "./deploy-step.ts";
import type { ModelRepository, VersionUpload } from "./repository.ts";
import { formatTraffic } from "./traffic.ts";

/** A version that has passed. */
export interface CheckedVersion extends Pick<VersionUpload, "files" | "manifest"> {
  readonly model: string;
  readonly version: number;
}

/** What storing needs of a deploy's tools. */
interface StoreTools {
  readonly repository: ModelRepository;
  readonly servingVersion: (model: string) => Promise<number | undefined>;
}

/** Stores it, and tells whether it answers its model's requests now, as the first that there is. Rejects as the repository does. */
export async function storeVersion(tools: StoreTools, checked: CheckedVersion): Promise<StepResult<boolean>> {
  const { repository } = tools;
  const { files, manifest, model, version } = checked;
  let pin: Pin = { isThere: false, written: undefined };
  const beforeSeen = async () => {
    pin = await pinTraffic(tools, model);
  };
  try {
    await repository.addVersion(model, version, { files, manifest, beforeSeen });
  } catch (thrown) {
    throw pin.written === undefined ? thrown : withPin(thrown, model, pin.written);
  }
  // Nothing served before, so nothing is moved; a traffic file that somebody else wrote meanwhile stands.
  const isFirst = !pin.isThere && (await putFirstTraffic(repository, model, version));
  return { value: isFirst, detail: `version ${version} is in ${repository.address}` };
}

/** What is written down of who serves. */
interface Pin {
  readonly isThere: boolean;
  /** The version that this deploy wrote down. */
  readonly written: number | undefined;
}

/** Writes down who serves where only the newest version's number says it. */
async function pinTraffic({ repository, servingVersion }: StoreTools, model: string): Promise<Pin> {
  if ((await trafficOf(repository, model)) !== undefined) return { isThere: true, written: undefined };
  const serving = await servingVersion(model);
  if (serving === undefined) return { isThere: false, written: undefined };
  const isOurs = await putFirstTraffic(repository, model, serving);
  return { isThere: true, written: isOurs ? serving : undefined };
}

/** A repository takes no traffic file back, so who is refused at the very end is told of the one that stays. */
function withPin(thrown: unknown, model: string, stable: number): unknown {
  if (!(thrown instanceof HeadgateError)) return thrown;
  const stays = `${model}/traffic.json, written for this deploy, stays: version ${stable} serves on, and no newer one does before it is promoted.`;
  return new HeadgateError(thrown.code, `${thrown.message} ${stays}`, thrown);
}

async function trafficOf(repository: ModelRepository, model: string) {
  return repository.readTraffic(model).catch((thrown: unknown) => {
    if (hasCode(thrown, "MODEL_NOT_FOUND")) return undefined;
    throw thrown;
  });
}

/** False where somebody else was first. */
async function putFirstTraffic(repository: ModelRepository, model: string, stable: number): Promise<boolean> {
  const content = formatTraffic({ stable, canary: undefined, shadow: [], previous: undefined });
  try {
    await repository.putTraffic(model, content, undefined);
    return true;
  } catch (thrown) {
    if (!hasCode(thrown, "DEPLOY_CONFLICT")) throw thrown;
    return false;
  }
}

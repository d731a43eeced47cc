/**
 * What a model file is, before there is a manifest for it: whether the runtime has its operators and types, what it
 * takes and gives, and which files of weights it needs. It is opened for that and let go of again.
 */

import { HeadgateError } from "../errors.ts";
import { type OpenedModel, openElsewhere, openHere, type VersionFiles } from "./opened-model.ts";
import type { Graph } from "./signature.ts";
import type { ClassLabels } from "./zipmap.ts";

/** A file of a model to be deployed, by its name alone. */
export interface DeployFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a model file turned out to be. */
export interface InspectedModel {
  readonly graph: Graph;
  /** By ONNX output whose ZipMap was taken out. */
  readonly classLabels: Readonly<Record<string, ClassLabels>>;
}

/** Looks what a model file is, until it is aborted; `weights` are the files that came with it. Throws MODEL_FILE_INVALID. */
export type InspectModel = (
  file: DeployFile,
  weights: readonly DeployFile[],
  signal?: AbortSignal,
) => Promise<InspectedModel>;

/** Looks on this thread, which waits for it. */
export const inspectHere: InspectModel = (file, weights) => inspect(openHere, file, weights);

/** Looks in a worker of its own, so that nothing here waits, nor falls with a file that takes the runtime down. */
export const inspectElsewhere: InspectModel = (file, weights, signal) => inspect(openElsewhere, file, weights, signal);

async function inspect(
  open: (files: VersionFiles) => Promise<OpenedModel>,
  file: DeployFile,
  weights: readonly DeployFile[],
  signal?: AbortSignal,
): Promise<InspectedModel> {
  const opened = await open({ repository: sentFiles(file, weights), name: file.name, version: 0, signal });
  await opened.session.release();
  const needed = opened.weights.map(({ name }) => name);
  const unneeded = weights.find(({ name }) => !needed.includes(name));
  if (unneeded === undefined) return Object.freeze({ graph: opened.session.graph, classLabels: opened.classLabels });
  throw new HeadgateError(
    "MODEL_FILE_INVALID",
    `${file.name} keeps no weights in ${unneeded.name}, which came with it; leave that file out, or send the model that it is of.`,
  );
}

/** Files that were sent, as a repository has them. Throws MODEL_FILE_INVALID for weights that did not come. */
export function sentFiles(file: DeployFile, weights: readonly DeployFile[]): VersionFiles["repository"] {
  return Object.freeze({
    readModel: async () => ({ file: file.name, content: file.bytes }),
    readWeights: async (_model: string, _version: number, name: string) => {
      const sent = weights.find((one) => one.name === name);
      if (sent !== undefined) return { file: name, content: sent.bytes };
      throw new HeadgateError(
        "MODEL_FILE_INVALID",
        `${file.name} keeps weights in ${name}, which did not come with it; deploy it together with that file.`,
      );
    },
  });
}

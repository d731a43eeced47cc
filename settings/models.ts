/** Settings of the models: where they lie, what is kept of them, how soon a change is noticed, how large one may be. */

import { choice, count, text, wait } from "./setting.ts";

/** The table; see config.ts. */
export const MODEL_SETTINGS = Object.freeze({
  models: text(
    "HEADGATE_MODELS",
    "address",
    "models",
    "The model repository: a folder, relative to the project folder, or s3://bucket/prefix.",
  ),
  modelsRequired: choice(
    ["HEADGATE_MODELS_REQUIRED", "on or off", "on"],
    ["on", "off"],
    "Whether a gateway without a model refuses to start. off: it serves features alone, or waits for its first deploy.",
  ),
  modelsCache: text(
    "HEADGATE_MODELS_CACHE",
    "folder",
    ".headgate/models",
    "Where a gateway keeps a copy of the models that it read from S3, relative to the project folder, to start from when S3 is away. It holds what is in the repository still; a disk that outlives the gateway's host makes it worth having.",
  ),
  modelsPoll: wait(
    "HEADGATE_MODELS_POLL",
    "1s",
    "How often the model repository is asked what has changed, by one list call. Shorter notices a deploy sooner and costs more calls.",
  ),
  modelsReady: count(
    "HEADGATE_MODELS_READY",
    "versions",
    2,
    [0, 100],
    "How many of a model's versions above the stable one are kept loaded besides those with a part in its traffic. Each takes its memory; one that is not loaded takes its time to load before it can have a part.",
  ),
  maxModelBytes: count(
    "HEADGATE_MAX_MODEL_BYTES",
    "bytes",
    536_870_912,
    [1_024, 2_147_483_647],
    "The largest model that is taken by upload, its files of weights included. It is in memory more than once while it is checked.",
  ),
});

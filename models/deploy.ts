/**
 * A deploy: files that somebody sends become a version that is served, or they are refused with a sentence and nothing
 * of them is left. The steps go from cheap to dear, and each asks what the next one takes for granted: are these the
 * bytes that were sent, can the runtime load them, do they fit a manifest and its feature service, do they answer the
 * golden examples, do they answer for entities that are really stored, are the features they read right.
 *
 * The version's number is taken first, so that of two deploys that began with the same one, one is told at the end.
 * Storing moves no traffic: where no traffic file says who serves, one that names the version serving now is written
 * before the new version can be seen.
 */

import { HeadgateError, hasCode } from "../errors.ts";
import type { ParityVerdicts } from "../features/parity-verdict.ts";
import { compileReadPlan, viewsOf } from "../features/read-plan.ts";
import type { Registry } from "../features/registry.ts";
import { linkAbort } from "../linked-abort.ts";
import { type DeployFile, type InspectedModel, type InspectModel, sentFiles } from "./deploy-graph.ts";
import { chooseManifest, type ManifestText, otherManifest, storedManifest } from "./deploy-manifest.ts";
import { checkParity } from "./deploy-parity.ts";
import { createSteps, type DeployStep, type RunStep } from "./deploy-step.ts";
import { storeVersion } from "./deploy-store.ts";
import { gradualSums } from "./deploy-sums.ts";
import type { FileSum } from "./file-sums.ts";
import { compileExamples } from "./golden.ts";
import type { LoadedModel, VersionToLoad } from "./loaded-model.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { type ServiceColumns, skeletonOf } from "./manifest-skeleton.ts";
import { checkModelName, type ModelRepository } from "./repository.ts";
import { requireAnswer } from "./repository-answer.ts";
import { MODEL_FILE } from "./repository-layout.ts";
import { compileSignature, type Graph } from "./signature.ts";

/** A version that is to be loaded to see whether it can be; `signal` gives it up. */
export type CandidateToLoad = Pick<VersionToLoad, "repository" | "name" | "version" | "manifest" | "signal">;

/** What deploys need of the process they run in, a gateway's or a command's. */
export interface DeployTools {
  readonly repository: ModelRepository;
  readonly registry: Registry;
  readonly inspect: InspectModel;
  /** Opens a version beside whatever serves, so that nothing waits for it. */
  readonly load: (version: CandidateToLoad) => Promise<LoadedModel>;
  /** Runs a loaded version over real entities; gives what was found in a sentence. Throws DRY_RUN_FAILED. */
  readonly dryRun: (model: LoadedModel, signal?: AbortSignal) => Promise<string>;
  readonly parityVerdicts: (views: readonly string[]) => Promise<ParityVerdicts>;
  /** The version that answers a model's requests now; undefined where none does. */
  readonly servingVersion: (model: string) => Promise<number | undefined>;
  /** Epoch ms. */
  readonly now: () => number;
  /** Monotonic ms. */
  readonly clock: () => number;
  /** Aborted when the process ends: what is under way is given up with its reason, and its workers are ended. */
  readonly signal?: AbortSignal | undefined;
}

/** What is to be deployed. */
export interface DeployRequest {
  readonly model: string;
  /** The number that was taken for it when it began to be sent; undefined takes the next one now. */
  readonly version?: number;
  /** The ONNX file, whatever it is called. */
  readonly file: DeployFile;
  /** The files that the graph keeps weights in. */
  readonly weights: readonly DeployFile[];
  /** Undefined: that of the model's newest version, or one made from the graph. */
  readonly manifest: ManifestText | undefined;
  /** What the ONNX file's SHA-256 has to be, hexadecimal. */
  readonly sha256: string | undefined;
  /** True: everything is checked and nothing is stored. */
  readonly dryRun: boolean;
  /** Told of each step as soon as it is over. */
  readonly onStep: (step: DeployStep) => void;
  /** The longest that all checks may take, ms; CHECKS_MAX_MS unless given. */
  readonly checksMaxMs?: number;
}

/**
 * The longest that all checks of a deploy may take, ms: a gateway has few deploys at a time, and a slow model with many
 * examples would hold one for hours.
 */
const CHECKS_MAX_MS = 10 * 60_000;

/** A version that passed. */
export interface Deployed {
  readonly model: string;
  /** With `dryRun` the number that it would have got. */
  readonly version: number;
  readonly stored: boolean;
  /** Nothing answered for its model before, so that it does. */
  readonly isFirst: boolean;
  /** Of the ONNX file. */
  readonly sha256: string;
  /** As it is stored. */
  readonly manifest: string;
}

/**
 * Deploys a version. Throws CHECKSUM_MISMATCH, MODEL_FILE_INVALID, MANIFEST_INVALID and SIGNATURE_MISMATCH (ManifestNeeded where none came with it),
 * GOLDEN_MISMATCH, MODEL_FAILED, DRY_RUN_FAILED, PARITY_REQUIRED, DEPLOY_CONFLICT, and what the repository or the online
 * store throw.
 */
export async function deploy(tools: DeployTools, request: DeployRequest): Promise<Deployed> {
  const { checksMaxMs = CHECKS_MAX_MS } = request;
  const { controller: limit, release } = linkAbort(tools.signal);
  const late = () => limit.abort(tooLong(checksMaxMs));
  const timer = setTimeout(late, checksMaxMs);
  try {
    return await deployWithin({ ...tools, signal: limit.signal }, request, () => clearTimeout(timer));
  } finally {
    clearTimeout(timer);
    release();
  }
}

function tooLong(checksMaxMs: number): HeadgateError {
  return new HeadgateError(
    "MODEL_FAILED",
    `The checks of this deploy took longer than ${checksMaxMs / 1_000} s and were given up; make the model quicker, or its examples fewer.`,
  );
}

async function deployWithin(tools: DeployTools, request: DeployRequest, onChecked: () => void): Promise<Deployed> {
  const { repository } = tools;
  const { file, model, weights } = request;
  checkModelName(model);
  const version = request.version ?? (await takeNumber(repository, model));
  const run = createSteps(tools.clock, request.onStep, tools.signal);
  const sums = await run("checksum", () => checkSum(request));
  const inspected = await run("graph", () => inspect(tools, file, weights));
  const checked = await run("manifest", () => checkManifest(tools, request, inspected, sums));
  await run("signature", () => checkSignature(tools, request, checked.manifest, inspected));
  const candidate: Candidate = { model, version, file, weights, ...checked };
  const loaded = await run("golden", () => loadBeside(tools, candidate));
  try {
    await proveOnStore(tools, run, loaded, checked.manifest);
  } finally {
    await loaded.close();
  }
  onChecked();
  let isFirst = false;
  if (!request.dryRun) {
    const files = storedFiles(file, weights);
    isFirst = await run("store", () => storeVersion(tools, { model, version, files, manifest: checked.text }));
  }
  return Object.freeze({
    model,
    version,
    stored: !request.dryRun,
    isFirst,
    sha256: sums.get(MODEL_FILE)!.sha256,
    manifest: checked.text,
  });
}

/**
 * The number that a model's next version will have unless another deploy is quicker. Throws REPOSITORY_UNREACHABLE, since
 * a copy would give a number that may be taken.
 */
export async function takeNumber(repository: ModelRepository, model: string): Promise<number> {
  checkModelName(model);
  await requireAnswer(repository);
  return repository.nextVersion(model);
}

/** By the names that the files have in the repository. */
type Sums = ReadonlyMap<string, FileSum>;

async function checkSum({ file, sha256, weights }: DeployRequest) {
  const value: Sums = await gradualSums(storedFiles(file, weights));
  const { bytes, sha256: found } = value.get(MODEL_FILE)!;
  if (sha256 === undefined || sha256.toLowerCase() === found) {
    const compared = sha256 === undefined ? "" : ", as it was said to be";
    return { value, detail: `${file.name}: ${bytes} bytes, SHA-256 ${found}${compared}` };
  }
  throw new HeadgateError(
    "CHECKSUM_MISMATCH",
    `${file.name} has the SHA-256 ${found}, not ${sha256.slice(0, 64)}: it was changed or cut on its way; send it again.`,
  );
}

async function inspect({ inspect: look, signal }: DeployTools, file: DeployFile, weights: readonly DeployFile[]) {
  const value = await look(file, weights, signal);
  const { inputs, outputs } = value.graph;
  return { value, detail: `the runtime loads it: ${counted(inputs, "input")}, ${counted(outputs, "output")}` };
}

/** A manifest as it would be stored, and parsed. */
interface CheckedManifest {
  readonly text: string;
  readonly manifest: Manifest;
}

async function checkManifest(
  { repository, registry }: DeployTools,
  { manifest: given, model }: DeployRequest,
  inspected: InspectedModel,
  sums: Sums,
) {
  const chosen =
    given === undefined
      ? await chooseManifest(repository, model, inspected, servicesOf(registry))
      : { ...given, origin: given.file };
  const text = storedManifest(chosen, sums, inspected.classLabels);
  const value: CheckedManifest = { text, manifest: parseManifest(text, chosen.file) };
  return { value, detail: chosen.origin };
}

function servicesOf(registry: Registry): readonly ServiceColumns[] {
  const services = [...registry.services.values()];
  return services.map((service) => ({ service: service.name, columns: compileReadPlan(service).columns }));
}

/** Asked of the graph before the model is loaded, so that a mismatch is not told by a run that fails. */
async function checkSignature(
  { registry }: DeployTools,
  { manifest: given }: DeployRequest,
  manifest: Manifest,
  { classLabels, graph }: InspectedModel,
) {
  try {
    return signatureStep(registry, manifest, graph);
  } catch (thrown) {
    if (given !== undefined || !hasCode(thrown, "SIGNATURE_MISMATCH")) throw thrown;
    throw otherManifest(thrown, skeletonOf(graph, servicesOf(registry), classLabels));
  }
}

function signatureStep(registry: Registry, manifest: Manifest, graph: Graph) {
  const service = registry.services.get(manifest.service);
  if (service === undefined) {
    throw new HeadgateError(
      "SIGNATURE_MISMATCH",
      `${manifest.file}: there is no feature service "${manifest.service}" in the feature repository; declare it, or name one that is.`,
    );
  }
  const { columns } = compileReadPlan(service);
  const signature = compileSignature(manifest, graph, columns);
  compileExamples(manifest, columns);
  const features = counted(signature.columns, "feature");
  return { value: signature, detail: `its inputs take ${features} of feature service "${manifest.service}"` };
}

/** A version's files as they are called in the repository. */
function storedFiles(file: DeployFile, weights: readonly DeployFile[]): readonly DeployFile[] {
  return [{ name: MODEL_FILE, bytes: file.bytes }, ...weights];
}

/** A version that is not in the repository yet. */
interface Candidate extends CheckedManifest {
  readonly model: string;
  readonly version: number;
  readonly file: DeployFile;
  readonly weights: readonly DeployFile[];
}

async function loadBeside({ load, signal }: DeployTools, { file, manifest, model, text, version, weights }: Candidate) {
  const readManifest = async () => ({ file: manifest.file, content: text });
  const repository = { ...sentFiles(file, weights), readManifest };
  const value = await load({ repository, name: model, version, manifest, signal });
  const { examples } = manifest;
  const answered =
    examples.length === 0
      ? "the manifest has no golden example"
      : `it answers ${counted(examples, "golden example")}, alone and in a batch`;
  return { value, detail: `${answered}; one run takes ${value.runMicros} µs` };
}

async function proveOnStore(tools: DeployTools, run: RunStep, loaded: LoadedModel, manifest: Manifest) {
  await run("dry_run", async () => ({ value: undefined, detail: await tools.dryRun(loaded, tools.signal) }));
  if (manifest.requireParityMs === undefined) return;
  const views = viewsOf(tools.registry.services.get(manifest.service)!).map(({ name }) => name);
  await run("parity", async () => ({
    value: undefined,
    detail: checkParity(manifest, views, await tools.parityVerdicts(views), tools.now()),
  }));
}

function counted(things: readonly unknown[], name: string): string {
  return `${things.length} ${name}${things.length === 1 ? "" : "s"}`;
}

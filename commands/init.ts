/**
 * `headgate init <dir>`: a new project that works as it stands: the churn example's definitions, model and data under
 * the project's own name, to be replaced file by file.
 */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { HeadgateError, reasonOf } from "../errors.ts";
import { packageManifest, packageRoot } from "../package-root.ts";
import { answer, type CommandContext, EXIT } from "./command.ts";

const COPIED = ["features", "models", "data", "prepare.mjs", "headgate.config.ts"];

/** Makes the project. Throws PROJECT_EXISTS when the folder holds anything, PROJECT_UNWRITABLE, USAGE for a name that can't be a project's. */
export async function init(context: CommandContext, directory: string): Promise<number> {
  const target = resolve(directory);
  const name = basename(target);
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,62}$/.test(name)) {
    throw new HeadgateError(
      "USAGE",
      `"${name}" can't be a project's name; use letters, digits, "_" and "-", such as "shop".`,
    );
  }
  writeProject(target, name);
  const shown = relative(process.cwd(), target) || ".";
  const next = ["npm install", "npm start"];
  const text = `Made ${shown}. Next:\n\n  cd ${shown}\n${next.map((line) => `  ${line}\n`).join("")}`;
  answer(context, { project: name, directory: target, next }, text);
  return EXIT.done;
}

function writeProject(target: string, name: string): void {
  try {
    if (existsSync(target) && readdirSync(target).length > 0) {
      throw new HeadgateError("PROJECT_EXISTS", `${target} is not empty. Name a new folder, or empty this one.`);
    }
    copyTemplate(target, name);
  } catch (thrown) {
    if (thrown instanceof HeadgateError) throw thrown;
    throw new HeadgateError(
      "PROJECT_UNWRITABLE",
      `${target} can't be written: ${reasonOf(thrown)}. Name a folder that you may write.`,
      thrown,
    );
  }
}

function copyTemplate(target: string, name: string): void {
  const template = join(packageRoot(), "examples", "churn");
  makeFolder(target);
  for (const entry of COPIED) cpSync(join(template, entry), join(target, entry), { recursive: true });
  const config = readFileSync(join(target, "headgate.config.ts"), "utf8");
  writeFileSync(join(target, "headgate.config.ts"), config.replace('project: "churn"', `project: "${name}"`));
  for (const [file, content] of Object.entries(projectFiles(target, name))) {
    writeFileSync(join(target, file), content);
  }
}

/** Folder by folder: Node's own recursion never ends where a file system, such as /proc, denies that a folder is there. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path);
}

/** The version to ask npm for: this very checkout, or the tarball that this package was installed from, where it was one. */
function headgateVersion(target: string, version: string): string {
  const root = resolve(packageRoot());
  const modules = dirname(root);
  // Only a checkout can build itself; one that came as an archive has no .git.
  if (existsSync(join(root, "build.mjs"))) return `file:${relative(target, root)}`;
  try {
    const lock = JSON.parse(readFileSync(join(modules, ".package-lock.json"), "utf8")) as InstalledPackages;
    const [, tarball] = /^file:(.+\.tgz)$/.exec(lock.packages["node_modules/headgate"]?.resolved ?? "") ?? [];
    const path = tarball === undefined ? undefined : resolve(dirname(modules), tarball);
    if (path !== undefined && existsSync(path)) return `file:${relative(target, path)}`;
  } catch {
    // Not installed by npm: by another installer, which keeps no such file.
  }
  return `^${version}`;
}

/** What `npm start` does before all else, as long as the project's data is the example's. */
const PREPARE = "node prepare.mjs &&";

/** As far as it is used, npm's record of what it installed. */
interface InstalledPackages {
  readonly packages: Readonly<Record<string, { readonly resolved?: string } | undefined>>;
}

function projectFiles(target: string, name: string): Readonly<Record<string, string>> {
  const { version, dependencies } = packageManifest();
  const manifest = {
    name: name.toLowerCase(),
    private: true,
    type: "module",
    scripts: {
      start: `${PREPARE} headgate apply && headgate materialize-incremental now && headgate serve`,
    },
    dependencies: {
      headgate: headgateVersion(target, version),
      hyparquet: dependencies.hyparquet,
      "hyparquet-writer": dependencies["hyparquet-writer"],
    },
  };
  return {
    "package.json": `${JSON.stringify(manifest, null, 2)}\n`,
    ".npmrc":
      "# onnxruntime-node's install script downloads a GPU library nobody here needs; every CPU binary is in the package.\nignore-scripts=true\n",
    ".gitignore": "node_modules/\n.headgate/\nreports/\n",
    "tsconfig.json": `${JSON.stringify({ compilerOptions: { module: "nodenext", target: "es2023", strict: true, noEmit: true, allowImportingTsExtensions: true, skipLibCheck: true } }, null, 2)}\n`,
    "README.md": readme(name),
  };
}

function readme(name: string): string {
  return `# ${name}

Predictions with live features, served by Headgate.

    npm install
    npm start

| file | what it is |
| --- | --- |
| \`headgate.config.ts\` | settings |
| \`features/*.ts\` | entities, feature views, feature services |
| \`models/<name>/model.json\` | which features feed which input, what the answer holds |
| \`models/<name>/<version>/model.onnx\` | the model |
| \`data/\`, \`prepare.mjs\` | the example's data; delete both, take \`${PREPARE}\` out of \`start\` in \`package.json\`, and point the view's \`fileSource\` at your own Parquet |

After a change of the definitions: \`npx headgate plan\`, then \`npx headgate apply\`.
`;
}

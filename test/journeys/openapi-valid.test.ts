/** The OpenAPI document as others read it: openapi-spec-validator, which holds it against OpenAPI 3.1's own schema. */

import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openApiDocument } from "../../gateway/openapi/document.ts";
import { temporaryFolder } from "../harness/project.ts";
import { PYTHON_MISSING, pythonEnv } from "../harness/python-env.ts";

const python = await pythonEnv("openapi", ["openapi-spec-validator==0.9.0"]);

test.skipIf(python === undefined)(
  `the document is valid (${PYTHON_MISSING} where this is skipped)`,
  async () => {
    const file = join(temporaryFolder(), "openapi.json");
    writeFileSync(file, JSON.stringify(openApiDocument("0.0.0", 0)));
    const { stdout } = await promisify(execFile)(python!, ["-m", "openapi_spec_validator", file]);
    expect(stdout).toContain("OK");
  },
  60_000,
);

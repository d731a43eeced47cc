/** The floor that a bench holds predictions against: floor-server.mjs with answers of the gateway for its constants. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Form, PATHS, predictBody } from "./predict-body.ts";
import { type ServerUnderTest, startServer } from "./server-under-test.ts";

const PROGRAM = fileURLToPath(new URL("floor-server.mjs", import.meta.url));

/** Starts floor (a) "alone" or (b) "together"; `answers` are by a request's number of entities. Writes into the folder. */
export function startFloor(
  mode: "alone" | "together",
  answers: Readonly<Record<number, string>>,
  folder: string,
): Promise<ServerUnderTest> {
  const file = join(folder, `answers-${mode}.json`);
  writeFileSync(file, JSON.stringify(answers));
  return startServer([PROGRAM, mode, file]);
}

/** What a gateway answers to so many customers from `first` on. Rejects when the status is not 200. */
export async function realAnswer(
  { url }: ServerUnderTest,
  form: Form,
  entities: number,
  first: number = 1,
): Promise<string> {
  let id = first;
  const response = await fetch(`${url}${PATHS[form]}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: predictBody(form, entities, () => id++),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`The gateway answers ${response.status}: ${text}`);
  return text;
}

/** Deploys and traffic as clients do them, and predictions beside them of which none may fail. */

import { expect } from "vitest";
import { copyExample, headgate, run, type ServedProject } from "./project.ts";

/** What an upload carries where the admin token is "secret". */
export const ADMIN = Object.freeze({ authorization: "Bearer secret", "content-type": "application/octet-stream" });

/** Predictions that are under way at a time. */
const CLIENTS = 4;

/** The churn example with its definitions applied and its rows loaded. */
export async function deployProject(): Promise<string> {
  const project = copyExample();
  for (const words of [
    [process.execPath, "prepare.mjs"],
    headgate("apply"),
    headgate("materialize-incremental", "now"),
  ]) {
    const { exitCode, stderr } = await run(words, project);
    expect(exitCode, stderr).toBe(0);
  }
  return project;
}

/** What an admin call answered. */
export interface AdminAnswer {
  readonly status: number;
  readonly etag: string | null;
  readonly body: {
    readonly version?: number;
    readonly state?: string;
    readonly code?: string;
    readonly detail?: string;
  };
}

/** Deploys bytes as the next version of "churn". */
export async function post(gateway: Pick<ServedProject, "url">, bytes: Uint8Array): Promise<AdminAnswer> {
  const request = { method: "POST", headers: ADMIN, body: bytes };
  return answerOf(await fetch(`${gateway.url}/models/churn/versions`, request as RequestInit));
}

/** Changes the traffic of "churn". */
export async function putTraffic(
  gateway: Pick<ServedProject, "url">,
  traffic: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<AdminAnswer> {
  return answerOf(
    await fetch(`${gateway.url}/models/churn/traffic`, {
      method: "PUT",
      headers: { ...ADMIN, "content-type": "application/json", ...headers },
      body: JSON.stringify(traffic),
    }),
  );
}

async function answerOf(response: Response): Promise<AdminAnswer> {
  const body = (await response.json()) as AdminAnswer["body"];
  return { status: response.status, etag: response.headers.get("etag"), body };
}

/** The version that answers for a customer. */
export async function versionOfAnswer({ url }: Pick<ServedProject, "url">, customerId = 17): Promise<number> {
  const { status, body } = await predict(url, customerId);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.predictions![0]!.version;
}

/** Predicts for one customer after another while something is done; gives how many answers there were and what failed. */
export async function underLoad(
  { url }: Pick<ServedProject, "url">,
  work: () => Promise<void>,
): Promise<{ readonly answered: number; readonly failures: readonly unknown[] }> {
  const failures: unknown[] = [];
  let answered = 0;
  let isOver = false;
  const clients = Array.from({ length: CLIENTS }, async (_, i) => {
    for (let customerId = i + 1; !isOver; customerId = (customerId % 1_000) + 1) {
      const { status, body } = await predict(url, customerId).catch((cause: unknown) => ({ status: 0, body: cause }));
      if (status === 200) answered++;
      else failures.push(body);
    }
  });
  try {
    await work();
  } finally {
    isOver = true;
    await Promise.all(clients);
  }
  return { answered, failures };
}

async function predict(url: string, customerId: number) {
  const response = await fetch(`${url}/predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "churn", entities: [{ customer_id: customerId }] }),
  });
  const body = (await response.json()) as { readonly predictions?: readonly { readonly version: number }[] };
  return { status: response.status, body };
}

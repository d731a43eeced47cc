/**
 * Bodies that are compressed, both ways: gzip, and deflate, which in HTTP is zlib's form (RFC 9110, 8.4.1). What a body
 * inflates to is bounded while it inflates, so that a small one can't fill the memory.
 */

import { promisify } from "node:util";
import { deflate, gunzip, gzip, inflate } from "node:zlib";
import { excerpt, HeadgateError } from "../../errors.ts";
import type { HttpAnswer } from "../http-answer.ts";

const INFLATE = Object.freeze({ gzip: promisify(gunzip), deflate: promisify(inflate) });
const DEFLATE = Object.freeze({ gzip: promisify(gzip), deflate: promisify(deflate) });

type Coding = keyof typeof INFLATE;

const isCoding = (text: string): text is Coding => Object.hasOwn(INFLATE, text);

/**
 * The body as it was before it was compressed. Throws or rejects with UNSUPPORTED_MEDIA_TYPE for another coding,
 * BODY_TOO_LARGE for what would be more than `maxBytes`, REQUEST_INVALID for bytes that are not of the coding.
 */
export function decoded(
  body: Uint8Array,
  contentEncoding: string | undefined,
  maxBytes: number,
): Uint8Array | Promise<Uint8Array> {
  const coding = contentEncoding?.trim().toLowerCase() ?? "identity";
  if (coding === "identity" || coding === "") return body;
  if (!isCoding(coding)) {
    throw new HeadgateError(
      "UNSUPPORTED_MEDIA_TYPE",
      `The body was sent with content-encoding: ${excerpt(coding)}; send gzip, deflate or none.`,
    );
  }
  return INFLATE[coding](body, { maxOutputLength: maxBytes }).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ERR_BUFFER_TOO_LARGE") {
      throw new HeadgateError(
        "BODY_TOO_LARGE",
        `The body is more than ${maxBytes} bytes (maxBodyBytes) once inflated.`,
      );
    }
    throw new HeadgateError(
      "REQUEST_INVALID",
      `The body is not ${coding}, as its content-encoding says: ${thrown.message}.`,
    );
  });
}

/** The answer compressed, where the client accepts it. */
export function encoded<Body extends string | Uint8Array>(
  answer: HttpAnswer<Body>,
  acceptEncoding: string | undefined,
): HttpAnswer<string | Uint8Array> | Promise<HttpAnswer<string | Uint8Array>> {
  const coding = acceptEncoding === undefined ? undefined : acceptedCoding(acceptEncoding);
  if (coding === undefined) return answer;
  return DEFLATE[coding](answer.body).then((body) => ({
    status: answer.status,
    headers: [...answer.headers, "content-encoding", coding, "vary", "accept-encoding"],
    body,
  }));
}

function acceptedCoding(acceptEncoding: string): Coding | undefined {
  const accepted = acceptEncoding.split(",").flatMap((one) => {
    const [coding = "", weight = "q=1"] = one.split(";").map((part) => part.trim().toLowerCase());
    return Number(weight.replace("q=", "")) > 0 ? [coding] : [];
  });
  return accepted.find(isCoding);
}

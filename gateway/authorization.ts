/** Who may make admin calls and see people's data: whoever carries the admin token, where one is set. */

import { timingSafeEqual } from "node:crypto";
import { HeadgateError } from "../errors.ts";

/**
 * Checks the Authorization header where a token is set; without one the call passes (the gateway listens on loopback
 * by default). `why` is the sentence that says what the token guards, without its full stop. Throws UNAUTHENTICATED or FORBIDDEN.
 */
export function requireAdmin(adminToken: string, authorization: string | undefined, why: string): void {
  if (adminToken === "") return;
  const given = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
  if (given === undefined) {
    throw new HeadgateError("UNAUTHENTICATED", `${why}: send "Authorization: Bearer <admin token>".`);
  }
  if (!sameText(given, adminToken)) {
    throw new HeadgateError("FORBIDDEN", `The token sent is not this gateway's admin token (HEADGATE_ADMIN_TOKEN).`);
  }
}

/** Compares in a time that does not tell how much of the token was right. */
function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

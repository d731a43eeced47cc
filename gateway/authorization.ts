/** Who may see people's data and make admin calls: whoever carries the admin token. */

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

/**
 * Checks the header for a call that changes something: without an admin token such calls are off, for there is nobody
 * whom they could be allowed to. `what` names the call. Throws UNAUTHENTICATED or FORBIDDEN.
 */
export function requireAdminToken(adminToken: string, authorization: string | undefined, what: string): void {
  if (adminToken === "") throw offWithoutToken(what);
  requireAdmin(adminToken, authorization, `${what} is for who has the admin token`);
}

/** FORBIDDEN for a call that is off without an admin token, with what else keeps it off, such as "listens on 0.0.0.0". */
export function offWithoutToken(what: string, ...besides: readonly string[]): HeadgateError {
  return new HeadgateError(
    "FORBIDDEN",
    `${what} is off, because this gateway ${[...besides, "has no admin token"].join(" and ")}: set adminToken (HEADGATE_ADMIN_TOKEN), restart it, and send "Authorization: Bearer <admin token>".`,
  );
}

/** Whether a host is one that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return /^(127(\.\d{1,3}){3}|::1|localhost)$/i.test(host);
}

/** Compares in a time that does not tell how much of the token was right. */
function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

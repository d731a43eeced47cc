/**
 * What Redis and its client say when something fails, told as what it is: which server, what is wrong, what to do.
 *
 * A client's error carries the command with its arguments, and of the first commands one holds the password: such an
 * error is never passed on, only the sentence that it makes.
 */

import { type ErrorCode, HeadgateError, reasonOf } from "../../errors.ts";

/** A server's error → what it means and what to do. Errors out of scripts differ between Redis and Valkey. */
const REPLIES: readonly (readonly [word: RegExp, code: ErrorCode, what: string])[] = [
  [
    /^(WRONGPASS|NOAUTH)|invalid password/,
    "STORE_UNREACHABLE",
    "refuses the login. Check user and password in the address (redis://user:password@host), and that the user is on",
  ],
  [
    /^NOPERM|executing the script can't|ACL failure in script/,
    "STORE_UNWRITABLE",
    "does not permit this user what is needed. Grant it the project's keys and @read @write @scripting @connection",
  ],
  [
    /^READONLY/,
    "STORE_UNWRITABLE",
    "is a replica, which takes no writes. Give the address of the master, or of the Sentinels or the cluster, which follow it",
  ],
  [/^OOM/, "STORE_UNWRITABLE", "is full: it has reached its maxmemory. Raise it, add nodes, or shorten the views' ttl"],
  [
    /^MISCONF/,
    "STORE_UNWRITABLE",
    "takes no writes because it cannot save to its disk. See the server's log, or turn saving off",
  ],
  [
    /^NOREPLICAS/,
    "STORE_UNWRITABLE",
    "has fewer replicas in touch than its min-replicas-to-write asks for. Bring them back",
  ],
  [/^LOADING/, "STORE_UNREACHABLE", "is still loading its rows from disk. It answers when that is done"],
  [/^(BUSY|UNKILLABLE)/, "STORE_UNREACHABLE", "is busy with a script of somebody else's. SCRIPT KILL ends it"],
  [/^MASTERDOWN/, "STORE_UNREACHABLE", "is a replica that has lost its master"],
  [
    /^CLUSTERDOWN|cluster is down/,
    "STORE_UNREACHABLE",
    "has slots that no node serves now. Check the nodes: redis-cli --cluster check",
  ],
  [
    /^(MOVED|ASK|TRYAGAIN)\b|Too many Cluster redirections|non local key/,
    "STORE_UNREACHABLE",
    "moved a slot again and again while it was asked for. Try again",
  ],
  [
    /cluster support disabled/,
    "STORE_URL_INVALID",
    "is not a cluster. Write its address with redis:// in place of redis+cluster://",
  ],
  [
    /^WRONGTYPE/,
    "STORE_UNWRITABLE",
    "holds something that is not Headgate's under a key of this project. Use another database or project name",
  ],
];

/** What went wrong on this side of the connection. */
const LOCAL: readonly (readonly [message: RegExp, what: string])[] = [
  [/Socket timeout/, "does not answer, though the connection stands. Check its load and the network"],
  [/ENOTFOUND|EAI_AGAIN/, "has a host name that is not known here. Check the address"],
  [
    /All sentinels are unreachable|sentinel/i,
    "cannot be found by its Sentinels. Check that they run and know the master by this name",
  ],
  [
    /certificate|self.signed|CERT_|altnames|SSL|TLS|wrong version number/i,
    "fails the TLS handshake. Check that its port speaks TLS, that ?ca= or NODE_EXTRA_CA_CERTS names the authority of its certificate, and that this names the host",
  ],
  [
    /^(Connection is closed|Stream isn't writeable|Reached the max retries|Command aborted|Cluster isn't ready)/,
    "closed the connection. Check that it runs, and redis:// against rediss:// in the address",
  ],
  [/RESP type|Protocol error/, "does not speak Redis' protocol. Check host and port, and redis:// against rediss://"],
];

/**
 * True for an error that may be gone when the call is sent again: of the connection, or of the seconds in which a
 * failover or a restart has not ended.
 */
export function canPass(thrown: unknown): boolean {
  if (thrown instanceof HeadgateError) return false;
  return !isReply(thrown) || /^(CLUSTERDOWN|TRYAGAIN|MASTERDOWN|LOADING)\b|cluster is down/.test(thrown.message);
}

/** True when a server does not know a script (any more). */
export function isUnknownScript(thrown: unknown): boolean {
  return isReply(thrown) && thrown.message.startsWith("NOSCRIPT");
}

function isReply(thrown: unknown): thrown is Error {
  return thrown instanceof Error && thrown.name === "ReplyError";
}

/** True for an error that will not go by waiting: the login, the protocol, a certificate. */
export function isLasting(thrown: unknown): boolean {
  if (isReply(thrown)) return !/^(LOADING|MASTERDOWN|CLUSTERDOWN|BUSY)/.test(thrown.message);
  return /certificate|self.signed|CERT_|altnames|wrong version number|RESP type|Protocol error/i.test(reasonOf(thrown));
}

/** The error to tell: `shown` is the address without secrets. Passes on what is a HeadgateError already. */
export function redisFailure(shown: string, thrown: unknown): HeadgateError {
  if (thrown instanceof HeadgateError) return thrown;
  const reason = reasonOf(thrown)
    .replace(/\s+script: .*$/s, "")
    .replace(/ Please report this\.?$/, "");
  if (isReply(thrown) || thrown === SLOT_NOT_SERVED) {
    const [, code, what] = REPLIES.find(([word]) => word.test(reason)) ?? [];
    return failure(code ?? "STORE_UNREACHABLE", shown, what ?? "failed a command", reason);
  }
  const [, what] = LOCAL.find(([message]) => message.test(reason)) ?? [];
  return failure(
    "STORE_UNREACHABLE",
    shown,
    what ?? "cannot be reached. Check that it runs and that the address is right",
    reason,
  );
}

const SLOT_NOT_SERVED = new Error("CLUSTERDOWN Hash slot not served");

/** What a server would say of a slot that has no master, where no server is there to say it. */
export function slotNotServed(): Error {
  return SLOT_NOT_SERVED;
}

/** The error of a store that has been closed. */
export function redisClosed(shown: string): HeadgateError {
  return new HeadgateError("STORE_UNREACHABLE", `The online store ${shown} has been closed.`);
}

function failure(code: ErrorCode, shown: string, what: string, reason: string): HeadgateError {
  return new HeadgateError(code, `The online store ${shown} ${what} (${reason}).`);
}

/**
 * Variables of the environment that look like settings and are none. An environment is shared, so they are no error; but
 * a setting that was misspelt would be without effect and without a word.
 */

import { nearestName } from "./spelling.ts";

/** Of the tests and the benches. */
const OTHERS = /^HEADGATE_(?:TEST|BENCH)_/;
/** Kubernetes describes services whose names begin with headgate so, unless enableServiceLinks is false. */
const SERVICE_LINK =
  /_SERVICE_(?:HOST|PORT)(?:_\w+)?=|_PORT(?:_\d+_\w+)?=(?:tcp|udp|sctp):|_PORT_\d+_(?:TCP|UDP|SCTP)_\w+=/;

/** A variable that is no setting, and the setting's variable that is spelt most like it. */
export interface UnknownVariable {
  readonly name: string;
  readonly nearest: string;
}

/** The variables that begin like a setting's and are none of `known`, which must not be empty. */
export function unknownVariables(environment: NodeJS.ProcessEnv, known: readonly string[]): readonly UnknownVariable[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith("HEADGATE_") && !known.includes(name) && !OTHERS.test(name))
    .filter((name) => !SERVICE_LINK.test(`${name}=${environment[name]}`))
    .sort()
    .map((name) => ({ name, nearest: nearestName(name, known).nearest }));
}

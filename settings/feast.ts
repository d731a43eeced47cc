/** Settings of the routes that Feast's client calls. */

import { choice, text } from "./setting.ts";

/** The table; see config.ts. */
export const FEAST_SETTINGS = Object.freeze({
  feastStatuses: choice(
    ["HEADGATE_FEAST_STATUSES", "word", "exact"],
    ["exact", "present"],
    "What /get-online-features says of a feature: exact tells PRESENT, NULL_VALUE, NOT_FOUND and OUTSIDE_MAX_AGE apart; present says PRESENT of all and gives values that are too old, as Feast's Python server does.",
  ),
  feastReads: choice(
    ["HEADGATE_FEAST_READS", "word", "token"],
    ["token", "open"],
    "Who may call /get-online-features where an admin token is set: token wants it as a bearer token, as for the debug view; open answers everybody who reaches the gateway with any entity's values.",
  ),
  feastPushSources: text(
    "HEADGATE_FEAST_PUSH_SOURCES",
    "list",
    "",
    "Which feature views a push source of Feast's feeds, for /push: source=view, several as source=view+view, separated by commas. A view answers to its own name.",
  ),
});

/**
 * Loaded into a gateway before its own code (`node --import`): at SIGUSR2 nobody hears any more what the gateway
 * publishes, so that nothing is counted and nothing logged, and at the next everybody does again. One process tells both
 * figures then: two of the same code differ by some percent. The gateway knows nothing of it.
 */

import diagnostics from "node:diagnostics_channel";
import { syncBuiltinESMExports } from "node:module";

const { subscribe, unsubscribe } = diagnostics;
const heard = [];
let isObserved = true;

diagnostics.subscribe = (name, listener) => {
  if (String(name).startsWith("headgate:")) heard.push([name, listener]);
  subscribe(name, listener);
};
syncBuiltinESMExports();

process.on("SIGUSR2", () => {
  isObserved = !isObserved;
  for (const [name, listener] of heard) (isObserved ? subscribe : unsubscribe)(name, listener);
});

/**
 * Listening on a TCP port: the URL that a server then has, and what a person is told when the port can't be had. It is
 * the same for the gateway and for the health server of the other processes.
 */

import type { AddressInfo, Server } from "node:net";
import { HeadgateError } from "./errors.ts";

/** Where to listen, and the settings that say so, for who has to choose another place. */
export interface ListeningOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly hostSetting: string;
  readonly portSetting: string;
}

/** Has the server listen and returns its URL, such as http://127.0.0.1:8080. Throws CONFIG_INVALID naming the setting when it can't. */
export async function listen(
  server: Server,
  { host, port, hostSetting, portSetting }: ListeningOptions,
): Promise<string> {
  await new Promise<void>((listening, fail) => {
    server.once("listening", listening);
    // Stays: a connection that could not be accepted later on, such as for want of memory, must not end the process.
    server.on("error", (cause: NodeJS.ErrnoException) => {
      const problem =
        cause.code === "EADDRINUSE"
          ? `is taken by another process, such as a Headgate that was started before; stop that one, or choose another port: ${portSetting}=<port>.`
          : `can't be listened on (${cause.message}); choose another with ${hostSetting} or ${portSetting}.`;
      fail(new HeadgateError("CONFIG_INVALID", `${host}:${port} ${problem}`, cause));
    });
    server.listen(port, host);
  });
  const taken = (server.address() as AddressInfo).port;
  return `http://${host.includes(":") ? `[${host}]` : host}:${taken}`;
}

/** A server's URL as a client beside it can call it: "all addresses" is none to call. */
export function callable(url: string): string {
  return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//localhost:");
}

/** How an ingester ends: once, by being closed or by what it can't go on with, whichever is first. */

/** Is told what ends an ingester; undefined: it was closed. */
export type End = (cause: unknown) => void;

/** The promise, and what settles it: resolved with undefined, rejected with anything else. Nobody need listen. */
export function endsOnce(): { readonly ended: Promise<void>; readonly end: End } {
  let end: End = () => {};
  const ended = new Promise<void>((resolve, reject) => {
    end = (cause) => (cause === undefined ? resolve() : reject(cause));
  });
  ended.catch(() => {});
  return { ended, end };
}

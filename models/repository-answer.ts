/**
 * Whether a model repository answers, asked before anything is decided on what it holds: a gateway's copy of one that is
 * away is right for serving and wrong for changing.
 */

import { hasCode } from "../errors.ts";
import type { ModelRepository } from "./repository.ts";

/**
 * Asks the repository itself, so that what is read of it next is not what a copy has. Throws REPOSITORY_UNREACHABLE, also
 * of a folder that has vanished; one that was never there is an empty one, which the first version makes.
 */
export async function requireAnswer(repository: ModelRepository): Promise<void> {
  try {
    await repository.snapshot();
  } catch (thrown) {
    if (!hasCode(thrown, "SOURCE_NOT_FOUND")) throw thrown;
  }
}

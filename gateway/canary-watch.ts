/**
 * The canaries of this gateway: whether each still has its share, and the rule that takes it away. When the rule says so
 * the canary's share ends here at once, before anything is written; then the traffic file is changed for all gateways,
 * under the ETag that it had, so that whoever changed it first wins and is not overruled.
 */

import { channel } from "node:diagnostics_channel";
import { hasCode, reasonOf } from "../errors.ts";
import { requestDifference } from "../features/read-plan.ts";
import { GuardWatch } from "../models/canary-guard.ts";
import type { Models, ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import type { ModelRepository } from "../models/repository.ts";
import { formatTraffic } from "../models/traffic.ts";
import type { JoinedModel } from "./joined-model.ts";

/** The part of the repository that ends a canary for all gateways. */
export type TrafficWriter = Pick<ModelRepository, "putTraffic">;

/** What the watch needs. */
export interface CanaryWatchOptions {
  readonly repository: TrafficWriter;
  readonly models: Pick<Models, "refresh">;
  readonly join: (model: LoadedModel) => JoinedModel;
  /** Waits, ms, before the traffic file is tried again. */
  readonly wait: (ms: number) => Promise<void>;
}

/** Published when a canary has lost its share here, and again once the traffic file says so too. */
export interface CanaryEndedEvent {
  readonly model: string;
  readonly version: number;
  readonly reason: string;
  /** False: only this gateway knows, and `problem` says why. */
  readonly stored: boolean;
  readonly problem: string | undefined;
}

/** A canary that its guard has ended. */
export interface EndedCanary {
  readonly version: number;
  readonly reason: string;
}

/** A canary that has its share. */
export interface SharingCanary {
  readonly joined: JoinedModel;
  readonly percent: number;
}

const ended = channel("headgate:canary-ended");

/** How often the traffic file is tried after a failure, and the first wait, which doubles. A minute and a half in all. */
const WRITE_TRIES = 8;
const FIRST_WAIT_MS = 700;

interface Watched {
  /** Of the traffic file that gave the share. */
  readonly etag: string | undefined;
  readonly canary: LoadedModel;
  readonly stable: LoadedModel;
  readonly sharing: SharingCanary;
  readonly guard: GuardWatch | undefined;
  /** Why it has no share although the traffic file says so. */
  endedBecause: string | undefined;
}

/** Watches the canaries of all models. */
export class CanaryWatch {
  readonly #options: CanaryWatchOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #ended = new Map<string, EndedCanary>();

  constructor(options: CanaryWatchOptions) {
    this.#options = options;
  }

  /** The canary of a model, unless it has none or the rule has ended it. */
  sharing(served: ServedModel): SharingCanary | undefined {
    const watched = this.#watch(served);
    return watched === undefined || watched.endedBecause !== undefined ? undefined : watched.sharing;
  }

  /** Why the canary that the traffic file names has no share here; undefined when it has, or there is none. */
  endedBecause(served: ServedModel): string | undefined {
    return this.#watch(served)?.endedBecause;
  }

  /** The last canary of a model that was ended here, also when the traffic file names it no more. */
  lastEnded(model: string): EndedCanary | undefined {
    return this.#ended.get(model);
  }

  /** Told of each request of the canary, once its statistics have counted it. */
  took(served: ServedModel, failed: boolean): void {
    const watched = this.#watched.get(served.name);
    // A request that began before the traffic changed says nothing of the canary there is now.
    if (watched === undefined || watched.etag !== served.trafficEtag || watched.canary !== served.canary?.model) return;
    const { guard } = watched;
    if (guard === undefined || watched.endedBecause !== undefined) return;
    const end = (reason: string | undefined) => {
      if (reason === undefined || watched.endedBecause !== undefined) return;
      watched.endedBecause = reason;
      this.#ended.set(served.name, Object.freeze({ version: watched.canary.version, reason }));
      void this.#end(served, reason);
    };
    end(guard.take(failed));
    // After this turn's answers: sorting takes a millisecond or two.
    if (guard.isLookDue) setImmediate(() => end(guard.isLookDue ? guard.look() : undefined));
  }

  #watch(served: ServedModel): Watched | undefined {
    const { canary, name, stable, traffic, trafficEtag } = served;
    if (canary === undefined || stable === undefined) {
      // What it knew of would be kept in memory by it.
      if (this.#watched.size > 0) this.#watched.delete(name);
      return undefined;
    }
    const known = this.#watched.get(name);
    const isSameTraffic = known !== undefined && known.etag === trafficEtag;
    if (isSameTraffic && known.canary === canary.model && known.stable === stable) return known;
    const [joined, base] = [this.#options.join(canary.model), this.#options.join(stable)];
    const guard = traffic?.canary?.guard;
    const difference = requestDifference(base.reader.plan, joined.reader.plan);
    const watched: Watched = {
      etag: trafficEtag,
      canary: canary.model,
      stable,
      sharing: Object.freeze({ joined, percent: canary.percent }),
      guard: guard && new GuardWatch(guard, joined.statistics, base.statistics),
      // A version that was loaded anew is no reason to try it again.
      endedBecause: (isSameTraffic ? known.endedBecause : undefined) ?? difference,
    };
    this.#watched.set(name, watched);
    if (difference !== undefined && !isSameTraffic) {
      const problem = "it can't run beside the stable version";
      tell({ model: name, version: canary.model.version, reason: difference, stored: false, problem });
    }
    return watched;
  }

  /** Writes what has happened, as long as the traffic file still is the one that it happened under. */
  async #end({ name, traffic, trafficEtag }: ServedModel, reason: string): Promise<void> {
    const { repository, wait } = this.#options;
    const version = traffic!.canary!.version;
    const told = (stored: boolean, problem?: string) => tell({ model: name, version, reason, stored, problem });
    const without = formatTraffic({ ...traffic!, canary: undefined });
    for (let tries = 1; ; tries++) {
      try {
        await repository.putTraffic(name, without, trafficEtag);
      } catch (thrown) {
        const isOvertaken = hasCode(thrown, "DEPLOY_CONFLICT");
        if (isOvertaken || tries === 1 || tries === WRITE_TRIES) told(false, reasonOf(thrown));
        if (!isOvertaken) {
          if (tries === WRITE_TRIES) return;
          await wait(FIRST_WAIT_MS * 2 ** (tries - 1));
          continue;
        }
        await this.#refresh(name);
        return;
      }
      told(true);
      await this.#refresh(name);
      return;
    }
  }

  async #refresh(name: string): Promise<void> {
    await this.#options.models.refresh(name).catch(() => {
      // The gateway's own poll reads it in a moment.
    });
  }
}

function tell(event: CanaryEndedEvent): void {
  ended.publish(event);
}

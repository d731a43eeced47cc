/**
 * Whether a canary may answer rows of an infer in the place of the stable version. A tensor is of one type and one shape,
 * the stable version's, whoever answers its rows; so a canary has its share of infer where it gives every output that
 * the manifest of the stable version maps, of the same datatype and the same axes. What the graphs call them is no matter.
 */

import type { InferPlan, OutputPort } from "./infer-plan.ts";

/** Compiles the comparison; each pair of versions is compared once. */
export function createOutputAgreement(): (stable: InferPlan, canary: InferPlan) => boolean {
  const known = new WeakMap<InferPlan, WeakMap<InferPlan, boolean>>();
  return (stable, canary) => {
    let ofStable = known.get(stable);
    if (ofStable === undefined) {
      ofStable = new WeakMap();
      known.set(stable, ofStable);
    }
    let agrees = ofStable.get(canary);
    if (agrees === undefined) {
      agrees = [...stable.members.values()].every((port) => isAlike(port, canary.members.get(port.member)));
      ofStable.set(canary, agrees);
    }
    return agrees;
  };
}

function isAlike(stable: OutputPort, canary: OutputPort | undefined): boolean {
  return canary !== undefined && canary.datatype === stable.datatype && areAlike(stable.shape, canary.shape);
}

type Shape = OutputPort["shape"];

/** An axis that one of them leaves open, or a shape that is not declared, may be anything: the rows themselves tell then. */
function areAlike(one: Shape, other: Shape): boolean {
  if (one.length === 0 || other.length === 0) return true;
  const [axes, others] = [rowAxes(one), rowAxes(other)];
  const isAlikeAt = (size: number | string, i: number) => isOpen(size) || isOpen(others[i]!) || size === others[i];
  return axes.length === others.length && axes.every(isAlikeAt);
}

/** After the batch; [N, 1] is a value a row as [N] is. */
function rowAxes(shape: Shape): Shape {
  return shape.length === 2 && shape[1] === 1 ? [] : shape.slice(1);
}

const isOpen = (size: number | string): boolean => typeof size === "string" || size < 0;

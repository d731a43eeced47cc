/**
 * How high the mismatch rate of all entities may be, by a sample of them: the upper limit of Clopper and Pearson, which
 * never promises more than it holds, also for a sample without a single mismatch.
 */

/** What is promised: at most one sample in twenty bounds the rate too low. */
const CONFIDENCE = 0.95;
/** Halvings of [0, 1] until a double is exact. */
const HALVINGS = 60;

/**
 * With 95 % confidence the rate is at most this, when `mismatches` of `checked` sampled entities differ: the p at which
 * so few or fewer would be seen once in twenty samples. 1 where nothing was checked. Clopper and Pearson, Biometrika 26
 * (1934), 404–413; P(X ≤ x) = I(1 − p; n − x, x + 1), NIST DLMF 8.17.5. A sample without replacement, as ours is, makes
 * it hold all the more.
 */
export function upperRateBound(mismatches: number, checked: number): number {
  if (mismatches >= checked) return 1;
  let [low, high] = [mismatches / checked, 1];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (betaRatio(1 - middle, checked - mismatches, mismatches + 1) > 1 - CONFIDENCE) low = middle;
    else high = middle;
  }
  return high;
}

/** Regularized incomplete beta function I(x; a, b), by its continued fraction: NIST DLMF 8.17.22. */
function betaRatio(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges quickly on this side of the mean.
  if (x > (a + 1) / (a + b + 2)) return 1 - betaRatio(1 - x, b, a);
  const logFront = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x);
  return (Math.exp(logFront) / a) * betaFraction(x, a, b);
}

const FRACTION_STEPS = 10_000;
const TINY = 1e-300;
const CLOSE = 1e-14;

/** 1 / (1 + d1 / (1 + d2 / (1 + …))), by Lentz' method. */
function betaFraction(x: number, a: number, b: number): number {
  let [c, d] = [1, 1 / nonZero(1 - ((a + b) * x) / (a + 1))];
  let value = d;
  for (let m = 1; m <= FRACTION_STEPS; m++) {
    for (const factor of [
      (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
      (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
    ]) {
      d = 1 / nonZero(1 + factor * d);
      c = nonZero(1 + factor / c);
      value *= c * d;
    }
    if (Math.abs(c * d - 1) < CLOSE) break;
  }
  return value;
}

function nonZero(value: number): number {
  return Math.abs(value) < TINY ? TINY : value;
}

/** Where Stirling's series is exact to a double's last digits. */
const STIRLING_FROM = 15;

/** ln Γ(x), x > 0: NIST DLMF 5.11.1, after raising x by its recurrence. */
function logGamma(x: number): number {
  let [at, product] = [x, 1];
  for (; at < STIRLING_FROM; at++) product *= at;
  const inverse = 1 / (at * at);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) / at;
  return (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}

// The opening of docs/protocol.md section 7, by somebody who knows τ (commitments are evaluations at τ times the generator). The
// polynomials are the honest ones and every claim is asserted: knowing τ only replaces the multi-scalar multiplications and divisions.
import { R, ascii, g1, inv, keccak, mod, power, scalar, word, words } from './bn254.mjs';

const m = (a) => mod(a, R);
export const evaluate = (poly, x) => {
  let result = 0n;
  for (let i = poly.length - 1; i >= 0; i--) result = (result * x + poly[i]) % R;
  return result;
};
/** eq(u, ·) over the hypercube, variable 0 the lowest bit. */
export function eqTable(u) {
  let table = [1n];
  u.forEach((x) => (table = [...table.map((t) => m(t * (1n - x))), ...table.map((t) => m(t * x))]));
  return table;
}
function assert(condition, what) {
  if (!condition) throw new Error(`mercury: ${what}`);
}
const interpolant = (points, x) =>
  points.reduce(
    (sum, [xi, yi], i) => m(sum + points.reduce((t, [xj], j) => (i === j ? t : m(m(t * (x - xj)) * inv(m(xi - xj)))), yi)),
    0n,
  );

/** `poly`: 2^c coefficients and the blinding one; returns the value at `u` and the 20 words. */
export function open({ poly, u, tau, binding }) {
  const c = u.length;
  const half = Math.ceil(c / 2);
  const b = 2 ** half;
  const n = 2 ** (c - half);
  const [p1, p2] = [eqTable(u.slice(0, half)), eqTable(u.slice(half))];
  const rows = Array.from({ length: n + 1 }, (_, i) => Array.from({ length: b }, (_, j) => poly[i * b + j] ?? 0n));
  const commit = (f) => g1(evaluate(f, tau));
  let t = keccak(ascii('assay-opening-v2') + word(binding));
  const squeeze = (...data) => scalar((t = keccak(t + words(...data))));

  const h = rows.map((row) => row.reduce((sum, a, j) => m(sum + a * p1[j]), 0n));
  const value = p2.reduce((sum, a, i) => m(sum + a * h[i]), 0n);
  const Ch = commit(h);
  const alpha = squeeze(Ch);

  const quotient = [];
  let row = rows[n];
  for (let i = n - 1; i >= 0; i--) {
    quotient.unshift(row);
    row = row.map((a, j) => m(a * alpha + rows[i][j]));
  }
  const g = row;
  const q = quotient.flat();
  const [CQ, Cg] = [commit(q), commit(g)];
  const gamma = squeeze(CQ, Cg);

  const at = (f, i) => f[i] ?? 0n;
  const cross = (f, p, k) => f.reduce((sum, _, i) => m(sum + at(f, i + k) * at(p, i) + at(f, i) * at(p, i + k)), 0n);
  const S = Array.from({ length: Math.max(b, n + 1) - 1 }, (_, i) => m(cross(g, p1, i + 1) + gamma * cross(h, p2, i + 1)));
  const d = [...g].reverse();
  const [CS, Cd] = [commit(S), commit(d)];
  const z = squeeze(CS, Cd);
  const w = inv(z);

  const values = [evaluate(g, z), evaluate(g, w), evaluate(h, z), evaluate(h, w), evaluate(S, z), evaluate(S, w)];
  const [gz, gw, hz, hw, sz, sw] = values;
  const ha = evaluate(h, alpha);
  const zb = power(z, BigInt(b), R);
  const identity = m(
    gz * evaluate(p1, w) + gw * evaluate(p1, z) + gamma * m(hz * evaluate(p2, w) + hw * evaluate(p2, z)) - z * sz - w * sw,
  );
  assert(identity === m(2n * (ha + gamma * value)), 'identity at z');
  assert(m(evaluate(poly, z) - (zb - alpha) * evaluate(q, z)) === gz, 'division by X^b - α');
  assert(evaluate(d, z) === m(power(z, BigInt(b - 1), R) * gw), 'reversal');
  const eta = squeeze(values);

  const claims = [
    [evaluate(d, tau), [[z, m(power(z, BigInt(b - 1), R) * gw)]]],
    [evaluate(g, tau), [[z, gz], [w, gw]]],
    [evaluate(S, tau), [[z, sz], [w, sw]]],
    [evaluate(h, tau), [[z, hz], [w, hw], [alpha, ha]]],
  ];
  const vanishing = (points, x) => points.reduce((t, [xi]) => m(t * (x - xi)), 1n);
  let W = 0n;
  claims.forEach(([f, points], i) => {
    W = m(W + m(power(eta, BigInt(i + 1), R) * (f - interpolant(points, tau))) * inv(vanishing(points, tau)));
  });
  const CW = g1(W);
  const x = squeeze(CW);
  const all = vanishing([[z], [w], [alpha]], x);
  const xb = power(x, BigInt(b), R);
  let L = m(evaluate(poly, tau) - (xb - alpha) * evaluate(q, tau) - evaluate(g, tau) - all * W);
  claims.forEach(([f, points], i) => {
    const rest = m(all * inv(vanishing(points, x)));
    L = m(L + m(m(power(eta, BigInt(i + 1), R) * rest) * (f - interpolant(points, x))));
  });
  const W2 = m(L * inv(m(tau - x)));
  return { value, proof: [Ch, CQ, Cg, CS, Cd, CW, g1(W2), values].flat() };
}

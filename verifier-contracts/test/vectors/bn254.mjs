// BN254 with BigInt: scalars, G1 and G2 by double-and-add. Slow and plain on purpose: it is what the contracts are tested against.
import sha3 from 'js-sha3';

export const R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001n;
export const Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47n;

export const mod = (a, m) => ((a % m) + m) % m;
export function power(a, e, m) {
  let result = 1n;
  for (a = mod(a, m); e > 0n; e >>= 1n, a = (a * a) % m) if (e & 1n) result = (result * a) % m;
  return result;
}
export const inv = (a) => power(a, R - 2n, R);

export const word = (a) => a.toString(16).padStart(64, '0');
export const words = (...list) => list.flat(9).map(word).join('');
export const keccak = (hex) => sha3.keccak256(Buffer.from(hex, 'hex'));
export const ascii = (text) => Buffer.from(text).toString('hex');
export const scalar = (hex) => BigInt('0x' + hex) % R;

/** Deterministic scalars out of a seed. */
export function rng(seed) {
  let i = 0;
  return () => scalar(keccak(ascii(seed) + word(BigInt(i++))));
}

// Fields as { add, sub, mul, inv, zero }; G2 lives over pairs [c0, c1] with u² = -1.
const fq = {
  zero: 0n,
  add: (a, b) => (a + b) % Q,
  sub: (a, b) => mod(a - b, Q),
  mul: (a, b) => (a * b) % Q,
  inv: (a) => power(a, Q - 2n, Q),
  isZero: (a) => a === 0n,
};
const fq2 = {
  zero: [0n, 0n],
  add: (a, b) => [(a[0] + b[0]) % Q, (a[1] + b[1]) % Q],
  sub: (a, b) => [mod(a[0] - b[0], Q), mod(a[1] - b[1], Q)],
  mul: (a, b) => [mod(a[0] * b[0] - a[1] * b[1], Q), (a[0] * b[1] + a[1] * b[0]) % Q],
  inv: (a) => {
    const n = power(a[0] * a[0] + a[1] * a[1], Q - 2n, Q);
    return [(a[0] * n) % Q, mod(-a[1] * n, Q)];
  },
  isZero: (a) => a[0] === 0n && a[1] === 0n,
};

function add(f, p, q) {
  if (!p) return q;
  if (!q) return p;
  const dx = f.sub(q[0], p[0]);
  let slope;
  if (f.isZero(dx)) {
    if (!f.isZero(f.sub(q[1], p[1]))) return null;
    const xx = f.mul(p[0], p[0]);
    slope = f.mul(f.add(xx, f.add(xx, xx)), f.inv(f.add(p[1], p[1])));
  } else slope = f.mul(f.sub(q[1], p[1]), f.inv(dx));
  const x = f.sub(f.sub(f.mul(slope, slope), p[0]), q[0]);
  return [x, f.sub(f.mul(slope, f.sub(p[0], x)), p[1])];
}
function multiply(f, p, s) {
  let result = null;
  for (s = mod(s, R); s > 0n; s >>= 1n, p = add(f, p, p)) if (s & 1n) result = add(f, result, p);
  return result ?? [f.zero, f.zero];
}

const G2 = [
  [0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6edn, 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2n],
  [0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daan, 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975bn],
];
/** s·[1]_1 as [x, y]. */
export const g1 = (s) => multiply(fq, [1n, 2n], s);
/** s·[1]_2 as [x.c1, x.c0, y.c1, y.c0]. */
export const g2 = (s) => {
  const [x, y] = multiply(fq2, G2, s);
  return [x[1], x[0], y[1], y[0]];
};

// Proofs for a made-up key whose trapdoors are known: valid in every equation the contract checks, at any size, without the prover.
// They test layouts, transcript, pairing and gas; that the circuit means what it should is the Rust side's matter.
// Usage: node test/vectors/simulate.mjs  (writes test/fixtures/simulated-*.json)
import { writeFileSync } from 'node:fs';
import { R, ascii, g1, g2, inv, keccak, mod, rng, scalar, word, words } from './bn254.mjs';
import { eqTable, evaluate, open } from './mercury.mjs';
import { deriveOrder } from './order.mjs';

const m = (a) => mod(a, R);
const uint32 = (n) => n.toString(16).padStart(8, '0');
/** How many clamps the second proof of a fixture states; the first has none. */
const CLAMPS = 0x01020304;
const cells = (output) => output.map((y) => (y & 0xffff).toString(16).padStart(4, '0')).join('');

function makeKey(shape, random) {
  const trap = { tau: random(), alpha: random(), beta: random(), delta: random(), ic: [random(), random(), random(), random()] };
  const tau2 = g2(trap.tau);
  const srsId = BigInt('0x' + keccak(ascii('assay-srs-v1') + words(tau2)));
  const counts = [shape.weights, shape.tables, shape.inputs, shape.witness].map(BigInt);
  const firsts = counts.map((_, i) => counts.slice(0, i).reduce((a, b) => a + b, 0n));
  // cells: powers of a random scalar, cheaper than a hash each
  const chunk = () => {
    const [step, f] = [random(), [random()]];
    for (let i = 0; i < 2 ** shape.c; i++) f.push((f[i] * step) % R);
    return f;
  };
  const tables = Array.from({ length: shape.tables }, chunk);
  const tablePoints = tables.map((f) => g1(evaluate(f, trap.tau)));
  const digest = BigInt('0x' + keccak(ascii('a made-up shape')));
  const bytes = words(
    2n, digest, srsId, BigInt(shape.c), BigInt(shape.k), counts, firsts, BigInt(shape.outputs), BigInt(shape.batch),
    g1(m(-trap.alpha)), g2(trap.beta), g2(trap.delta), trap.ic.map(g1), tau2, tablePoints,
  );
  const weights = Array.from({ length: shape.weights }, chunk);
  const inputs = Array.from({ length: shape.inputs }, chunk);
  return { shape, trap, bytes, tables, tablePoints, weights, inputs, chunk };
}

function prove(key, random, context, output, clamps) {
  const { shape, trap } = key;
  const commit = (f) => g1(evaluate(f, trap.tau));
  const [weightPoints, inputPoints] = [key.weights.map(commit), key.inputs.map(commit)];
  const witness = Array.from({ length: shape.witness }, key.chunk);
  const mask = key.chunk();
  const [witnessPoints, maskPoint] = [witness.map(commit), commit(mask)];
  const point = Array.from({ length: shape.c + shape.k }, random);
  const rho = random();
  const eq = eqTable(point.slice(shape.c));
  const chunks = [...key.weights, ...key.tables, ...key.inputs, ...witness];
  const folded = mask.map((a, i) => m(a * rho + chunks.reduce((sum, f, j) => sum + eq[j] * f[i], 0n)));
  const low = point.slice(0, shape.c);
  const lowEq = eqTable(low);
  const s = lowEq.reduce((sum, a, i) => m(sum + a * folded[i]), 0n);
  const D = random();

  const points = [weightPoints, key.tablePoints, inputPoints].map((list) => words(list)).join('');
  const statement = scalar(
    keccak(ascii('assay-statement-v2') + words(context) + points + cells(output) + uint32(clamps) + words(witnessPoints, maskPoint)),
  );
  const delta = random();
  const sum = output.reduceRight((v, y) => m(v * delta + BigInt(y + 32768)), BigInt(clamps));
  const data = [statement, delta, sum, point, s, rho].flat();
  const binding = BigInt('0x' + keccak(words(data, D)));
  const chi = binding % R;
  const h = data.reduceRight((sum, d) => m((sum + d) * chi), 0n);
  const [a, b] = [random(), random()];
  const ic = m(trap.ic[0] + D * trap.ic[1] + chi * trap.ic[2] + h * trap.ic[3]);
  const c = m(m(a * b - trap.alpha * trap.beta - ic) * inv(trap.delta));
  const opening = open({ poly: folded, u: low, tau: trap.tau, binding });
  if (opening.value !== s) throw new Error('opening value');
  return words(g1(a), g2(b), g1(c), D, s, rho, delta, point, witnessPoints, maskPoint, opening.proof);
}

function fixture(name, shape) {
  const random = rng(`assay simulated ${name}`);
  const key = makeKey(shape, random);
  const points = (list) => words(list.map((f) => g1(evaluate(f, key.trap.tau))));
  const [weights, inputCommitments] = [points(key.weights), points(key.inputs)];
  const statement = { key: key.bytes, weights, inputCommitments };
  const { context } = deriveOrder(statement);
  // of a batch of separate inputs the other proof is for one job less, its last inference a filler
  const other = shape.batch >> 8 ? deriveOrder(statement, 2 ** (shape.batch & 255) - 1).context : '0x' + word(7n);
  const first = Array.from({ length: shape.outputs }, (_, i) => (i === 0 ? -32768 : i === 1 ? 32767 : Number(random() % 65536n) - 32768));
  const second = first.map((y, i) => (i === 2 ? y ^ 1 : y));
  const hex = (x) => '0x' + x;
  const proof = (c, output, clamps) => prove(key, random, scalar(c.slice(2)), output, clamps);
  const out = {
    key: hex(key.bytes), weights: hex(weights), context, inputCommitments: hex(inputCommitments), output: hex(cells(first) + uint32(0)),
    proof: hex(proof(context, first, 0)), otherContext: other, otherOutput: hex(cells(second) + uint32(CLAMPS)),
    otherProof: hex(proof(other, second, CLAMPS)),
  };
  writeFileSync(new URL(`../fixtures/simulated-${name}.json`, import.meta.url), JSON.stringify(out, null, 1) + '\n');
}

fixture('small', { c: 5, k: 3, weights: 2, tables: 1, inputs: 1, witness: 2, outputs: 10, batch: 0 });
fixture('batch', { c: 5, k: 4, weights: 2, tables: 1, inputs: 8, witness: 2, outputs: 12, batch: 0x102 });
fixture('joint', { c: 5, k: 3, weights: 2, tables: 1, inputs: 1, witness: 2, outputs: 12, batch: 2 });
fixture('lenet', { c: 16, k: 3, weights: 3, tables: 0, inputs: 1, witness: 2, outputs: 10, batch: 0 });

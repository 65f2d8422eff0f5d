// The first judge of changes to the Solidity verifier: one process that compiles each change and asks whether honest proofs still hold.
//
//     node quick.mjs CONTRACTS        reads a line of JSON for each change, `{file, text}`, and answers `{verdict, by, codes}` on a line of its own
//
// `refused`: it does not compile. `killed`: by the golden cases that `by` names. `alive`: nothing here notices, and forge's tests have to say more; they
// are given the codes, of the contracts that have the file in them.
// Solidity's own tests do the same, but a start of compiler and forge for each of a thousand changes takes hours.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = process.argv[2];
const solc = createRequire(join(root, 'package.json'))('solc');
const PORT = 20_000 + (process.pid % 20_000);
const CONTRACT = '0x00000000000000000000000000000000000a5501';
const KEY = '0x00000000000000000000000000000000000a5502';
const WEIGHTS = '0x00000000000000000000000000000000000a5503';
const FIXTURES = [
  'test/fixtures/simulated-small.json', 'test/fixtures/simulated-lenet.json', 'test/fixtures/simulated-batch.json',
  '../fixtures/golden/wrapped.json', '../fixtures/golden/universal.json', '../fixtures/golden/universal_small.json',
];

// ------------------------------------------------------------------------------------------------ compiler

/** Codes and selectors of a contract with `changed.text` in place of `changed.file`, or the error if it does not compile. */
function compile(file, contract, viaIR, changed) {
  const contents = (path) => (path === changed?.file ? changed.text : readFileSync(join(root, path), 'utf8'));
  const settings = {
    evmVersion: 'cancun',
    viaIR,
    // without an optimiser there is not enough of a stack for the quick way of compiling
    optimizer: { enabled: !viaIR, runs: 1 },
    debug: { debugInfo: [] },
    outputSelection: { [file]: { [contract]: ['evm.bytecode.object', 'evm.deployedBytecode.object', 'evm.methodIdentifiers'] } },
  };
  const input = { language: 'Solidity', sources: { [file]: { content: contents(file) } }, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (path) => ({ contents: contents(path) }) }));
  const error = output.errors?.find((e) => e.severity === 'error');
  if (error) return { error: error.formattedMessage };
  const { bytecode, deployedBytecode, methodIdentifiers } = output.contracts[file][contract].evm;
  const selector = (name) => Object.entries(methodIdentifiers).find(([signature]) => signature.startsWith(`${name}(`))[1];
  return { creation: `0x${bytecode.object}`, code: `0x${deployedBytecode.object}`, selector };
}

// ------------------------------------------------------------------------------------------------ chain

const word = (value) => (typeof value === 'string' ? value.replace(/^0x/, '') : value.toString(16)).padStart(64, '0');

/** Arguments as a call has them: words, byte strings as `{bytes}`, lists of words as `{words}`. */
function encode(values) {
  const [head, tail] = [[], []];
  let offset = 32 * values.length;
  for (const value of values) {
    if (value.bytes === undefined && value.words === undefined) {
      head.push(word(value));
      continue;
    }
    const hex = value.words ? value.words.map(word).join('') : value.bytes.replace(/^0x/, '');
    const filled = hex.padEnd(Math.ceil(hex.length / 64) * 64, '0');
    head.push(word(offset));
    tail.push(word(value.words ? value.words.length : hex.length / 2) + filled);
    offset += 32 + filled.length / 2;
  }
  return head.join('') + tail.join('');
}

/** What a call answers, or nothing if it fails. */
async function call(codes, data) {
  const overrides = Object.fromEntries(Object.entries(codes).map(([account, code]) => [account, { code }]));
  const params = [{ to: CONTRACT, data: `0x${data}`, gas: '0x1c9c380' }, 'latest', overrides];
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_call', params });
  const answer = await fetch(`http://127.0.0.1:${PORT}`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  return (await answer.json()).result;
}

async function chain() {
  const anvil = spawn(join(root, 'node_modules/.bin/anvil'), ['--port', PORT, '--silent', '--hardfork', 'cancun', '--gas-limit', '40000000']);
  process.on('exit', () => anvil.kill());
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  for (let tries = 0; tries < 100; ++tries) {
    try {
      if (await call({ [CONTRACT]: '0x602a5f5260205ff3' }, '')) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error('anvil does not answer');
}

// ------------------------------------------------------------------------------------------------ judges

const json = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));
const ONE = `0x${word(1)}`;

/** Each: the contract that it compiles, and the calls that it makes with what they have to answer. */
const gates = {
  by: 'test/Gates.t.sol: test_golden',
  contract: ['test/Gates.t.sol', 'GatesHarness', false],
  calls: json('../fixtures/golden/gates.json').cases.map((c) => {
    const cells = c.advice + c.next.slice(2);
    return { name: 'sum', data: encode([{ bytes: c.fixed }, { bytes: cells }, c.public, c.alpha]), expected: c.sum };
  }),
};
const golden = json('../fixtures/golden/opening.json');
const opening = {
  by: 'test/Opening.t.sol: test_golden',
  contract: ['test/Opening.t.sol', 'OpeningHarness', false],
  calls: golden.cases.map((c) => {
    const values = [c.seed, { words: c.point }, c.value, { bytes: c.commitment }, { bytes: golden.tauG2 }, { bytes: c.opening }];
    return { name: 'check', data: encode(values), expected: ONE };
  }),
};
const verifier = {
  by: 'test/AssayVerifier.t.sol: test_valid',
  contract: ['src/AssayVerifier.sol', 'AssayVerifier', true],
  calls: FIXTURES.map((path) => {
    const p = json(path);
    const values = [KEY, WEIGHTS, p.context, { bytes: p.inputCommitments }, { bytes: p.output }, { bytes: p.proof }];
    const codes = { [KEY]: `0x00${p.key.slice(2)}`, [WEIGHTS]: `0x00${p.weights.slice(2)}` };
    return { name: 'verify', data: encode(values), codes, expected: ONE };
  }),
};
const JUDGES = { 'src/lib/Gates.sol': [gates, verifier], 'src/lib/Opening.sol': [opening, verifier] };

const DEPLOYED = { AssayVerifier: () => true, KeyRegistry: (changed) => changed.file === 'src/lib/Bn254.sol' };

async function judge(changed) {
  for (const { by, contract, calls } of JUDGES[changed?.file] ?? [verifier]) {
    const compiled = compile(...contract, changed);
    if (compiled.error && !contract[2]) continue; // what the contract is not compiled with may lack room on the stack
    if (compiled.error) return { verdict: 'refused', by: compiled.error.slice(0, 300) };
    for (const { name, data, codes, expected } of calls) {
      const answer = await call({ ...codes, [CONTRACT]: compiled.code }, compiled.selector(name) + data);
      if (answer !== expected) return { verdict: 'killed', by };
    }
  }
  const codes = {};
  for (const [name, has] of Object.entries(DEPLOYED)) {
    if (has(changed)) codes[name] = compile(`src/${name}.sol`, name, true, changed).creation;
  }
  return { verdict: 'alive', by: '', codes };
}

await chain();
for (const changed of [{ file: 'src/lib/Gates.sol' }, { file: 'src/lib/Opening.sol' }]) {
  const text = readFileSync(join(root, changed.file), 'utf8');
  const { verdict, by } = await judge({ ...changed, text });
  if (verdict !== 'alive') throw new Error(`the contracts as they are: ${verdict} ${by}`);
}
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await judge(JSON.parse(line))));
process.exit(0);

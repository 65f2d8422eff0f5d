// Writes artifacts/*.json (ABI, creation bytecode, compiler) out of forge's output; with --check, fails where that would change anything.
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const solc = createRequire(import.meta.url)('solc').version().replace(/\.Emscripten.*$/, '');
const contracts = [
  'AssayVerifier', 'KeyRegistry', 'ModelRegistry', 'InferenceMarket',
  // around the market
  'InferenceCallbacks', 'GaslessFunding', 'SplitterFactory', 'RevenueSplitter', 'RisingOffers', 'Reputation', 'Storefront',
  'ProofEvaluatorFactory', 'ProofValidator', 'ZkmlVerifier', 'ProvenContent',
  'CouncilVotes', 'CouncilSetup', 'CouncilGovernor',
  // an example, and for tests
  'DigitPrize', 'TestToken', 'AuthorizedToken', 'Wallet', 'PermitDouble', 'ExactProxyDouble', 'HoldDouble', 'CollectorDouble',
];
// those that are not in a file of their own
const files = {
  Wallet: 'GaslessTokens', PermitDouble: 'GaslessTokens', ExactProxyDouble: 'X402', HoldDouble: 'X402', CollectorDouble: 'X402',
};
const check = process.argv.includes('--check');
const target = join(root, 'artifacts');
mkdirSync(target, { recursive: true });

const stale = [];
for (const name of contracts) {
  const built = JSON.parse(readFileSync(join(root, 'out', `${files[name] ?? name}.sol`, `${name}.json`), 'utf8'));
  const size = (built.deployedBytecode.object.length - 2) / 2;
  if (size > 24576) throw new Error(`${name} is ${size} bytes, above the 24576 of EIP-170`);
  const creation = (built.bytecode.object.length - 2) / 2;
  if (creation > 49152) throw new Error(`the creation code of ${name} is ${creation} bytes, above the 49152 of EIP-3860`);
  const text = JSON.stringify({ contractName: name, solc, abi: built.abi, bytecode: { object: built.bytecode.object } }, null, 1) + '\n';
  const file = join(target, `${name}.json`);
  if (check) {
    if (!existsSync(file) || readFileSync(file, 'utf8') !== text) stale.push(name);
  } else {
    writeFileSync(file, text);
    console.log(`${name}: ${size} bytes deployed`);
  }
}
const extra = readdirSync(target).filter((f) => !contracts.includes(f.replace(/\.json$/, '')));
if (extra.length) stale.push(...extra);
if (stale.length) {
  console.error(`artifacts out of date: ${stale.join(', ')}; run verifier-contracts/build.sh`);
  process.exit(1);
}

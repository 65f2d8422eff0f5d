// The deterministic order of the lifecycle tests, and its EIP-712 digest: job id and binding context out of key, weights and input.
import { readFileSync } from 'node:fs';
import { ascii, keccak, scalar, word } from './bn254.mjs';

const settings = JSON.parse(readFileSync(new URL('../fixtures/order.json', import.meta.url), 'utf8'));
const strip = (hex) => hex.replace(/^0x/, '').toLowerCase();
const address = (hex) => strip(hex).padStart(64, '0');
const hash = (text) => keccak(ascii(text));

const ORDER =
  'Order(address buyer,uint256 modelId,bytes32 modelCommitment,bytes32 inputCommitment,bytes32 keyHash,address verifier,' +
  'address token,uint128 maxPrice,bytes32 feeSplitHash,uint32 proveSecs,uint32 expireSecs,uint128 collateral,address prover,bytes32 salt)';

/** `key`, `weights` and `inputCommitments` as hex; returns hex with 0x. */
export function deriveOrder({ key, weights, inputCommitments }) {
  const keyHash = keccak(strip(key));
  const shapeDigest = strip(key).slice(64, 128);
  const modelCommitment = keccak(shapeDigest + strip(weights));
  const inputCommitment = keccak(strip(inputCommitments));
  // abi.encode of one payee: the prover (address 2), 10,000 of 10,000
  const feeSplitHash = keccak(word(32n) + word(1n) + word(2n) + word(10000n));
  const n = (x) => word(BigInt(x));
  const order = keccak(
    hash(ORDER) + address(settings.buyer) + n(settings.modelId) + modelCommitment + inputCommitment + keyHash + address(settings.verifier) +
      address(settings.token) + n(settings.maxPrice) + feeSplitHash + n(settings.proveSecs) + n(settings.expireSecs) +
      n(settings.collateral) + word(0n) + n(settings.salt),
  );
  const domain = keccak(
    hash('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)') + hash('Assay') + hash('1') +
      n(settings.chainId) + address(settings.market),
  );
  const jobId = keccak('1901' + domain + order);
  const context = word(scalar(keccak(n(settings.chainId) + address(settings.market) + jobId + address(settings.prover))));
  const out = { keyHash, shapeDigest, modelCommitment, inputCommitment, feeSplitHash, jobId, context };
  return Object.fromEntries(Object.entries(out).map(([name, hex]) => [name, '0x' + hex]));
}

// node test/vectors/order.mjs FIXTURE.json: the context that a proof must have to go through the lifecycle tests
if (import.meta.url === new URL(process.argv[1] ?? '', 'file:').href) {
  console.log(JSON.stringify(deriveOrder(JSON.parse(readFileSync(process.argv[2], 'utf8'))), null, 1));
}

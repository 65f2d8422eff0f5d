// The deterministic orders of the lifecycle tests, and their EIP-712 digests: job ids and binding context out of key, weights and input.
import { readFileSync } from 'node:fs';
import { ascii, keccak, scalar, word } from './bn254.mjs';

const settings = JSON.parse(readFileSync(new URL('../fixtures/order.json', import.meta.url), 'utf8'));
const strip = (hex) => hex.replace(/^0x/, '').toLowerCase();
const address = (hex) => strip(hex).padStart(64, '0');
const hash = (text) => keccak(ascii(text));
const n = (x) => word(BigInt(x));

const ORDER =
  'Order(address buyer,uint256 modelId,bytes32 modelCommitment,bytes32 inputCommitment,bytes32 keyHash,address verifier,' +
  'address token,uint128 maxPrice,bytes32 feeSplitHash,uint32 proveSecs,uint32 expireSecs,uint128 collateral,address prover,bytes32 salt,' +
  'bool unclamped)';

/** Buyer and salt of order `i` of a batch. */
export const batchBuyer = (i) => keccak(ascii('assay batch buyer') + n(i)).slice(24).padStart(64, '0');
export const batchSalt = (i) => keccak(ascii('assay batch salt') + n(i));

/**
 * `key`, `weights` and `inputCommitments` as hex; returns hex with 0x. Under a key for separate inputs there are `jobs` orders (all that fit, if not
 * given), each with its part of the input commitments; else there is one.
 */
export function deriveOrder({ key, weights, inputCommitments }, jobs) {
  const keyHash = keccak(strip(key));
  const shapeDigest = strip(key).slice(64, 128);
  const modelCommitment = keccak(shapeDigest + strip(weights));
  // abi.encode of one payee: the prover (address 2), 10,000 of 10,000
  const feeSplitHash = keccak(word(32n) + word(1n) + word(2n) + word(10000n));
  const domain = keccak(
    hash('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)') + hash('Assay') + hash('1') +
      n(settings.chainId) + address(settings.market),
  );
  const digest = (buyer, salt, input) => {
    const order = keccak(
      hash(ORDER) + buyer + n(settings.modelId) + modelCommitment + keccak(input) + keyHash + address(settings.verifier) +
        address(settings.token) + n(settings.maxPrice) + feeSplitHash + n(settings.proveSecs) + n(settings.expireSecs) +
        n(settings.collateral) + word(0n) + salt + word(0n),
    );
    return keccak('1901' + domain + order);
  };
  const inputs = strip(inputCommitments);
  const batch = Number(scalar(strip(key).slice(14 * 64, 15 * 64)));
  const where = n(settings.chainId) + address(settings.market);
  let jobIds, context;
  if (batch >> 8) {
    const inferences = 2 ** (batch & 255);
    const part = inputs.length / inferences;
    jobIds = Array.from({ length: jobs ?? inferences }, (_, i) => digest(batchBuyer(i), batchSalt(i), inputs.slice(part * i, part * (i + 1))));
    context = where + keccak(jobIds.join('')) + address(settings.prover) + n(jobIds.length);
  } else {
    jobIds = [digest(address(settings.buyer), n(settings.salt), inputs)];
    context = where + jobIds[0] + address(settings.prover);
  }
  const out = { keyHash, shapeDigest, modelCommitment, feeSplitHash, context: word(scalar(keccak(context))) };
  return { ...Object.fromEntries(Object.entries(out).map(([name, hex]) => [name, '0x' + hex])), jobIds: jobIds.map((id) => '0x' + id) };
}

// node test/vectors/order.mjs FIXTURE.json: the context that a proof must have to go through the lifecycle tests
if (import.meta.url === new URL(process.argv[1] ?? '', 'file:').href) {
  console.log(JSON.stringify(deriveOrder(JSON.parse(readFileSync(process.argv[2], 'utf8'))), null, 1));
}

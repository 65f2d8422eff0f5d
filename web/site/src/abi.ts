/** The one call of the market that a buyer makes: its bytes, as the contracts' ABI has them (verifier-contracts/artifacts). */
import type { Escrow } from "./service.js";

/** `fund((…),(…),bytes,bool)` and `approve(address,uint256)`: the first four bytes of their signatures' hashes. */
export const FUND = "dd3f9484";
const APPROVE = "095ea7b3";

type Value = string | number | boolean;

/** One word: a number, a flag, or bytes with zeros before them. */
function word(value: Value): string {
  const number = typeof value === "boolean" ? BigInt(value ? 1 : 0) : BigInt(value);
  if (number < 0n || number >> 256n !== 0n) throw new Error(`${value} does not fit a word`);
  return number.toString(16).padStart(64, "0");
}

const words = (values: Value[]) => values.map(word).join("");

/** Bytes with their length before them, filled up to whole words. */
function bytes(hex: string): string {
  const digits = hex.replace(/^0x/, "");
  return word(digits.length / 2) + digits.padEnd(Math.ceil(digits.length / 64) * 64, "0");
}

/** The market's `fund` for an escrow, paid with the transaction's value or an allowance. */
export function fundCall({ order: o, quote: q, signature }: Escrow): string {
  const order = words([
    o.buyer, o.model_id, o.model_commitment, o.input_commitment, o.key_hash, o.verifier, o.token, o.max_price, o.fee_split_hash, o.prove_secs,
    o.expire_secs, o.collateral, o.prover, o.salt, o.unclamped,
  ]); // prettier-ignore
  const before = [q.model_id, q.key_hash, q.token, q.price, q.collateral, q.prove_secs, q.expire_secs, q.buyer];
  const after = [q.valid_from, q.valid_until, q.inferences, q.uses, q.epoch, q.nonce];
  // the list of provers lies behind the words of the quote, one of which says where
  const provers = word(32 * (before.length + 1 + after.length));
  const quote = words(before) + provers + words(after) + word(q.provers.length) + words(q.provers);
  const head = order.length / 2 + 3 * 32;
  return "0x" + FUND + order + word(head) + word(head + quote.length / 2) + word(false) + quote + bytes(signature);
}

/** A token's `approve`. */
export function approveCall(spender: string, amount: string): string {
  return "0x" + APPROVE + words([spender, amount]);
}

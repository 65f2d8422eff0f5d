/** Amounts for people. */
import type { Ended, Terms } from "./service.js";
import { tokenOf } from "./tokens.js";

const NATIVE = /^0x0+$/;

/** An amount of the chain's coin or of a token: in the smallest unit, where the token's decimals are not known. */
export function amount(value: string, token: string): string {
  if (NATIVE.test(token)) {
    // what would be a row of zeros is written in the smallest unit
    const tiny = BigInt(value) > 0n && BigInt(value) < 10n ** 12n;
    return tiny ? `${value} wei` : `${decimal(value, 18)} ETH`;
  }
  const known = tokenOf(token);
  const short = `${token.slice(0, 8)}…`;
  // any contract may call itself anything, so its address is there too
  return known ? `${decimal(value, known.decimals)} ${known.symbol} (the token ${short})` : `${value} units of the token ${short}`;
}

/** About how many of the chain's coins these are, where all digits say less than the first ones. */
export function about(value: string): string {
  const unit = 10n ** 12n;
  return BigInt(value) < unit ? amount(value, COIN) : amount(String((BigInt(value) / unit) * unit), COIN);
}

function decimal(value: string, decimals: number): string {
  const digits = value.padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const part = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return `${whole}${part && "." + part}`;
}

export const COIN = "0x" + "0".repeat(40);

export function price(terms: Terms | null, free: boolean): string {
  if (free) return terms ? `free here, or ${amount(terms.price, terms.token)}` : "free here";
  return terms ? amount(terms.price, terms.token) : "not sold";
}

export const succeeded = (ended: Ended) => ended.state === "settled" || ended.state === "proven";
/** What the seller did not deliver. Withdrawn and unpaid predictions are nobody's fault. */
export const missed = (ended: Ended) => ended.state === "failed" || ended.state === "refunded";

export function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}

export function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** An amount of the chain's coin as people write it, in the smallest unit. Errors: it is no amount. */
export function wei(text: string): string {
  const found = /^(\d{1,12})(?:[.,](\d{1,18}))?$/.exec(text.trim());
  if (!found) throw new Error("A price is a number such as 0.001, in ETH.");
  return String(BigInt(found[1]!) * 10n ** 18n + BigInt((found[2] ?? "").padEnd(18, "0")));
}

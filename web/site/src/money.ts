/** Amounts for people. */
import type { Ended, Terms } from "./service.js";

const NATIVE = /^0x0+$/;

/** An amount of the chain's coin, or the smallest units of a token. */
export function amount(value: string, token: string): string {
  if (!NATIVE.test(token)) return `${value} units of the token ${token.slice(0, 8)}…`;
  const digits = value.padStart(19, "0");
  const whole = digits.slice(0, -18);
  const part = digits.slice(-18).replace(/0+$/, "");
  // what would be a row of zeros is written in the smallest unit
  return part.length > 12 ? `${value} wei` : `${whole}${part && "." + part} ETH`;
}

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

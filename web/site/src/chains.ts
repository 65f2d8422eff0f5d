/** Chains that people know by a name, and where their transactions can be looked at. */
import { h, hash } from "./dom.js";

const CHAINS: Record<number, [name: string, explorer?: string]> = {
  1: ["Ethereum", "https://etherscan.io"],
  10: ["OP Mainnet", "https://optimistic.etherscan.io"],
  8453: ["Base", "https://basescan.org"],
  42161: ["Arbitrum One", "https://arbiscan.io"],
  31337: ["a development chain"],
  11155111: ["Sepolia", "https://sepolia.etherscan.io"],
};

export const chainName = (id: number) => (CHAINS[id] ? `${id} (${CHAINS[id][0]})` : String(id));

/** A transaction's hash, with a link to the chain's explorer: the one that the service names, else one that is known here. */
export function transaction(id: string, chain: number | null | undefined, named?: string | null): HTMLElement {
  const known = chain != null ? CHAINS[chain]?.[1] : undefined;
  // what the service names is a page, and no script
  const explorer = named && /^https?:\/\//.test(named) ? named : known;
  if (!explorer) return hash(id);
  return h("span", {}, hash(id), " ", h("a", { href: `${explorer}/tx/${id}`, target: "_blank", rel: "noopener noreferrer" }, "in the explorer"));
}

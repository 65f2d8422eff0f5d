/** What tokens are called and how many decimals they have, as their contracts say: asked of the visitor's wallet, if it is on the chain. */
import { TOKEN } from "../../client/dist/abi.js";
import { wallets } from "./wallet.js";

export interface Token {
  symbol: string;
  decimals: number;
}

const known = new Map<string, Token>();

export const tokenOf = (address: string): Token | undefined => known.get(address.toLowerCase());

/** How long a page waits for a wallet that does not answer. */
const PATIENCE = 1000;

/** Learns what it can of some tokens. What nobody answers stays unknown, and amounts are in the smallest unit then. */
export async function learn(addresses: string[], chain: number | null | undefined): Promise<void> {
  const wanted = [...new Set(addresses.map((one) => one.toLowerCase()))].filter((one) => BigInt(one) !== 0n && !known.has(one));
  if (wanted.length === 0 || chain == null) return;
  const patience = new Promise<void>((resolve) => setTimeout(resolve, PATIENCE));
  // a wallet that is locked says nothing
  await Promise.race([ask(wanted, chain).catch(() => {}), patience]);
}

async function ask(wanted: string[], chain: number): Promise<void> {
  const provider = (await wallets())[0]?.provider;
  if (!provider || Number(await provider.request({ method: "eth_chainId" })) !== chain) return;
  const call = (to: string, data: string): Promise<string> => provider.request({ method: "eth_call", params: [{ to, data }, "latest"] });
  for (const address of wanted) {
    const [decimals, symbol] = await Promise.all([call(address, TOKEN.decimals), call(address, TOKEN.symbol)]);
    const token = { decimals: Number(BigInt(decimals)), symbol: text(symbol) };
    if (token.symbol && token.decimals <= 36) known.set(address, token);
  }
}

/** A short plain name out of a call's answer: a string with its length before it. */
function text(answer: string): string {
  const words = answer.replace(/^0x/, "");
  const length = Number(BigInt("0x0" + words.slice(64, 128)));
  const bytes = words.slice(128, 128 + 2 * length).match(/../g) ?? [];
  const symbol = bytes.map((byte) => String.fromCharCode(parseInt(byte, 16))).join("");
  return /^[\w.$+-]{1,12}$/.test(symbol) ? symbol : "";
}

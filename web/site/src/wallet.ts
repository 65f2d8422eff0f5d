/** The visitor's wallet: found by EIP-6963 or at `window.ethereum`, spoken to by EIP-1193. */
import { approveCall, fundCall } from "../../client/dist/abi.js";
import type { Escrow } from "./service.js";

export interface Provider {
  request(call: { method: string; params?: unknown[] }): Promise<any>;
}

export interface Wallet {
  name: string;
  provider: Provider;
}

/** All wallets that answer within a moment. */
export async function wallets(): Promise<Wallet[]> {
  const found = new Map<string, Wallet>();
  const heard = (event: any) => found.set(event.detail.info.uuid, { name: event.detail.info.name, provider: event.detail.provider });
  window.addEventListener("eip6963:announceProvider", heard);
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  await new Promise((resolve) => setTimeout(resolve, 150));
  window.removeEventListener("eip6963:announceProvider", heard);
  const old = (window as any).ethereum as Provider | undefined;
  return found.size > 0 || !old ? [...found.values()] : [{ name: "Browser wallet", provider: old }];
}

export async function account(wallet: Wallet): Promise<string> {
  const [first] = await wallet.provider.request({ method: "eth_requestAccounts" });
  if (!first) throw new Error("The wallet gave no account.");
  return first;
}

/** Waits until a transaction is in a block. Errors: it failed there. */
export async function mined(wallet: Wallet, hash: string): Promise<void> {
  for (;;) {
    const receipt = await wallet.provider.request({ method: "eth_getTransactionReceipt", params: [hash] });
    if (receipt) {
      if (BigInt(receipt.status) === 0n) throw new Error(`The transaction ${hash} failed. Nothing but its gas was paid.`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
}

/** Sends a call without value, and waits until it is in a block. */
export async function send(wallet: Wallet, from: string, to: string, data: string): Promise<void> {
  await mined(wallet, await wallet.provider.request({ method: "eth_sendTransaction", params: [{ from, to, data, value: "0x0" }] }));
}

/** Asks a contract. */
export function ask(wallet: Wallet, to: string, data: string): Promise<string> {
  return wallet.provider.request({ method: "eth_call", params: [{ to, data }, "latest"] });
}

/** Pays an escrow into the market. Returns the transaction's hash. */
export async function fund(wallet: Wallet, from: string, market: string, escrow: Escrow): Promise<string> {
  const send = (to: string, data: string, value: string) =>
    wallet.provider.request({ method: "eth_sendTransaction", params: [{ from, to, data, value: "0x" + BigInt(value).toString(16) }] });
  const { token, price } = escrow.quote;
  const native = BigInt(token) === 0n;
  if (!native) await mined(wallet, await send(token, approveCall(market, price), "0"));
  const hash = await send(market, fundCall(escrow), native ? price : "0");
  await mined(wallet, hash);
  return hash;
}

/** Wallets and services say why in many ways. */
export function explained(error: Error & { code?: unknown; data?: { message?: string } }): string {
  if (error.code === 4001) return "You refused it in the wallet. Nothing was paid.";
  return error.data?.message ?? error.message ?? String(error);
}

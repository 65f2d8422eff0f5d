/** The visitor's wallet: found by EIP-6963 or at `window.ethereum`, spoken to by EIP-1193. */
import { approveCall, fundCall } from "../../client/dist/abi.js";
import { Market, type Provider } from "../../client/dist/chain.js";
import { h } from "./dom.js";
import type { Escrow } from "./service.js";

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

/** A field in which the visitor says which of several wallets is meant. With one there is nothing to say. */
export function chooser(found: Wallet[], id: string): { element: HTMLElement; wallet(): Wallet } {
  const select = h("select", { id }, ...found.map((wallet, i) => h("option", { value: i }, wallet.name)));
  const element = h("span", { class: "row", hidden: found.length < 2 }, h("label", { for: id }, "Wallet"), select);
  return { element, wallet: () => found[Number(select.value || 0)]! };
}

/** A wallet's account in a market on a chain. It sends nothing on another chain. */
export class Account {
  private constructor(
    private readonly market: Market,
    readonly address: string,
  ) {}

  /** Asks the wallet for its account, and to go to the market's chain. Errors: it does not. */
  static async open({ provider }: Wallet, at: { market: string; chain_id: number | null }): Promise<Account> {
    const market = new Market(provider, at.market, at.chain_id);
    const account = new Account(market, await market.account());
    await market.ready();
    return account;
  }

  /** Asks a contract. */
  ask(to: string, data: string): Promise<string> {
    return this.market.ask(to, data);
  }

  /** Asks the node behind the wallet. */
  node(method: string, ...params: unknown[]): Promise<any> {
    return this.market.provider.request({ method, params });
  }

  /** Sends a call, and waits until it is in a block. Returns the transaction's hash. `sent` hears of it before it is in a block. */
  send(to: string, data: string, value = 0n, sent?: (hash: string) => void): Promise<string> {
    return this.market.send(this.address, to, data, value, sent);
  }

  /** Pays an escrow into the market. Returns the transaction's hash. */
  async fund(escrow: Escrow, sent: (hash: string) => void): Promise<string> {
    const { token, price } = escrow.quote;
    const native = BigInt(token) === 0n;
    if (!native) await this.send(token, approveCall(this.market.address, price));
    return this.send(this.market.address, fundCall(escrow), native ? BigInt(price) : 0n, sent);
  }
}

/** Wallets and services say why in many ways. */
export function explained(error: Error & { code?: unknown; data?: { message?: string } }): string {
  if (error.code === 4001) return "You refused it in the wallet. Nothing was paid.";
  return error.data?.message ?? error.message ?? String(error);
}

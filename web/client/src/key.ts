/** An EIP-1193 provider made of a private key and a node, for programs that have no wallet. It needs the package `micro-eth-signer`. */
import { Transaction, addr } from "micro-eth-signer";
import type { Provider } from "./chain.js";

/** A node's JSON-RPC address as a provider that cannot sign. */
export function node(url: string): Provider {
  let id = 0;
  return {
    async request({ method, params = [] }) {
      const body = JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params });
      const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
      const answer = await response.json();
      if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code, data: answer.error.data });
      return answer.result;
    },
  };
}

/** Signs with a key: `0x` and 64 digits. The key stays in this process. */
export function withKey(key: string, url: string): Provider {
  const rpc = node(url);
  const account = addr.fromPrivateKey(key);
  return {
    async request({ method, params = [] }) {
      if (method === "eth_requestAccounts" || method === "eth_accounts") return [account];
      if (method !== "eth_sendTransaction") return rpc.request({ method, params });
      return send(rpc, key, account, params[0] as Wanted);
    },
  };
}

interface Wanted {
  from?: string;
  to: string;
  data: string;
  value?: string;
}

async function send(rpc: Provider, key: string, account: string, { to, data, value = "0x0" }: Wanted): Promise<string> {
  const ask = async (method: string, ...params: unknown[]) => BigInt(await rpc.request({ method, params }));
  // a call that would fail is refused here, with the contract's reason
  const gas = await ask("eth_estimateGas", { from: account, to, data, value });
  const [chainId, nonce, price, tip] = await Promise.all([
    ask("eth_chainId"),
    ask("eth_getTransactionCount", account, "pending"),
    ask("eth_gasPrice"),
    ask("eth_maxPriorityFeePerGas").catch(() => 1_000_000_000n),
  ]);
  const transaction = Transaction.prepare({
    to,
    data,
    value: BigInt(value),
    nonce,
    chainId,
    gasLimit: gas + gas / 5n,
    maxFeePerGas: 2n * price + tip,
    maxPriorityFeePerGas: tip,
  });
  return rpc.request({ method: "eth_sendRawTransaction", params: [transaction.signBy(key).toHex()] });
}

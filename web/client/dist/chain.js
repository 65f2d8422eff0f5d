/** What a buyer asks and tells the chain, through an EIP-1193 provider: a wallet, or `@assay/client/key`. */
import * as abi from "./abi.js";
/** Why a buyer should not pay, or did not get what was paid for. `code` is for programs. */
export class OrderError extends Error {
    code;
    constructor(
    /** `quote`: the quote is not what was asked for. `price`, `key`, `development-key`, `deprecated`: the chain says so. `chain`: the wallet is on another one. `transaction`: it failed. `proof`: it does not hold. `ended`: there is none. */
    code, message) {
        super(message);
        this.code = code;
        this.name = "OrderError";
    }
}
/**
 * Refuses a wallet that is on another chain than the market, and does not change to it when it is asked to. What is sent on another chain goes to
 * whoever has the market's address there.
 */
export async function onChain(provider, chain) {
    if (chain == null)
        throw new OrderError("chain", "it is not known which chain the market is on, since the service has not reached it; nothing was paid. Try again later");
    const here = async () => Number(await provider.request({ method: "eth_chainId" }));
    const before = await here();
    if (before === chain)
        return;
    const away = `the wallet is on chain ${before}, and the market is on chain ${chain}`;
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: hex(chain) }] }).catch((error) => {
        const why = { 4001: "you refused to change it", 4902: "it does not know that chain: add it in the wallet" }[error.code ?? 0] ?? `it did not change: ${error.message}`;
        throw new OrderError("chain", `${away}; ${why}. Nothing was paid`);
    });
    if ((await here()) !== chain)
        throw new OrderError("chain", `${away}; it did not change. Nothing was paid`);
}
const hex = (value) => "0x" + value.toString(16);
/** The words of the registries' answers that are looked at: verifier-contracts/src/interfaces. */
const KEY = { status: 1, development: 5, shape: 7 };
const MODEL = { shape: 0, commitment: 1, split: 2, deprecated: 7, epoch: 8, provenAt: 10, development: 11 };
const ADMITTED = 2n;
/** A market on a chain, and who buys. */
export class Market {
    provider;
    address;
    chain;
    constructor(provider, address, 
    /** The chain that the market is on. */
    chain) {
        this.provider = provider;
        this.address = address;
        this.chain = chain;
    }
    /** Makes sure that the wallet is on the market's chain. Errors: `chain`. */
    ready() {
        return onChain(this.provider, this.chain);
    }
    ask(to, data) {
        return this.provider.request({ method: "eth_call", params: [{ to, data }, "latest"] });
    }
    /** The account that pays: the wallet asks its owner. */
    async account() {
        const [first] = await this.provider.request({ method: "eth_requestAccounts" });
        if (!first)
            throw new OrderError("transaction", "the wallet gave no account");
        return first;
    }
    /** Refuses an order that the chain would not accept, or that says other things than the chain. Returns whether the model's weights are proven to be in range. */
    async check({ order, quote }, acceptDevelopmentKey) {
        const call = (to, data) => this.ask(to, data).then(abi.wordsIn);
        const [keys, models] = await Promise.all([this.ask(this.address, abi.REGISTRIES.keys), this.ask(this.address, abi.REGISTRIES.models)]);
        const [key, model, [verifier]] = await Promise.all([
            call(abi.addressIn(keys), abi.keyCall(order.key_hash)),
            call(abi.addressIn(models), abi.modelCall(order.model_id)),
            call(this.address, abi.verifierCall),
        ]);
        const same = (word, value) => word === BigInt(value);
        const fields = [
            ["verifier", same(verifier, order.verifier)],
            ["model_commitment", same(model[MODEL.commitment], order.model_commitment)],
            ["fee_split_hash", same(model[MODEL.split], order.fee_split_hash)],
            ["epoch", same(model[MODEL.epoch], quote.epoch)],
            ["inferences", quote.inferences === 1],
            ["shape", key[KEY.shape] === model[MODEL.shape]],
        ];
        const wrong = fields.find(([, holds]) => !holds);
        if (key[KEY.status] !== ADMITTED)
            throw new OrderError("key", "the registry has not admitted the key, and nobody can buy");
        if (wrong)
            throw new OrderError("quote", `the quote's ${wrong[0]} is not what the chain says; nothing was paid`);
        if (model[MODEL.deprecated])
            throw new OrderError("deprecated", "the model takes no new jobs");
        const development = key[KEY.development] !== 0n;
        if (development && !acceptDevelopmentKey)
            throw new OrderError("development-key", "proofs under this key can be forged: pass acceptDevelopmentKey, or do not pay");
        return model[MODEL.provenAt] !== 0n && (acceptDevelopmentKey || model[MODEL.development] === 0n);
    }
    /** The market's id of an order. */
    jobOf = (order) => this.ask(this.address, abi.hashOrderCall(order));
    /** What the proof of a job, or of several, must be bound to, if this prover made it. */
    contextOf = (jobs, prover, batch) => this.ask(this.address, batch ? abi.batchContextCall(jobs, prover) : abi.contextCall(jobs[0], prover));
    /** Pays an escrow's price into the market. Returns the transaction's hash. */
    async fund(from, escrow) {
        const { token, price } = escrow.quote;
        const native = BigInt(token) === 0n;
        if (!native)
            await this.send(from, token, abi.approveCall(this.address, price), 0n);
        return this.send(from, this.address, abi.fundCall(escrow), native ? BigInt(price) : 0n);
    }
    /** Sends a transaction on the market's chain, and waits until it is in a block. `sent` hears its hash before that. */
    async send(from, to, data, value, sent) {
        await this.ready();
        // a wallet that is changed right now refuses a transaction that names another chain
        const transaction = { from, to, data, value: hex(value), chainId: hex(this.chain) };
        const hash = await this.provider.request({ method: "eth_sendTransaction", params: [transaction] });
        sent?.(hash);
        for (let wait = 100;; wait = Math.min(2000, wait * 1.5)) {
            const receipt = await this.provider.request({ method: "eth_getTransactionReceipt", params: [hash] });
            if (receipt && BigInt(receipt.status) === 0n)
                throw new OrderError("transaction", `the transaction ${hash} failed, and nothing but gas was paid`);
            if (receipt)
                return hash;
            await new Promise((resolve) => setTimeout(resolve, wait));
        }
    }
}

import type { Escrow } from "./http.js";
/** An EIP-1193 provider. */
export interface Provider {
    request(call: {
        method: string;
        params?: unknown[];
    }): Promise<any>;
}
/** Why a buyer should not pay, or did not get what was paid for. `code` is for programs. */
export declare class OrderError extends Error {
    /** `quote`: the quote is not what was asked for. `price`, `key`, `development-key`, `deprecated`: the chain says so. `chain`: the wallet is on another one. `transaction`: it failed. `proof`: it does not hold. `ended`: there is none. */
    readonly code: "quote" | "price" | "key" | "development-key" | "deprecated" | "chain" | "transaction" | "proof" | "ended";
    constructor(
    /** `quote`: the quote is not what was asked for. `price`, `key`, `development-key`, `deprecated`: the chain says so. `chain`: the wallet is on another one. `transaction`: it failed. `proof`: it does not hold. `ended`: there is none. */
    code: "quote" | "price" | "key" | "development-key" | "deprecated" | "chain" | "transaction" | "proof" | "ended", message: string);
}
/**
 * Refuses a wallet that is on another chain than the market, and does not change to it when it is asked to. What is sent on another chain goes to
 * whoever has the market's address there.
 */
export declare function onChain(provider: Provider, chain: number | null | undefined): Promise<void>;
/** A market on a chain, and who buys. */
export declare class Market {
    readonly provider: Provider;
    readonly address: string;
    /** The chain that the market is on. */
    readonly chain: number | null | undefined;
    constructor(provider: Provider, address: string, 
    /** The chain that the market is on. */
    chain: number | null | undefined);
    /** Makes sure that the wallet is on the market's chain. Errors: `chain`. */
    ready(): Promise<void>;
    ask(to: string, data: string): Promise<string>;
    /** The account that pays: the wallet asks its owner. */
    account(): Promise<string>;
    /** Refuses an order that the chain would not accept, or that says other things than the chain. Returns whether the model's weights are proven to be in range. */
    check({ order, quote }: Escrow, acceptDevelopmentKey: boolean): Promise<boolean>;
    /** The market's id of an order. */
    jobOf: (order: Escrow["order"]) => Promise<string>;
    /** What the proof of a job, or of several, must be bound to, if this prover made it. */
    contextOf: (jobs: string[], prover: string, batch: boolean) => Promise<string>;
    /** Pays an escrow's price into the market. Returns the transaction's hash. */
    fund(from: string, escrow: Escrow): Promise<string>;
    /** Sends a transaction on the market's chain, and waits until it is in a block. `sent` hears its hash before that. */
    send(from: string, to: string, data: string, value: bigint, sent?: (hash: string) => void): Promise<string>;
}

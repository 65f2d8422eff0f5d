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
    /** `quote`: the quote is not what was asked for. `price`, `key`, `development-key`, `deprecated`: the chain says so. `transaction`: it failed. `proof`: it does not hold. `ended`: there is none. */
    readonly code: "quote" | "price" | "key" | "development-key" | "deprecated" | "transaction" | "proof" | "ended";
    constructor(
    /** `quote`: the quote is not what was asked for. `price`, `key`, `development-key`, `deprecated`: the chain says so. `transaction`: it failed. `proof`: it does not hold. `ended`: there is none. */
    code: "quote" | "price" | "key" | "development-key" | "deprecated" | "transaction" | "proof" | "ended", message: string);
}
/** A market on a chain, and who buys. */
export declare class Market {
    readonly provider: Provider;
    readonly address: string;
    constructor(provider: Provider, address: string);
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
    /** Sends a transaction, and waits until it is in a block. */
    send(from: string, to: string, data: string, value: bigint): Promise<string>;
}

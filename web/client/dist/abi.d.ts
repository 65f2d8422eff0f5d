/** The calls of the contracts that buyers and sellers make: their bytes, as the contracts' ABI has them (verifier-contracts/artifacts). */
/** An order and its quote, as a service answers them. Their fields are checked before they are encoded. */
export interface Encodable {
    order: Record<string, any>;
    quote: Record<string, any>;
    signature: string;
}
/** `fund((…),(…),bytes,bool)` and `approve(address,uint256)`: the first four bytes of their signatures' hashes. */
export declare const FUND = "dd3f9484";
/** The market's events `JobFunded` and `JobLocked`: the hashes of their signatures. The first topic after it is the job. */
export declare const FUNDED = "0x17191a0a6330fcda0443be41e751dda7998ea26c6b8578a3f3654a1bf4e76465";
export declare const LOCKED = "0xd426fc4b3a1eb62a494edd91c5b3f4fd6a15f87df04dabba4309670641978dec";
/** `decimals()` and `symbol()` of a token. */
export declare const TOKEN: {
    decimals: string;
    symbol: string;
};
/** The market's `fund` for an escrow, paid with the transaction's value or an allowance. */
export declare function fundCall({ order: o, quote: q, signature }: Encodable): string;
/** A token's `approve`. */
export declare function approveCall(spender: string, amount: string): string;
/** Takes credit out of the market, to the account that has it. */
export declare function withdrawCall(token: string, amount: string, to: string): string;
/** An account's credit in the market. */
export declare function creditCall(token: string, account: string): string;
/** Where the market says that its registries are. */
export declare const REGISTRIES: {
    models: string;
    keys: string;
};
/** Which verifier contract the market calls. */
export declare const verifierCall: string;
/** The market's id of an order. */
export declare const hashOrderCall: (order: Record<string, any>) => string;
/** What the market knows of a job: its state, whether it was late, when it was paid for, and a digest. */
export declare const jobCall: (job: string) => string;
/** The states of a job, in the contract's order. */
export declare const STATES: readonly ["none", "funded", "locked", "settled", "cancelled", "expired", "refunded"];
/** Takes a job back that nobody has locked. `funded`: the data of its event `JobFunded`. */
export declare const cancelCall: (funded: string) => string;
/** Takes the money of an expired job back. `locker`: who has locked it, or zero. */
export declare const refundCall: (funded: string, locker: string) => string;
/** What the proof of a job must be bound to, if this prover makes it. */
export declare const contextCall: (job: string, prover: string) => string;
/** The same for a proof of several jobs. */
export declare const batchContextCall: (jobs: string[], prover: string) => string;
/** What the key registry knows of a key. */
export declare const keyCall: (hash: string) => string;
/** What the model registry knows of a model. */
export declare const modelCall: (id: string) => string;
/** The words of what a call answered, as numbers. */
export declare function wordsIn(answered: string): bigint[];
/** An address in what a call answered. */
export declare const addressIn: (answered: string) => string;
/** Whether a transaction does nothing but list a model in these registries. */
export declare function lists(to: string, data: string, at: {
    models: string;
    keys: string;
}): boolean;

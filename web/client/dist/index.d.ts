/**
 * Buys proven answers of machine-learning models. Nothing that a service says is believed which can be computed here or asked of the chain.
 *
 * ```
 * const client = new Client("https://service.example", await Verifier.load());
 * const [model] = await client.models();
 * const answer = await client.buy(model, pixels, { provider: window.ethereum, market, maxPrice: 10n ** 15n });
 * ```
 */
import type { Commitment, Input, Key, Recomputed, Valid, Verifier } from "@assay/verifier";
import { type Provider } from "./chain.js";
import { Service, type Common, type Escrow, type Happening, type Model, type Prediction, type PredictionRequest } from "./http.js";
export { Market, OrderError, onChain, type Provider } from "./chain.js";
export { Problem, Service, type Common, type Ended, type Escrow, type Happening, type Model, type Prediction, type PredictionRequest, type QuoteRequest } from "./http.js";
export interface AskOptions extends Common {
    /** Whether to ask for an input outside the range that the model is made for; the answer may mean little. */
    allowClamping?: boolean;
    /** Hears of everything that happens to the prediction. */
    heard?: (happening: Happening) => void;
    /**
     * When a paid answer counts as delivered. `"paid"`: when the payment for its proof is in a block, as `assay request` has it; the default. `"settled"`: when
     * that block is as deep as the service wants it (`assay serve --confirmations`), so that the chain will not take it back.
     */
    until?: "paid" | "settled";
    /** `"fresh"` hides the input from everybody but the service, and is the default; `"none"` makes it public. */
    blinding?: "fresh" | "none";
}
export interface BuyOptions extends AskOptions {
    /** The wallet, or `withKey` of `@assay/client/key`. */
    provider: Provider;
    /** The market. Take its address from somebody whom you trust, not from the service. */
    market: string;
    /** The chain that the market is on; what the service says if left out. A wallet that is on another one is asked to change. */
    chainId?: number;
    /** The most that is paid, in the token's smallest unit. */
    maxPrice: bigint;
    /** The token that is paid in; the chain's coin if left out. */
    token?: string;
    /** Most inferences, those of other buyers included, that the proof may have; 64 if left out, and 1 for a proof of this one alone. */
    batch?: number;
    /** Pays for proofs under keys with which proofs can be forged: for tests only. */
    acceptDevelopmentKey?: boolean;
    /** Hears of the order before anything is paid: whoever keeps it can go on with it by {@link Client.resume}. */
    keep?: (order: Order) => void | Promise<void>;
}
/** An order: everything that is needed to go on with it. It holds the input and its blinding, so it is the buyer's secret. */
export interface Order {
    service: string;
    market: string;
    /** The chain that the market is on; undefined in orders that older versions kept. */
    chainId?: number;
    /** The market's id of it. */
    job: string;
    escrow: Escrow;
    request: PredictionRequest;
    commitment: Commitment;
    /** Makes the same request the same prediction. */
    idempotencyKey: string;
}
/** A proven answer: its proof was verified here, and is about the input that was asked about. */
export interface Answer {
    output: NonNullable<Prediction["output"]>;
    /** The label of the largest element, where the model has a label for each. */
    label: string | null;
    report: Valid;
    prediction: Prediction;
    proof: Uint8Array;
    /** The market's job; null if it was free. */
    job: string | null;
    /** Whether the registry was shown that the model's weights are in range and known; null if it was not asked. */
    weightsProven: boolean | null;
}
/** A buyer of one service. */
export declare class Client extends Service {
    private readonly verifier;
    private readonly keys;
    constructor(url: string, verifier: Verifier);
    /** A model's key, checked: computed again as far as its SRS is known here, and the one that the service's list names. */
    keyOf(model: Model): Promise<Key>;
    private openKey;
    /** What of a model's key follows from its description: if not all, compare `key_hash` with one that you trust. Over another SRS than the development one it takes all its powers, from the service. */
    recompute(model: Model): Promise<Recomputed>;
    private withPowers;
    /** Commits to an input, hidden or public. */
    commit(model: Model, input: Input, { allowClamping, blinding }?: AskOptions): Promise<Commitment>;
    /** Asks for a free answer, and verifies it. Its proof is bound to a number that was drawn here. */
    ask(model: Model, input: Input, options?: AskOptions): Promise<Answer>;
    /** Quotes, checks, pays and verifies. */
    buy(model: Model, input: Input, options: BuyOptions): Promise<Answer>;
    /** An order for an answer, checked against the chain and against what was asked for. Nothing is paid. */
    order(model: Model, input: Input, options: BuyOptions): Promise<{
        order: Order;
        buyer: string;
        weightsProven: boolean;
    }>;
    /** The hash that an order's key must have: the model's, or, where the service quotes for a proof of several buyers, that of the key derived for as many. */
    private keyHash;
    /** Goes on with an order that was kept: asks for it again, pays if that was not done, waits and verifies. */
    resume(order: Order, options: Pick<BuyOptions, "provider" | "heard" | "signal" | "until">): Promise<Answer>;
    private delivered;
    /** Refuses a quote that is not what was asked for. What is left the market's contract checks before it takes the money. */
    private agreed;
    /** Waits until a prediction is delivered, or ends otherwise. */
    private wait;
    /** Verifies a proof against one's own input, and against what it must be bound to. */
    private verified;
}

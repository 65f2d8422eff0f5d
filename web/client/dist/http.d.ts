/** A service's routes: docs/api.md. The types are made from its OpenAPI description. */
import type { components } from "./openapi.js";
type Schemas = components["schemas"];
export type Model = Schemas["Model"];
export type Prediction = Schemas["Prediction"];
export type PredictionRequest = Schemas["PredictionRequest"];
export type QuoteRequest = Schemas["QuoteRequest"];
export type Escrow = Schemas["Escrow"];
export type Ended = Schemas["Ended"];
export type Happening = Omit<Schemas["Event"], "data"> & {
    data: Record<string, any>;
};
/** What a service says when it does not do what it was asked: `code` is for programs, docs/api.md lists them. */
export declare class Problem extends Error {
    readonly code: string;
    /** The HTTP status; 0 if nothing answered. */
    readonly status: number;
    constructor(code: string, message: string, 
    /** The HTTP status; 0 if nothing answered. */
    status?: number);
}
export interface Common {
    /** Ends what is going on; what was paid is not taken back by it. */
    signal?: AbortSignal;
}
/** The service's routes, without anything that is checked. */
export declare class Service {
    readonly url: string;
    constructor(url: string);
    private fetch;
    private json;
    /** All models. */
    models(options?: Common): Promise<Model[]>;
    model: (id: string, options?: Common) => Promise<{
        batches?: components["schemas"]["BatchKey"][];
        development: boolean;
        id: components["schemas"]["Hash"];
        input_chunks: number;
        inputs: components["schemas"]["TensorInfo"][];
        key_hash: components["schemas"]["Hash"];
        model_commitment: components["schemas"]["Hash"];
        name: string;
        outputs: components["schemas"]["TensorInfo"][];
        parameters: number;
        shape_digest: components["schemas"]["Hash"];
        text_length?: number | null;
        wrap: string;
    } & {
        description?: string | null;
        free?: boolean;
        labels?: string[];
        licence?: string | null;
        prepare?: components["schemas"]["Preparation"] | null;
        presentation?: components["schemas"]["Presentation"];
        terms?: components["schemas"]["ModelTerms"] | null;
        weights?: components["schemas"]["WeightsProof"] | null;
    }>;
    history: (options?: Common) => Promise<{
        created_ms: number;
        ended_ms: number;
        model: components["schemas"]["Hash"];
        price?: components["schemas"]["Amount"] | null;
        state: components["schemas"]["State"];
    }[]>;
    quote: (request: QuoteRequest, options?: Common) => Promise<{
        order: components["schemas"]["Order"];
        quote: components["schemas"]["Quote"];
        signature: components["schemas"]["Hex"];
    }>;
    prediction: (id: string, options?: Common) => Promise<{
        attempts: number;
        batch?: components["schemas"]["BatchReceipt"] | null;
        clamped: components["schemas"]["Clamped"][];
        clamps: number;
        context?: components["schemas"]["Hash"] | null;
        created_ms: number;
        error_code?: string | null;
        error_detail?: string | null;
        id: string;
        input_commitments: components["schemas"]["Point"][];
        job_id?: components["schemas"]["Hash"] | null;
        model: components["schemas"]["Hash"];
        output?: components["schemas"]["Outputs"] | null;
        output_cells?: number[] | null;
        outside: number;
        payment?: components["schemas"]["PaymentRef"] | null;
        prompt_tokens?: number | null;
        proof_hash?: components["schemas"]["Hash"] | null;
        proof_url?: string | null;
        state: components["schemas"]["State"];
        terminal: boolean;
        tokens?: number[] | null;
        transactions: components["schemas"]["TransactionRef"][];
        updated_ms: number;
    }>;
    cancel: (id: string, options?: Common) => Promise<{
        attempts: number;
        batch?: components["schemas"]["BatchReceipt"] | null;
        clamped: components["schemas"]["Clamped"][];
        clamps: number;
        context?: components["schemas"]["Hash"] | null;
        created_ms: number;
        error_code?: string | null;
        error_detail?: string | null;
        id: string;
        input_commitments: components["schemas"]["Point"][];
        job_id?: components["schemas"]["Hash"] | null;
        model: components["schemas"]["Hash"];
        output?: components["schemas"]["Outputs"] | null;
        output_cells?: number[] | null;
        outside: number;
        payment?: components["schemas"]["PaymentRef"] | null;
        prompt_tokens?: number | null;
        proof_hash?: components["schemas"]["Hash"] | null;
        proof_url?: string | null;
        state: components["schemas"]["State"];
        terminal: boolean;
        tokens?: number[] | null;
        transactions: components["schemas"]["TransactionRef"][];
        updated_ms: number;
    }>;
    /** Asks for a prediction. The same key with the same request is the same prediction, however often it is sent. */
    predict(request: PredictionRequest, idempotencyKey: string, options?: Common): Promise<Prediction>;
    /** A model's KEY file. */
    /** An SRS file with the first `2^log + 1` powers of tau of a model's SRS. */
    srs: (id: string, log: number, options?: Common) => Promise<Uint8Array<ArrayBufferLike>>;
    key: (id: string, options?: Common) => Promise<Uint8Array<ArrayBufferLike>>;
    /** A prediction's proof. */
    proof: (id: string, options?: Common) => Promise<Uint8Array<ArrayBufferLike>>;
    private bytes;
    /**
     * Hears of everything that happens to a prediction until it is over, or, with `until: "paid"`, until its output is shown, which is as soon as its
     * payment is in a block. A stream that breaks is taken up where it broke.
     */
    follow(id: string, heard: (happening: Happening) => void, { signal, until }?: Common & {
        until?: "paid" | "end";
    }): Promise<void>;
}
export {};

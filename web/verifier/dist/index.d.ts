/**
 * Verifies Assay's proofs, recomputes their keys and commits to inputs, on this machine and nowhere else: the verifier of the `assay` command as
 * WebAssembly. Nothing is sent anywhere.
 *
 * ```
 * const verifier = await Verifier.load();
 * const key = verifier.openKey(keyFileBytes);
 * const report = key.verify(proofFileText);
 * if (report.valid) console.log(report.output_data);
 * ```
 */
/** `0x` and hexadecimal digits. */
export type Hex = string;
/** A list of numbers; several of them where a model has several outputs. */
export type Outputs = number[] | number[][];
/** A tensor that a model takes or gives. */
export interface TensorInfo {
    name: string;
    /** Without the batch dimension. */
    shape: number[];
    /** `real = cell * 2 ** -scale`. */
    scale: number;
    /** Of inputs: what the model is made for. */
    range?: [number, number];
}
/** What a key says, and what follows from it. */
export interface KeyInfo {
    name: string;
    model_commitment: Hex;
    /** What contracts and services name: compare it with the key registry's. */
    key_hash: Hex;
    shape_digest: Hex;
    srs_id: Hex;
    /** Whether it is over the development SRS, which is known to everybody and needs no file. */
    development_srs: boolean;
    /** Of another SRS: `2^chunk_log + 1` powers commit to inputs, and `2^srs_log + 1` compute the key again. */
    chunk_log: number;
    srs_log: number;
    wrap: "universal" | "groth16";
    /** Whether somebody could forge proofs under the key: it is for tests only. */
    development: boolean;
    /** How many inferences a proof under the key is of. */
    inferences: number;
    separate_inputs: boolean;
    /** How many commitments an input has, and blinding values. */
    input_chunks: number;
    inputs: TensorInfo[];
    outputs: TensorInfo[];
}
/** What of a key was computed again from its model's description. What was not is the word of whoever gave the key. */
export interface Recomputed {
    /** The digests: always. */
    shape: boolean;
    /** The commitments to public tables. */
    tables: boolean;
    /** The wrap's verifying key. Never for Groth16: only its ceremony's transcript could show that. */
    wrap: boolean;
    srs_id: Hex;
    development_srs: boolean;
}
/** A valid proof, with what it says. */
export interface Valid {
    valid: true;
    kind: "wrapped" | "inner";
    proof_bytes: number;
    development: boolean;
    model_commitment: Hex;
    key_hash: Hex | null;
    /** Whether the key was computed again before. If not, compare `key_hash` with one that you trust. */
    wrap_recomputed: boolean;
    srs_id: Hex;
    inferences: number;
    separate_inputs: boolean;
    context: Hex;
    input_commitments: Hex[];
    output: number[];
    /** How many values were clamped, as the proof states: 0 exactly where none was. */
    clamps: number;
    output_data: Outputs[];
    /** Of a proof that several buyers share: which inference is the buyer's, from 0. */
    index: number | null;
}
/** A proof that does not hold. */
export interface Refused {
    valid: false;
    reason: string;
}
export type Report = Valid | Refused;
/** The statement of a proof that several buyers share, and a buyer's place in it. */
export interface Shared {
    index: number;
    inferences: number;
    input_commitments: Hex[];
    output_cells: number[];
    clamps: number;
}
/** What of a service's prediction a proof is about. Other fields are ignored. */
export interface Prediction {
    input_commitments: Hex[];
    output_cells?: number[] | null;
    output?: Outputs | null;
    clamps?: number;
    context?: Hex | null;
    /** Where the proof is of other buyers' inferences too. */
    batch?: Shared | null;
}
/** Values of the model's inputs: all of them one after the other, or by their names. */
export type Input = ArrayLike<number> | Record<string, ArrayLike<number>>;
export interface VerifyOptions {
    /** What the proof must be bound to: `0x` and 64 digits, or a text. */
    context?: string;
    /** The model that it must be of, as its owner published it. */
    modelCommitment?: Hex;
    /** Public inputs that it must be about: all, or the first ones where they are separate. */
    inputs?: Input[];
}
export interface CommitOptions {
    /** `"fresh"` hides the input and is the default; `"none"` makes a public input; or one value for each chunk. */
    blinding?: "fresh" | "none" | Hex[];
}
/** A commitment to an input, with what opens it. */
export interface Commitment {
    model_commitment: Hex;
    key_hash: Hex;
    /** The input, as requests of predictions have it. */
    input: number[];
    /** Secret, unless it is empty. */
    blinding: Hex[];
    input_commitments: Hex[];
    /** What quotes and orders name. */
    input_commitment: Hex;
    /** How many values are outside the range that the model is made for. */
    outside: number;
}
/** Why the verifier did not do what it was asked. An invalid proof is no error: see {@link Report}. */
export declare class VerifierError extends Error {
    /** A short name for programs. */
    readonly code: string;
    constructor(
    /** A short name for programs. */
    code: string, message: string);
}
/** What a verifier is made of: the module, its bytes, or where they are. */
export type Source = WebAssembly.Module | BufferSource | URL | string;
/** The verifier. It holds keys, and powers of tau if they are loaded. */
export declare class Verifier {
    private readonly exports;
    private powers;
    private broken;
    private constructor();
    /** Loads the module that lies beside this file, or another source. */
    static load(source?: Source): Promise<Verifier>;
    /** Opens the bytes of a KEY file. Errors: `malformed_key`. */
    openKey(bytes: Uint8Array): Key;
    /**
     * Takes an SRS file. Keys over the development SRS need none; of others, tables and wrap are recomputed only with it. **Which SRS is the right
     * one is yours to say**: compare the id. Errors: `malformed_srs`.
     */
    loadSrs(bytes: Uint8Array): {
        srs_id: Hex;
        powers: number;
    };
    /**
     * Does something with a key for which at least `2^log + 1` powers of its SRS must be loaded ({@link KeyInfo.chunk_log}, {@link KeyInfo.srs_log}):
     * `fetch` gets them as an SRS file, such as a service's `GET /v1/models/{id}/srs?log=`, where they are not. The verifier checks them. Nothing is
     * fetched for the development SRS. Errors: those of `fetch` and `use`, `malformed_srs`, `other_srs`.
     */
    withPowers<T>(key: Key, log: number, fetch: (log: number) => Promise<Uint8Array>, use: () => T): Promise<T>;
    private put;
}
/** A buyer's key: what verifies proofs of one model. */
export declare class Key {
    private readonly verifier;
    private readonly at;
    readonly info: KeyInfo;
    /**
     * Computes the key again from its model's description. Over the development SRS that takes nothing; over another one it takes
     * {@link Verifier.loadSrs}, and without it the answer says what was not recomputed. Errors: `false_key`, after which the key cannot be used.
     */
    recompute(): Recomputed;
    /**
     * Verifies a proof file (its text, or what it parses to), or what a service answered with the proof's bytes. The key is recomputed before, once,
     * where it can be. A proof that several buyers share is verified with the universal key for one inference, of which the key for all of them is
     * derived. Errors: `false_key`, `no_batch`; a proof that does not hold is an answer and no error.
     */
    verify(proof: string | object, options?: VerifyOptions): Report;
    verify(prediction: Prediction, proof: Uint8Array, options?: VerifyOptions): Report;
    /**
     * The hash of the key of the same model for proofs of so many inferences of several buyers, a power of two: orders and quotes name it. It is derived,
     * and so nobody's word. Errors: `false_key`, `no_batch` for a Groth16 key, `no_srs`, `malformed_call`.
     */
    batched(inferences: number): Hex;
    /** Commits to an input, for a quote. Of a batch, the last input stands for all that are missing. Errors: `input`, `no_srs`. */
    commit(inputs: Input | Input[], options?: CommitOptions): Commitment;
    /** Forgets the key. */
    close(): void;
    /** All tensors one after the other, in the model's order. */
    private inOrder;
}

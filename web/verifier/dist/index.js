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
/** Why the verifier did not do what it was asked. An invalid proof is no error: see {@link Report}. */
export class VerifierError extends Error {
    code;
    constructor(
    /** A short name for programs. */
    code, message) {
        super(message);
        this.code = code;
        this.name = "VerifierError";
    }
}
/** Bytes of randomness for a blinding value. */
const ENTROPY_BYTES = 64;
/** The verifier. It holds keys, and powers of tau if they are loaded. */
export class Verifier {
    exports;
    powers;
    broken = false;
    constructor(exports) {
        this.exports = exports;
    }
    /** Loads the module that lies beside this file, or another source. */
    static async load(source = new URL("./assay_verifier.wasm", import.meta.url)) {
        const instance = await WebAssembly.instantiate(await compiled(source), {});
        return new Verifier(instance.exports);
    }
    /** Opens the bytes of a KEY file. Errors: `malformed_key`. */
    openKey(bytes) {
        const { key, ...info } = this.call({ call: "open" }, bytes);
        return new Key(this, key, info);
    }
    /**
     * Takes an SRS file. Keys over the development SRS need none; of others, tables and wrap are recomputed only with it. **Which SRS is the right
     * one is yours to say**: compare the id. Errors: `malformed_srs`.
     */
    loadSrs(bytes) {
        const loaded = this.call({ call: "srs" }, bytes);
        this.powers = loaded;
        return loaded;
    }
    /**
     * Does something with a key for which at least `2^log + 1` powers of its SRS must be loaded ({@link KeyInfo.chunk_log}, {@link KeyInfo.srs_log}):
     * `fetch` gets them as an SRS file, such as a service's `GET /v1/models/{id}/srs?log=`, where they are not. The verifier checks them. Nothing is
     * fetched for the development SRS. Errors: those of `fetch` and `use`, `malformed_srs`, `other_srs`.
     */
    async withPowers(key, log, fetch, use) {
        const { srs_id, development_srs } = key.info;
        const enough = () => development_srs || (this.powers?.srs_id === srs_id && this.powers.powers > 2 ** log);
        if (!enough()) {
            const file = await fetch(log);
            // somebody else's may have come meanwhile
            if (!enough() && this.loadSrs(file).srs_id !== srs_id)
                throw new VerifierError("other_srs", "these are powers of tau of another SRS than the key's");
        }
        return use();
    }
    /** @internal */
    call(call, bytes = new Uint8Array()) {
        if (this.broken)
            throw new VerifierError("broken", "the verifier broke down before: load a new one");
        let text;
        try {
            this.put(0, new TextEncoder().encode(JSON.stringify(call)));
            this.put(1, bytes);
            const at = this.exports.answer();
            text = new TextDecoder().decode(new Uint8Array(this.exports.memory.buffer, at, this.exports.answer_length()));
        }
        catch (cause) {
            this.broken = true;
            throw Object.assign(new VerifierError("broken", "the verifier broke down; it has too little memory, or a fault"), { cause });
        }
        const answer = JSON.parse(text);
        if (answer.error)
            throw new VerifierError(answer.error.code, answer.error.message);
        return answer;
    }
    put(beside, bytes) {
        const at = this.exports.reserve(beside, bytes.length);
        new Uint8Array(this.exports.memory.buffer).set(bytes, at);
    }
}
/** A buyer's key: what verifies proofs of one model. */
export class Key {
    verifier;
    at;
    info;
    /** @internal */
    constructor(verifier, at, info) {
        this.verifier = verifier;
        this.at = at;
        this.info = info;
    }
    /**
     * Computes the key again from its model's description. Over the development SRS that takes nothing; over another one it takes
     * {@link Verifier.loadSrs}, and without it the answer says what was not recomputed. Errors: `false_key`, after which the key cannot be used.
     */
    recompute() {
        return this.verifier.call({ call: "recompute", key: this.at });
    }
    verify(first, second, third) {
        const bytes = second instanceof Uint8Array ? second : undefined;
        const options = (bytes ? third : second) ?? {};
        const about = bytes
            ? { answer: answered(first) }
            : { file: typeof first === "string" ? first : JSON.stringify(first) };
        const { context, modelCommitment: model_commitment, inputs = [] } = options;
        const lists = inputs.map((input) => this.inOrder(input));
        return this.verifier.call({ call: "verify", key: this.at, ...about, context, model_commitment, inputs: lists }, bytes);
    }
    /**
     * The hash of the key of the same model for proofs of so many inferences of several buyers, a power of two: orders and quotes name it. It is derived,
     * and so nobody's word. Errors: `false_key`, `no_batch` for a Groth16 key, `no_srs`, `malformed_call`.
     */
    batched(inferences) {
        return this.verifier.call({ call: "batched", key: this.at, inferences }).key_hash;
    }
    /** Commits to an input, for a quote. Of a batch, the last input stands for all that are missing. Errors: `input`, `no_srs`. */
    commit(inputs, options = {}) {
        const many = Array.isArray(inputs) && typeof inputs[0] !== "number" ? inputs : [inputs];
        const lists = many.map((input) => this.inOrder(input));
        const { blinding = "fresh" } = options;
        const how = blinding === "fresh" ? { entropy: random(ENTROPY_BYTES * this.info.input_chunks) } : blinding === "none" ? {} : { blinding };
        const answer = this.verifier.call({ call: "commit", key: this.at, inputs: lists, ...how });
        return { ...answer, input: lists.flat() };
    }
    /** Forgets the key. */
    close() {
        this.verifier.call({ call: "close", key: this.at });
    }
    /** All tensors one after the other, in the model's order. */
    inOrder(input) {
        if (isList(input))
            return finite(Array.from(input));
        const names = this.info.inputs.map((tensor) => tensor.name);
        const unknown = Object.keys(input).find((name) => !names.includes(name));
        if (unknown !== undefined)
            throw new VerifierError("input", `the model has no input ${JSON.stringify(unknown)}`);
        return this.info.inputs.flatMap(({ name, shape }) => {
            const values = input[name];
            const need = shape.reduce((n, d) => n * d, 1);
            if (values?.length !== need)
                throw new VerifierError("input", `input ${JSON.stringify(name)} must have ${need} values`);
            return finite(Array.from(values));
        });
    }
}
function finite(values) {
    const index = values.findIndex((value) => !Number.isFinite(value));
    if (index >= 0)
        throw new VerifierError("input", `value ${index} of the input is not a finite number`);
    return values;
}
function isList(input) {
    return Array.isArray(input) || ArrayBuffer.isView(input);
}
/** A prediction that has not ended has no proof. */
function answered({ input_commitments, output_cells, output, clamps = 0, context, batch }) {
    if (!output_cells || !output || !context) {
        throw new VerifierError("no_output", "the prediction has no output or no context: it is not proven yet");
    }
    return { input_commitments, output_cells, output, clamps, context, shared: batch };
}
function random(length) {
    const bytes = new Uint8Array(length);
    // the browser gives at most 65536 bytes at a time
    for (let i = 0; i < length; i += 65536)
        crypto.getRandomValues(bytes.subarray(i, i + 65536));
    return "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
async function compiled(source) {
    if (source instanceof WebAssembly.Module)
        return source;
    if (!(source instanceof URL) && typeof source !== "string")
        return WebAssembly.compile(source);
    if (String(source).startsWith("file:")) {
        const files = "node:fs/promises";
        const { readFile } = await import(/* @vite-ignore */ files);
        return WebAssembly.compile(await readFile(new URL(source)));
    }
    const response = await fetch(source);
    if (!response.ok)
        throw new VerifierError("not_loaded", `cannot load ${source}: the server answers ${response.status}`);
    return WebAssembly.compile(await response.arrayBuffer());
}

import { Market, OrderError } from "./chain.js";
import { Service } from "./http.js";
export { Market, OrderError, onChain } from "./chain.js";
export { Problem, Service } from "./http.js";
/** The order of the field that proofs compute in: what they are bound to is a number below it. */
const FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
const COIN = "0x" + "0".repeat(40);
/** The most inferences of several buyers in a proof, where the buyer does not say it: as `assay request` has it. */
const BATCH = 64;
function random() {
    return "0x" + Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
const same = (a, b) => BigInt(a) === BigInt(b);
/** A buyer of one service. */
export class Client extends Service {
    verifier;
    keys = new Map();
    constructor(url, verifier) {
        super(url);
        this.verifier = verifier;
    }
    /** A model's key, checked: computed again as far as its SRS is known here, and the one that the service's list names. */
    keyOf(model) {
        const known = this.keys.get(model.id);
        if (known)
            return known;
        const opened = this.openKey(model);
        this.keys.set(model.id, opened);
        // what could not be fetched is asked for again the next time
        opened.catch(() => this.keys.delete(model.id));
        return opened;
    }
    async openKey(model) {
        const key = this.verifier.openKey(await this.key(model.id));
        key.recompute();
        const { key_hash, model_commitment, shape_digest } = key.info;
        if (!same(key_hash, model.key_hash) || !same(model_commitment, model.model_commitment) || !same(shape_digest, model.shape_digest)) {
            throw new OrderError("key", "the service's key is not the one that its list of models names");
        }
        return key;
    }
    /** What of a model's key follows from its description: if not all, compare `key_hash` with one that you trust. Over another SRS than the development one it takes all its powers, from the service. */
    async recompute(model) {
        const key = await this.keyOf(model);
        return this.withPowers(model, key, key.info.srs_log, () => key.recompute());
    }
    withPowers(model, key, log, use) {
        return this.verifier.withPowers(key, log, (log) => this.srs(model.id, log), use);
    }
    /** Commits to an input, hidden or public. */
    async commit(model, input, { allowClamping = false, blinding = "fresh" } = {}) {
        const key = await this.keyOf(model);
        const committed = await this.withPowers(model, key, key.info.chunk_log, () => key.commit(input, { blinding }));
        if (committed.outside > 0 && !allowClamping) {
            throw new OrderError("quote", `${committed.outside} numbers of the input are outside the range that the model is made for: pass allowClamping, or give another input`);
        }
        return committed;
    }
    /** Asks for a free answer, and verifies it. Its proof is bound to a number that was drawn here. */
    async ask(model, input, options = {}) {
        const commitment = await this.commit(model, input, options);
        const context = random();
        const { input: numbers, blinding } = commitment;
        const request = { model: model.id, input: numbers, blinding, context, allow_clamping: options.allowClamping ?? false };
        const { id } = await this.predict(request, random(), options);
        const done = await this.wait(id, options);
        return this.verified(model, done, commitment, [context], null);
    }
    /** Quotes, checks, pays and verifies. */
    async buy(model, input, options) {
        const { order, buyer, weightsProven } = await this.order(model, input, options);
        const market = new Market(options.provider, options.market, order.chainId);
        await options.keep?.(order);
        const { id } = await this.predict(order.request, order.idempotencyKey, options);
        await market.fund(buyer, order.escrow);
        return { ...(await this.delivered(model, id, order, options)), weightsProven };
    }
    /** An order for an answer, checked against the chain and against what was asked for. Nothing is paid. */
    async order(model, input, options) {
        const chainId = options.chainId ?? model.terms?.chain_id;
        const market = new Market(options.provider, options.market, chainId);
        const buyer = await market.account();
        await market.ready();
        const commitment = await this.commit(model, input, options);
        const batch = model.wrap === "universal" ? (options.batch ?? BATCH) : 1;
        const escrow = await this.quote({ model: model.id, buyer, input_commitment: commitment.input_commitment, batch }, options);
        const key_hash = await this.keyHash(model, escrow, batch);
        await this.agreed(model, escrow, buyer, { ...commitment, key_hash }, options);
        const weightsProven = await market.check(escrow, options.acceptDevelopmentKey ?? false);
        const { input: numbers, blinding } = commitment;
        const request = { model: model.id, input: numbers, blinding, escrow, allow_clamping: options.allowClamping ?? false };
        const job = await market.jobOf(escrow.order);
        return { order: { service: this.url, market: options.market, chainId: chainId, job, escrow, request, commitment, idempotencyKey: random() }, buyer, weightsProven };
    }
    /** The hash that an order's key must have: the model's, or, where the service quotes for a proof of several buyers, that of the key derived for as many. */
    async keyHash(model, { order }, batch) {
        const key = await this.keyOf(model);
        const inferences = model.batches?.find((one) => same(one.key_hash, order.key_hash))?.inferences ?? 1;
        if (inferences > batch)
            throw new OrderError("quote", `the quote is for a proof of ${inferences} inferences, and ${batch} is the most that you take part in; nothing was paid`);
        return inferences === 1 ? key.info.key_hash : this.withPowers(model, key, key.info.srs_log, () => key.batched(inferences));
    }
    /** Goes on with an order that was kept: asks for it again, pays if that was not done, waits and verifies. */
    async resume(order, options) {
        const model = await this.model(order.request.model, options);
        const chain = order.chainId ?? model.terms?.chain_id;
        const market = new Market(options.provider, order.market, chain);
        await market.ready();
        const prediction = await this.predict(order.request, order.idempotencyKey, options);
        if (prediction.state === "awaiting_payment")
            await market.fund(order.escrow.order.buyer, order.escrow);
        return this.delivered(model, prediction.id, order, options);
    }
    async delivered(model, id, order, options) {
        const done = await this.wait(id, options);
        const market = new Market(options.provider, order.market, order.chainId ?? model.terms?.chain_id);
        const jobs = done.batch?.jobs ?? [order.job];
        if (!jobs.some((job) => same(job, order.job)))
            throw new OrderError("proof", `the proof is not about the job ${order.job}`);
        const contexts = order.escrow.quote.provers.map((prover) => market.contextOf(jobs, prover, done.batch != null));
        return this.verified(model, done, order.commitment, await Promise.all(contexts), order.job);
    }
    /** Refuses a quote that is not what was asked for. What is left the market's contract checks before it takes the money. */
    async agreed(model, { order, quote }, buyer, commitment, options) {
        const token = options.token ?? COIN;
        if (BigInt(quote.price) > options.maxPrice || BigInt(order.max_price) > options.maxPrice) {
            throw new OrderError("price", `the price is ${quote.price}, and ${options.maxPrice} is the most that you pay; nothing was paid`);
        }
        const checks = [
            ["model", same(order.model_id, model.id) && same(quote.model_id, model.id)],
            ["weights", same(order.model_commitment, commitment.model_commitment)],
            ["key", same(order.key_hash, commitment.key_hash) && same(quote.key_hash, commitment.key_hash)],
            ["input", same(order.input_commitment, commitment.input_commitment)],
            ["buyer", same(order.buyer, buyer) && (same(quote.buyer, COIN) || same(quote.buyer, buyer))],
            ["token", same(order.token, token) && same(quote.token, token)],
        ];
        const wrong = checks.find(([, holds]) => !holds);
        if (wrong)
            throw new OrderError("quote", `the quote is not what was asked for: its ${wrong[0]} is another; nothing was paid`);
    }
    /** Waits until a prediction is delivered, or ends otherwise. */
    async wait(id, { heard, signal, until = "paid" }) {
        const options = signal ? { signal } : {};
        await this.follow(id, heard ?? (() => { }), { ...options, until: until === "paid" ? "paid" : "end" });
        const done = await this.prediction(id, options);
        if (done.state === "settled" || done.state === "proven" || (until === "paid" && done.output))
            return done;
        const back = done.job_id ? `; take the money back with \`assay cancel\` or, after its expiry, \`assay refund\`: job ${done.job_id}` : "";
        throw new OrderError("ended", `the prediction ended as ${done.state}${done.error_detail ? `: ${done.error_detail}` : ""}${back}`);
    }
    /** Verifies a proof against one's own input, and against what it must be bound to. */
    async verified(model, prediction, commitment, contexts, job) {
        const [key, proof] = await Promise.all([this.keyOf(model), this.proof(prediction.id)]);
        const said = prediction;
        if (prediction.input_commitments.join().toLowerCase() !== commitment.input_commitments.join().toLowerCase()) {
            throw new OrderError("proof", "the proof is about another input");
        }
        // the key for a proof of several buyers is derived of the model's
        const verify = () => key.verify(said, proof);
        const report = prediction.batch ? await this.withPowers(model, key, key.info.srs_log, verify) : verify();
        if (!report.valid)
            throw new OrderError("proof", `the proof does not hold: ${report.reason}`);
        const bound = BigInt(report.context) % FIELD;
        if (!contexts.some((context) => BigInt(context) % FIELD === bound)) {
            throw new OrderError("proof", `the proof is valid, and bound to something else than this order: ${report.context}`);
        }
        const output = prediction.output;
        return { output, label: label(model, output), report, prediction, proof, job, weightsProven: null };
    }
}
/** The label of the largest element. */
function label({ labels = [] }, output) {
    const flat = output.flat();
    return labels.length === flat.length && flat.length > 0 ? labels[flat.indexOf(Math.max(...flat))] : null;
}

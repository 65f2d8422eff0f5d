/** The calls of the contracts that buyers and sellers make: their bytes, as the contracts' ABI has them (verifier-contracts/artifacts). */
/** `fund((…),(…),bytes,bool)` and `approve(address,uint256)`: the first four bytes of their signatures' hashes. */
export const FUND = "dd3f9484";
const APPROVE = "095ea7b3";
/** `hashOrder((…))`, `contextOf(bytes32,address)`, `contextOfBatch(bytes32[],address)`, `verifier()` of the market; `key(bytes32)`, `model(uint256)` of the registries. */
const HASH_ORDER = "ee690cc2";
const CONTEXT_OF = "a2503fe0";
const CONTEXT_OF_BATCH = "4f96898d";
const VERIFIER = "2b7ac3f3";
const KEY = "fbda8c3f";
const MODEL = "4c5770d9";
/** `withdraw(address,uint256,address)`, `balanceOf(address,address)`, `models()`, `keys()` of the market. */
const WITHDRAW = "69328dec";
const BALANCE_OF = "f7888aec";
const MODELS = "9986df2c";
const KEYS = "307540f6";
/** `job(bytes32)`, `cancel((…),(…))`, `claimRefund((…),(…),address)` of the market. */
const JOB = "db371c60";
const CANCEL = "b02f76f8";
const CLAIM_REFUND = "168e0411";
/** The market's events `JobFunded` and `JobLocked`: the hashes of their signatures. The first topic after it is the job. */
export const FUNDED = "0x17191a0a6330fcda0443be41e751dda7998ea26c6b8578a3f3654a1bf4e76465";
export const LOCKED = "0xd426fc4b3a1eb62a494edd91c5b3f4fd6a15f87df04dabba4309670641978dec";
/** The words of an order and of its snapshot, with which the data of `JobFunded` begins. */
const ORDER_AND_SNAPSHOT = 15 + 6;
/** `decimals()` and `symbol()` of a token. */
export const TOKEN = { decimals: "0x313ce567", symbol: "0x95d89b41" };
/** The calls with which a model is listed: of the key registry `propose`, `attest`, `admit`; of the model registry `commitRegistration`, `register`, `transferFrom`. */
const LISTING = { keys: ["37558af5", "5747a6b1", "7ce1bf5f"], models: ["c43b5b1e", "c1157c84", "23b872dd"] };
/** One word: a number, a flag, or bytes with zeros before them. */
function word(value) {
    const number = typeof value === "boolean" ? BigInt(value ? 1 : 0) : BigInt(value);
    if (number < 0n || number >> 256n !== 0n)
        throw new Error(`${value} does not fit a word`);
    return number.toString(16).padStart(64, "0");
}
const words = (values) => values.map(word).join("");
/** Bytes with their length before them, filled up to whole words. */
function bytes(hex) {
    const digits = hex.replace(/^0x/, "");
    return word(digits.length / 2) + digits.padEnd(Math.ceil(digits.length / 64) * 64, "0");
}
/** The words of an order. */
function orderWords(o) {
    return words([
        o.buyer, o.model_id, o.model_commitment, o.input_commitment, o.key_hash, o.verifier, o.token, o.max_price, o.fee_split_hash, o.prove_secs,
        o.expire_secs, o.collateral, o.prover, o.salt, o.unclamped,
    ]); // prettier-ignore
}
/** The market's `fund` for an escrow, paid with the transaction's value or an allowance. */
export function fundCall({ order: o, quote: q, signature }) {
    const order = orderWords(o);
    const before = [q.model_id, q.key_hash, q.token, q.price, q.collateral, q.prove_secs, q.expire_secs, q.buyer];
    const after = [q.valid_from, q.valid_until, q.inferences, q.uses, q.epoch, q.nonce];
    // the list of provers lies behind the words of the quote, one of which says where
    const provers = word(32 * (before.length + 1 + after.length));
    const quote = words(before) + provers + words(after) + word(q.provers.length) + words(q.provers);
    const head = order.length / 2 + 3 * 32;
    return "0x" + FUND + order + word(head) + word(head + quote.length / 2) + word(false) + quote + bytes(signature);
}
/** A token's `approve`. */
export function approveCall(spender, amount) {
    return "0x" + APPROVE + words([spender, amount]);
}
/** Takes credit out of the market, to the account that has it. */
export function withdrawCall(token, amount, to) {
    return "0x" + WITHDRAW + words([token, amount, to]);
}
/** An account's credit in the market. */
export function creditCall(token, account) {
    return "0x" + BALANCE_OF + words([token, account]);
}
/** Where the market says that its registries are. */
export const REGISTRIES = { models: "0x" + MODELS, keys: "0x" + KEYS };
/** Which verifier contract the market calls. */
export const verifierCall = "0x" + VERIFIER;
/** The market's id of an order. */
export const hashOrderCall = (order) => "0x" + HASH_ORDER + orderWords(order);
/** What the market knows of a job: its state, whether it was late, when it was paid for, and a digest. */
export const jobCall = (job) => "0x" + JOB + words([job]);
/** The states of a job, in the contract's order. */
export const STATES = ["none", "funded", "locked", "settled", "cancelled", "expired", "refunded"];
/** The order and its snapshot, as the event `JobFunded` has them. */
const fundedWords = (data) => data.replace(/^0x/, "").slice(0, 64 * ORDER_AND_SNAPSHOT);
/** Takes a job back that nobody has locked. `funded`: the data of its event `JobFunded`. */
export const cancelCall = (funded) => "0x" + CANCEL + fundedWords(funded);
/** Takes the money of an expired job back. `locker`: who has locked it, or zero. */
export const refundCall = (funded, locker) => "0x" + CLAIM_REFUND + fundedWords(funded) + words([locker]);
/** What the proof of a job must be bound to, if this prover makes it. */
export const contextCall = (job, prover) => "0x" + CONTEXT_OF + words([job, prover]);
/** The same for a proof of several jobs. */
export const batchContextCall = (jobs, prover) => "0x" + CONTEXT_OF_BATCH + words([64, prover, jobs.length, ...jobs]);
/** What the key registry knows of a key. */
export const keyCall = (hash) => "0x" + KEY + words([hash]);
/** What the model registry knows of a model. */
export const modelCall = (id) => "0x" + MODEL + words([id]);
/** The words of what a call answered, as numbers. */
export function wordsIn(answered) {
    return (answered.replace(/^0x/, "").match(/.{64}/g) ?? []).map((digits) => BigInt("0x" + digits));
}
/** An address in what a call answered. */
export const addressIn = (answered) => "0x" + answered.slice(-40);
/** Whether a transaction does nothing but list a model in these registries. */
export function lists(to, data, at) {
    const call = data.slice(2, 10);
    const same = (address) => address.toLowerCase() === to.toLowerCase();
    return (same(at.keys) && LISTING.keys.includes(call)) || (same(at.models) && LISTING.models.includes(call));
}

/** The verifier in this browser, and the keys that it holds. */
import { Verifier, type Commitment, type Key, type Recomputed, type Report, type Valid } from "../../verifier/dist/index.js";
import * as service from "./service.js";

let loading: Promise<Verifier> | undefined;
const keys = new Map<string, Promise<Key>>();

export function verifier(): Promise<Verifier> {
  return (loading ??= fresh());
}

/** A verifier of its own, with no keys yet. */
export const fresh = () => Verifier.load("/app/assay_verifier.wasm");

/** A model's key, from the service: what it is worth, {@link checkedKey} says. */
export function keyOf(model: service.Model): Promise<Key> {
  const known = keys.get(model.id);
  if (known) return known;
  const opened = open(model);
  keys.set(model.id, opened);
  // what could not be fetched is asked for again the next time
  opened.catch(() => keys.delete(model.id));
  return opened;
}

async function open(model: service.Model): Promise<Key> {
  const [loaded, bytes] = await Promise.all([verifier(), service.keyFile(model.id)]);
  return loaded.openKey(bytes);
}

export interface CheckedKey {
  key: Key;
  recomputed: Recomputed;
  /** Whether the service's list names this key, this model and this shape. */
  matches: boolean;
}

export async function checkedKey(model: service.Model): Promise<CheckedKey> {
  const key = await keyOf(model);
  const recomputed = key.recompute();
  const { key_hash, model_commitment, shape_digest } = key.info;
  return { key, recomputed, matches: key_hash === model.key_hash && model_commitment === model.model_commitment && shape_digest === model.shape_digest };
}

export interface Verified {
  report: Report;
  ms: number;
}

/** Bytes of a file with `2^log + 1` powers, nearly. */
export const powersBytes = (log: number) => 64 * 2 ** log;

/** What uses `2^log + 1` powers of a key's SRS. They come from the service. */
async function withPowers<T>(model: service.Model, key: Key, log: number, use: () => T): Promise<T> {
  return (await verifier()).withPowers(key, log, (log) => service.srs(model.id, log), use);
}

/** Commits to an input. */
export async function commit(model: service.Model, input: number[]): Promise<Commitment> {
  const key = await keyOf(model);
  return withPowers(model, key, key.info.chunk_log, () => key.commit(input));
}

/** {@link checkedKey} with all powers of a key's SRS: megabytes to fetch, and a minute's work for a phone. */
export async function recomputed(model: service.Model): Promise<CheckedKey> {
  const key = await keyOf(model);
  await withPowers(model, key, key.info.srs_log, () => key.recompute());
  return checkedKey(model);
}

/** Verifies a prediction, and says how long that took. The key for a proof that buyers share is derived of the model's. */
export async function verify(model: service.Model, prediction: service.Prediction, proof: Uint8Array): Promise<Verified> {
  const key = await keyOf(model);
  const log = prediction.batch ? key.info.srs_log : 0;
  return log > 0 ? withPowers(model, key, log, () => checked(key, prediction, proof)) : checked(key, prediction, proof);
}

function checked(key: Key, prediction: service.Prediction, proof: Uint8Array): Verified {
  const start = performance.now();
  const report = key.verify(prediction, proof);
  return { report, ms: performance.now() - start };
}

/** The proof file that `assay verify` reads. */
export function proofFile(report: Valid, proof: Uint8Array): string {
  const { kind, model_commitment, key_hash, inferences, separate_inputs, context, input_commitments, output, clamps, output_data, index } = report;
  const hex = "0x" + Array.from(proof, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const fields = { kind, model_commitment, key_hash, inferences, separate_inputs, context, input_commitments, output, clamps, output_data, index };
  return JSON.stringify({ version: 3, ...fields, proof: hex }, null, 2) + "\n";
}

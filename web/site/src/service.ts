/** The service's answers, as docs/api.md describes them. */
import type { Hex, Outputs, TensorInfo } from "../../verifier/dist/index.js";

export interface Terms {
  price: string;
  token: Hex;
  collateral: string;
  prove_secs: number;
  expire_secs: number;
  market: Hex;
  /** Null as long as the service has not reached the chain. */
  chain_id: number | null;
  /** Where people look at the chain's transactions, if the operator says so. */
  explorer?: string | null;
}

/** How a picture or a text becomes a model's input, as its seller says. */
export interface Preparation {
  kind: "image" | "text";
  width?: number;
  height?: number;
  channels?: number;
  order?: "planes" | "pixels";
  mean?: number[];
  std?: number[];
  invert?: boolean;
  /** Of a text: how many numbers it becomes, its characters in the order of their numbers, the number of others, and of what fills it up. */
  length?: number;
  alphabet?: string;
  unknown?: number;
  pad?: number;
}

/** What a tensor is for people, as the seller says. */
export interface Described {
  name: string;
  kind: "image" | "table" | "text" | "tokens" | "numbers";
  columns?: string[];
  unit?: string;
}

export interface Model {
  id: Hex;
  name: string;
  shape_digest: Hex;
  model_commitment: Hex;
  key_hash: Hex;
  /** Keys for proofs of several buyers' inferences. */
  batches: { inferences: number; key_hash: Hex }[];
  wrap: string;
  inputs: TensorInfo[];
  outputs: TensorInfo[];
  parameters: number;
  development: boolean;
  description: string | null;
  labels: string[];
  /** What a buyer may do with answers, in the seller's words. */
  licence: string | null;
  prepare: Preparation | null;
  presentation?: { inputs: Described[]; outputs: Described[] };
  terms: Terms | null;
  free: boolean;
  /** What the market's registry says of the weights; null where it says nothing. */
  weights: { proven_secs: number | null; development: boolean } | null;
}

/** What a proof of several buyers' inferences states, and the place of this one in it. */
export interface Batch {
  index: number;
  key_hash: Hex;
  inferences: number;
  jobs: Hex[];
  input_commitments: Hex[];
  output_cells: number[];
  clamps: number;
}

export interface Prediction {
  id: string;
  model: Hex;
  state: string;
  terminal: boolean;
  job_id: Hex | null;
  input_commitments: Hex[];
  output: Outputs | null;
  output_cells: number[] | null;
  outside: number;
  clamps: number;
  /** All that the proof states, where several buyers' inferences are in it. */
  batch: Batch | null;
  context: Hex | null;
  transactions: { purpose: string; hash: Hex; state: string }[];
  error_detail: string | null;
  created_ms: number;
  updated_ms: number;
}

export interface Ended {
  model: Hex;
  state: string;
  price: string | null;
  created_ms: number;
  ended_ms: number;
}

/** A job of the market, by the chain. */
export interface MarketJob {
  job: Hex;
  model: Hex;
  token: Hex;
  buyer: Hex;
  prover: Hex | null;
  price: string;
  paid: string;
  state: "funded" | "locked" | "settled" | "cancelled" | "expired" | "refunded";
  late: boolean;
  funded_secs: number;
  ended_secs: number | null;
}

/** What happened in the market, by the chain. */
export interface MarketHistory {
  market: Hex;
  /** The last block that was read; null: none was yet. */
  block: number | null;
  /** How many there are. */
  jobs: number;
  models: { model: Hex; owner: Hex; registered_secs: number; funded: number; settled: number; late: number; returned: number; earned: Record<Hex, string> }[];
  provers: { prover: Hex; settled: number; late: number; refunded: number; missed: number; buyers: number }[];
  /** The latest 1000 jobs, the newest first. */
  latest: MarketJob[];
}

/** Somebody's share of a model's revenue. */
export interface Part {
  account: Hex;
  kind: "owner" | "prover" | "splitter" | "account";
  share: number;
  within: number | null;
  models: Hex[];
}

/** Where a model comes from, by the chain. */
export interface Lineage {
  registered_secs: number;
  registrant: Hex;
  uri: string;
  parts: Part[];
}

/** A numbered event of a prediction. */
export interface Happening {
  id: number;
  kind: string;
  data: { state?: string; phase?: string; fraction?: number; purpose?: string; hash?: Hex };
  at_ms: number;
}

export interface Escrow {
  order: Record<string, any>;
  quote: Record<string, any>;
  signature: Hex;
}

/** What a service says when it does not do what it was asked. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export async function answer(path: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(path, init).catch(() => {
    throw new Problem("unreachable", "The service does not answer. Is it running, and are you online?");
  });
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Problem(said.code ?? String(response.status), said.detail ?? said.title ?? `The service answered ${response.status}.`);
}

export async function json<T>(path: string, body?: object, headers: Record<string, string> = {}): Promise<T> {
  const post = !body ? { headers } : { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
  return (await answer(path, post)).json();
}

export async function models(): Promise<Model[]> {
  const all: Model[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: { data: Model[]; next: string | null } = await json(`/v1/models?limit=100${cursor && `&cursor=${cursor}`}`);
    all.push(...page.data);
    cursor = page.next;
  }
  return all;
}

/** What a model is called: its name where this service has it, else its number in the registry. */
export const nameOf = (all: Model[], id: string): string => all.find((model) => model.id === id)?.name ?? `model ${BigInt(id)}`;

export const model = (id: string) => json<Model>(`/v1/models/${encodeURIComponent(id)}`);
export const prediction = (id: string) => json<Prediction>(`/v1/predictions/${encodeURIComponent(id)}`);
export const history = async () => (await json<{ data: Ended[] }>("/v1/history")).data;
export const market = () => json<MarketHistory>("/v1/market");
/** The history, of which several parts of a page are made: asked for once in a while. */
export const recentMarket = remembered(market, 10_000);
export const lineage = (id: string) => json<Lineage>(`/v1/models/${encodeURIComponent(id)}/lineage`);
export const quote = (request: object) => json<Escrow>("/v1/quotes", request);

/** Gives up a prediction that nobody pays for. */
export const cancel = (id: string) => json<Prediction>(`/v1/predictions/${encodeURIComponent(id)}/cancel`, {});

/** A job of the market by its id; null, where the service has not read of it. A page of jobs begins behind the id that is given. */
export async function marketJob(id: string): Promise<MarketJob | null> {
  const before = "0x" + (BigInt(id) - 1n).toString(16).padStart(64, "0");
  const { data } = await json<{ data: MarketJob[] }>(`/v1/market/jobs?limit=1&cursor=${before}`);
  return data[0]?.job === id ? data[0] : null;
}

/** The same question within some time has the same answer. */
function remembered<T>(ask: () => Promise<T>, ms: number): () => Promise<T> {
  let [known, at]: [Promise<T> | null, number] = [null, 0];
  return () => {
    if (!known || Date.now() - at > ms) {
      [known, at] = [ask(), Date.now()];
      known.catch(() => (known = null));
    }
    return known;
  };
}

export const predict = (request: object, key: string) => json<Prediction>("/v1/predictions", request, { "idempotency-key": key });

async function bytes(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await answer(path)).arrayBuffer());
}

export const keyFile = (id: string) => bytes(`/v1/models/${encodeURIComponent(id)}/key`);
/** An SRS file with the first `2^log + 1` powers of tau of a model's SRS. */
export const srs = (id: string, log: number) => bytes(`/v1/models/${encodeURIComponent(id)}/srs?log=${log}`);
export const proof = (id: string) => bytes(`/v1/predictions/${encodeURIComponent(id)}/proof`);

/** Hears of everything that happens to a prediction until its output is shown or it is over; the browser takes the stream up again where it broke. */
export function follow(id: string, heard: (happening: Happening) => void): Promise<void> {
  return new Promise((resolve) => {
    const source = new EventSource(`/v1/predictions/${encodeURIComponent(id)}/events`);
    const kinds = ["state", "progress", "transaction", "paid", "retry", "cancel_requested"];
    const ends = ["settled", "proven", "failed", "cancelled", "refunded", "expired"];
    for (const kind of kinds) {
      source.addEventListener(kind, (event) => {
        const happening: Happening = JSON.parse((event as MessageEvent).data);
        heard(happening);
        if (kind === "paid" || (kind === "state" && ends.includes(happening.data.state ?? ""))) {
          source.close();
          resolve();
        }
      });
    }
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) resolve();
    };
  });
}

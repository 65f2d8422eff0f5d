/** What the service does for its operator: docs/api.md, "Selling from a browser". */
import type { Hex } from "../../verifier/dist/index.js";
import { answer, json } from "./service.js";

export interface Selling {
  compiles: boolean;
  upload_bytes_max: number | null;
  memory_mib: number | null;
  compile_secs: number | null;
  market: Hex | null;
  /** Null as long as the service has not reached the chain. */
  chain_id: number | null;
  seller: Hex | null;
}

interface OutputError {
  name: string;
  max_error: number;
  mean_error: number;
  range: number;
  exact: number | null;
}

export interface CompileResult {
  model_commitment: Hex;
  chunks: Record<string, number>;
  log_chunk: number;
  development: boolean;
  report: {
    parameters: number;
    macs: number;
    layers: number;
    widths: { table_bits: number; weight_bits: number };
    cost: { predicted_seconds: number; predicted_gas: number; witness_cells: number; lookups: number };
    accuracy: { samples: number; outputs: OutputError[]; top1_agreement: number };
    accuracy_met: boolean;
    ten_times_coarser: { seconds: number; gas: number } | null;
    losses: { index: number; layer: string; error: number; added: number }[];
    few_samples: boolean;
    constant_inputs: string[];
  };
}

export interface Compilation {
  id: string;
  name: string;
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  result: CompileResult | null;
  warnings: string[];
  error: { code: string; detail: string; page: string | null } | null;
  listing: boolean;
  model: Hex | null;
  weights: string | null;
  created_ms: number;
}

export type Next = { next: "send"; what: string; to: Hex; data: Hex } | { next: "wait"; what: string; secs: number } | { next: "listed"; model: Hex; waiting: string | null };

export interface Numbers {
  account: Hex | null;
  coins: string | null;
  credit: { token: Hex; credit: string }[];
  models: { model: Hex; jobs: Record<string, number>; paid: string }[];
  failures: { prediction: string; model: Hex; error_code: string | null; error_detail: string | null; failed_ms: number }[];
}

/** Kept until the tab is closed. */
export const token = {
  get: () => sessionStorage.getItem("operator") ?? "",
  set: (value: string) => sessionStorage.setItem("operator", value),
};

const bearer = () => ({ authorization: `Bearer ${token.get()}` });
const at = (id: string) => `/v1/compilations/${encodeURIComponent(id)}`;

export const selling = () => json<Selling>("/v1/selling");
export const numbers = () => json<Numbers>("/v1/seller", undefined, bearer());
export const compilations = async () => (await json<{ data: Compilation[] }>("/v1/compilations", undefined, bearer())).data;
export const compilation = (id: string) => json<Compilation>(at(id));
export const compile = (task: object) => json<Compilation>("/v1/compilations", task, bearer());
export const cancel = (id: string) => json<Compilation>(`${at(id)}/cancel`, {});
export const next = (id: string, account: string) => json<Next>(`${at(id)}/listing`, { account }, bearer());
export const offer = (id: string, card: object) => json<Compilation>(`${at(id)}/offer`, { card }, bearer());
export const retry = (prediction: string) => json<object>(`/v1/predictions/${encodeURIComponent(prediction)}/retry`, {}, bearer());
export const drawing = (id: string) => `${at(id)}/drawing`;
export const keyFile = async (id: string) => new Uint8Array(await (await answer(`${at(id)}/key`)).arrayBuffer());
export const packageFile = async (id: string) => new Uint8Array(await (await answer(`${at(id)}/package`, { headers: bearer() })).arrayBuffer());

export interface Step {
  kind: string;
  data: { state?: string; step?: string; detail?: string; warning?: string };
}

/** Hears of everything that happens to a compilation until it is over. */
export function follow(id: string, heard: (step: Step) => void): Promise<void> {
  return new Promise((resolve) => {
    const source = new EventSource(`${at(id)}/events`);
    for (const kind of ["state", "step", "warning"]) {
      source.addEventListener(kind, (event) => {
        const step: Step = JSON.parse((event as MessageEvent).data);
        heard(step);
        if (["done", "failed", "cancelled"].includes(step.data.state ?? "")) {
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

/** A file as JSON can hold it. */
export function base64(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(new Error("The file cannot be read."));
    reader.readAsDataURL(file);
  });
}

/** A service's routes: docs/api.md. The types are made from its OpenAPI description. */
import type { components } from "./openapi.js";
import { events } from "./events.js";

type Schemas = components["schemas"];
export type Model = Schemas["Model"];
export type Prediction = Schemas["Prediction"];
export type PredictionRequest = Schemas["PredictionRequest"];
export type QuoteRequest = Schemas["QuoteRequest"];
export type Escrow = Schemas["Escrow"];
export type Ended = Schemas["Ended"];
export type Happening = Omit<Schemas["Event"], "data"> & { data: Record<string, any> };

/** What a service says when it does not do what it was asked: `code` is for programs, docs/api.md lists them. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** The HTTP status; 0 if nothing answered. */
    readonly status = 0,
  ) {
    super(message);
    this.name = "Problem";
  }
}

export interface Common {
  /** Ends what is going on; what was paid is not taken back by it. */
  signal?: AbortSignal;
}

/** How often a broken stream is taken up again before it counts as lost. */
const RETRIES = 5;

/** The service's routes, without anything that is checked. */
export class Service {
  readonly url: string;

  constructor(url: string) {
    this.url = url.replace(/\/+$/, "");
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    const response = await fetch(this.url + path, init).catch((cause) => {
      if (init.signal?.aborted) throw cause;
      throw Object.assign(new Problem("unreachable", `the service at ${this.url} does not answer`), { cause });
    });
    if (response.ok) return response;
    const said = await response.json().catch(() => ({}));
    throw new Problem(said.code ?? "unknown", said.detail ?? said.title ?? `the service answered ${response.status}`, response.status);
  }

  private async json<T>(path: string, { signal }: Common, body?: object, headers: Record<string, string> = {}): Promise<T> {
    const post = body && { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
    return (await this.fetch(path, { ...post, signal: signal ?? null })).json();
  }

  /** All models. */
  async models(options: Common = {}): Promise<Model[]> {
    const all: Model[] = [];
    for (let cursor: string | null | undefined = ""; cursor !== null && cursor !== undefined; ) {
      const path: string = `/v1/models?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
      const page: Schemas["ModelPage"] = await this.json(path, options);
      all.push(...page.data);
      cursor = page.next;
    }
    return all;
  }

  model = (id: string, options: Common = {}) => this.json<Model>(`/v1/models/${encodeURIComponent(id)}`, options);
  history = async (options: Common = {}) => (await this.json<Schemas["History"]>("/v1/history", options)).data;
  quote = (request: QuoteRequest, options: Common = {}) => this.json<Escrow>("/v1/quotes", options, request);
  prediction = (id: string, options: Common = {}) => this.json<Prediction>(`/v1/predictions/${encodeURIComponent(id)}`, options);
  cancel = (id: string, options: Common = {}) => this.json<Prediction>(`/v1/predictions/${encodeURIComponent(id)}/cancel`, options, {});

  /** Asks for a prediction. The same key with the same request is the same prediction, however often it is sent. */
  predict(request: PredictionRequest, idempotencyKey: string, options: Common = {}): Promise<Prediction> {
    return this.json("/v1/predictions", options, request, { "idempotency-key": idempotencyKey });
  }

  /** A model's KEY file. */
  /** An SRS file with the first `2^log + 1` powers of tau of a model's SRS. */
  srs = (id: string, log: number, options: Common = {}) => this.bytes(`/v1/models/${encodeURIComponent(id)}/srs?log=${log}`, options);
  key = (id: string, options: Common = {}) => this.bytes(`/v1/models/${encodeURIComponent(id)}/key`, options);
  /** A prediction's proof. */
  proof = (id: string, options: Common = {}) => this.bytes(`/v1/predictions/${encodeURIComponent(id)}/proof`, options);

  private async bytes(path: string, { signal }: Common): Promise<Uint8Array> {
    return new Uint8Array(await (await this.fetch(path, { signal: signal ?? null })).arrayBuffer());
  }

  /**
   * Hears of everything that happens to a prediction until it is over, or, with `until: "paid"`, until its output is shown, which is as soon as its
   * payment is in a block. A stream that breaks is taken up where it broke.
   */
  async follow(id: string, heard: (happening: Happening) => void, { signal, until = "end" }: Common & { until?: "paid" | "end" } = {}): Promise<void> {
    let last = "";
    for (let failed = 0; ; ) {
      try {
        const headers: Record<string, string> = last ? { "last-event-id": last } : {};
        const response = await this.fetch(`/v1/predictions/${encodeURIComponent(id)}/events`, { headers, signal: signal ?? null });
        if (response.status === 204 || !response.body) return;
        for await (const event of events(response.body)) {
          [last, failed] = [event.id || last, 0];
          const happening: Happening = JSON.parse(event.data);
          heard(happening);
          if (happening.kind === "paid" && until === "paid") return;
        }
      } catch (error) {
        if (signal?.aborted || (error instanceof Problem && error.status !== 0 && error.status < 500) || ++failed > RETRIES) throw error;
      }
      const now = await this.prediction(id, { ...(signal && { signal }) });
      if (last && (now.terminal || (until === "paid" && now.output))) return;
      await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** failed));
    }
  }
}

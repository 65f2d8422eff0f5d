import { events } from "./events.js";
/** What a service says when it does not do what it was asked: `code` is for programs, docs/api.md lists them. */
export class Problem extends Error {
    code;
    status;
    constructor(code, message, 
    /** The HTTP status; 0 if nothing answered. */
    status = 0) {
        super(message);
        this.code = code;
        this.status = status;
        this.name = "Problem";
    }
}
/** How often a broken stream is taken up again before it counts as lost. */
const RETRIES = 5;
/** The service's routes, without anything that is checked. */
export class Service {
    url;
    constructor(url) {
        this.url = url.replace(/\/+$/, "");
    }
    async fetch(path, init) {
        const response = await fetch(this.url + path, init).catch((cause) => {
            if (init.signal?.aborted)
                throw cause;
            throw Object.assign(new Problem("unreachable", `the service at ${this.url} does not answer`), { cause });
        });
        if (response.ok)
            return response;
        const said = await response.json().catch(() => ({}));
        throw new Problem(said.code ?? "unknown", said.detail ?? said.title ?? `the service answered ${response.status}`, response.status);
    }
    async json(path, { signal }, body, headers = {}) {
        const post = body && { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
        return (await this.fetch(path, { ...post, signal: signal ?? null })).json();
    }
    /** All models. */
    async models(options = {}) {
        const all = [];
        for (let cursor = ""; cursor !== null && cursor !== undefined;) {
            const path = `/v1/models?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
            const page = await this.json(path, options);
            all.push(...page.data);
            cursor = page.next;
        }
        return all;
    }
    model = (id, options = {}) => this.json(`/v1/models/${encodeURIComponent(id)}`, options);
    history = async (options = {}) => (await this.json("/v1/history", options)).data;
    quote = (request, options = {}) => this.json("/v1/quotes", options, request);
    prediction = (id, options = {}) => this.json(`/v1/predictions/${encodeURIComponent(id)}`, options);
    cancel = (id, options = {}) => this.json(`/v1/predictions/${encodeURIComponent(id)}/cancel`, options, {});
    /** Asks for a prediction. The same key with the same request is the same prediction, however often it is sent. */
    predict(request, idempotencyKey, options = {}) {
        return this.json("/v1/predictions", options, request, { "idempotency-key": idempotencyKey });
    }
    /** A model's KEY file. */
    /** An SRS file with the first `2^log + 1` powers of tau of a model's SRS. */
    srs = (id, log, options = {}) => this.bytes(`/v1/models/${encodeURIComponent(id)}/srs?log=${log}`, options);
    key = (id, options = {}) => this.bytes(`/v1/models/${encodeURIComponent(id)}/key`, options);
    /** A prediction's proof. */
    proof = (id, options = {}) => this.bytes(`/v1/predictions/${encodeURIComponent(id)}/proof`, options);
    async bytes(path, { signal }) {
        return new Uint8Array(await (await this.fetch(path, { signal: signal ?? null })).arrayBuffer());
    }
    /**
     * Hears of everything that happens to a prediction until it is over, or, with `until: "paid"`, until its output is shown, which is as soon as its
     * payment is in a block. A stream that breaks is taken up where it broke.
     */
    async follow(id, heard, { signal, until = "end" } = {}) {
        let last = "";
        for (let failed = 0;;) {
            try {
                const headers = last ? { "last-event-id": last } : {};
                const response = await this.fetch(`/v1/predictions/${encodeURIComponent(id)}/events`, { headers, signal: signal ?? null });
                if (response.status === 204 || !response.body)
                    return;
                for await (const event of events(response.body)) {
                    [last, failed] = [event.id || last, 0];
                    const happening = JSON.parse(event.data);
                    heard(happening);
                    if (happening.kind === "paid" && until === "paid")
                        return;
                }
            }
            catch (error) {
                if (signal?.aborted || (error instanceof Problem && error.status !== 0 && error.status < 500) || ++failed > RETRIES)
                    throw error;
            }
            const now = await this.prediction(id, { ...(signal && { signal }) });
            if (last && (now.terminal || (until === "paid" && now.output)))
                return;
            await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** failed));
        }
    }
}

/** The models that this service proves, with what this browser computes of their keys. */
import { facts, h, hash, mark } from "../dom.js";
import { markdown } from "../markdown.js";
import { median, missed, price, seconds, succeeded } from "../money.js";
import { checkedKey, powersBytes, recomputed, type CheckedKey } from "../proofs.js";
import { saysAll } from "../says.js";
import * as service from "../service.js";
import { learn } from "../tokens.js";
import { parentsOf } from "./provenance.js";

export async function browse(): Promise<HTMLElement> {
  const [models, history] = await Promise.all([service.models(), service.history()]);
  const terms = models.flatMap((model) => model.terms ?? []);
  await learn(terms.map(({ token }) => token), terms[0]?.chain_id); // prettier-ignore
  const cards = models.map((model) => h("li", { class: "card" }, ...card(model, history, models)));
  return h(
    "div",
    {},
    h("h1", {}, "Models whose answers come with a proof"),
    h("p", { class: "lead" }, "Each answer is proven to be what exactly this model gives, without showing the model. Your browser checks the proof; nobody has to be believed."),
    models.length === 0 ? h("p", {}, "This service proves no models yet.") : h("ul", { class: "cards" }, ...cards),
  );
}

function card(model: service.Model, history: service.Ended[], models: service.Model[]): (HTMLElement | string)[] {
  return [
    h("h2", {}, model.name),
    model.description ? markdown(model.description, 2) : h("p", { class: "card-text lead" }, "Its seller says nothing about it."),
    facts([
      ["Takes", saysAll(model, "inputs")],
      ["Gives", model.labels.length > 0 ? `one of ${model.labels.length} labels, with scores` : saysAll(model, "outputs")],
      ["Size", `${model.parameters.toLocaleString("en")} weights and biases, with padding`],
      ["Price", price(model.terms, model.free)],
      ["Record", record(history.filter((ended) => ended.model === model.id))],
      ["Weights", hash(model.model_commitment)],
    ]),
    licence(model) ?? "",
    keyStatus(model),
    weightsStatus(model) ?? "",
    seller(model, models) ?? "",
    h("div", { class: "row" }, h("a", { class: "button main", href: `#/try/${model.id}` }, "Try ", h("span", { class: "visually-hidden" }, model.name))),
  ];
}

/** Who sells it, since when, what was settled of it, and what it was made from: by the chain, filled in when it has answered. */
function seller(model: service.Model, models: service.Model[]): HTMLElement | null {
  if (!model.terms) return null;
  const place = h("p", { class: "seller" }, mark("wait", "asking the chain who sells it"));
  Promise.all([service.recentMarket(), service.lineage(model.id)]).then(
    ([market, lineage]) => {
      const listed = market.models.find((one) => one.model === model.id);
      if (!listed) return place.remove();
      const parents = parentsOf(lineage).map(({ id }) => service.nameOf(models, id));
      const since = new Date(1000 * listed.registered_secs).toLocaleDateString();
      place.replaceChildren("By ", hash(listed.owner), `, since ${since}, ${listed.settled} settled on chain.`, parents.length > 0 ? ` Made from ${parents.join(", ")}.` : "");
    },
    () => place.replaceChildren(mark("warn", "the chain does not answer: its seller is not known now")),
  );
  return place;
}

/** What a buyer may do with answers. */
export function licence(model: service.Model): HTMLElement | null {
  return model.licence ? h("p", {}, "Terms: ", model.licence) : null;
}

function record(ended: service.Ended[]): string {
  const good = ended.filter(succeeded);
  if (good.length === 0) return "no proofs yet";
  const times = good.map((one) => one.ended_ms - one.created_ms);
  return `${good.length} proven, ${ended.filter(missed).length} missed, typically ${seconds(median(times))}`;
}

/** What of the key holds in this browser: filled in when it is known. */
export function keyStatus(model: service.Model): HTMLElement {
  const status = h("p", { "aria-live": "polite" }, mark("wait", "recomputing the key"));
  const refused = (error: Error) => status.replaceChildren(mark("bad", `the key is refused: ${error.message}`));
  const show = ({ recomputed: done, matches, key }: CheckedKey) => {
    const universal = key.info.wrap === "universal";
    const marks = !matches
      ? [mark("bad", "the key is not the one that the service names")]
      : done.wrap
        ? [mark("good", "key recomputed in your browser")]
        : [mark("warn", universal ? "key not recomputed: compare its hash" : "the key is its maker's word")];
    if (key.info.development) marks.push(mark("warn", "development key: for tests only, proofs can be forged"));
    status.replaceChildren(...marks.flatMap((one) => [one, h("br")]));
    if (matches && universal && !done.wrap) status.append("Powers of tau ", hash(key.info.srs_id), " ", recompute(key.info.srs_log));
  };
  const recompute = (log: number) => {
    const megabytes = Math.ceil(powersBytes(log) / 1e6);
    const start = async () => {
      button.disabled = true;
      status.append(mark("wait", "this takes a while, and the page stands still"));
      // the browser shows that before it computes
      await new Promise((resolve) => setTimeout(resolve, 50));
      recomputed(model).then(show, refused);
    };
    const button = h("button", { type: "button", click: start }, `Recompute it (fetches ${megabytes} MB)`);
    return button;
  };
  checkedKey(model).then(show, refused);
  return status;
}

/** Whether the registry was shown that the weights are what the architecture says, and that somebody knows them. */
export function weightsStatus({ weights }: service.Model): HTMLElement | null {
  if (!weights) return null;
  const status = () => {
    if (weights.proven_secs === null) return mark("warn", "weights not proven to be in range");
    if (weights.development) return mark("warn", "weights proven under a development key, which shows nothing");
    return mark("good", `weights proven to be in range and known, on ${new Date(1000 * weights.proven_secs).toLocaleDateString()}`);
  };
  return h("p", {}, status());
}

/** Where a model comes from: who listed it, who shares what it earns, which models it was made from, what it has delivered on chain; and its network, drawn. */
import { drawn, facts, h, hash, mark, table } from "../dom.js";
import * as service from "../service.js";

/** Filled in when the chain has answered, with the market's history as `asked` has it. Nothing, where the model is not sold. */
export function provenance(model: service.Model, asked: () => Promise<service.MarketHistory> = service.recentMarket): HTMLElement | null {
  if (!model.terms) return null;
  const content = h("div", { "aria-live": "polite" }, h("p", {}, mark("wait", "asking the chain")));
  Promise.all([service.lineage(model.id), asked(), service.models()]).then(
    ([lineage, market, models]) => content.replaceChildren(...shown(model, lineage, market, models)),
    (error: Error) => content.replaceChildren(h("p", {}, mark("warn", error.message))),
  );
  return h("section", { class: "panel", "aria-label": "Provenance" }, h("h2", {}, "Where it comes from, and who earns"), content);
}

const percent = (share: number) => `${Number((100 * share).toPrecision(3))} %`;
const KINDS = { owner: "whoever holds the model's token", prover: "the prover of the job" };

function shown(model: service.Model, lineage: service.Lineage, market: service.MarketHistory, models: service.Model[]): HTMLElement[] {
  const record = market.models.find((row) => row.model === model.id);
  const parents = parentsOf(lineage);
  return [
    facts([
      ["Listed", h("span", {}, `${new Date(1000 * lineage.registered_secs).toLocaleDateString()} by `, hash(lineage.registrant))],
      ["Registered card", lineage.uri || null],
      ["Made from", parents.length > 0 && h("span", {}, ...parents.flatMap(({ id, share }, i) => [i > 0 ? ", " : "", link(id, models), ` (${percent(share)} of what is paid)`]))],
      ["On chain", record && `${record.funded} jobs paid, ${record.settled} proven, ${record.late} of them late, ${record.returned} given back`],
    ]),
    table("Who gets what is paid", ["Who", "Share"], inOrder(lineage.parts).map((part) => [who(part, lineage, models), percent(part.share)])),
    h("p", { class: "lead" }, "By the chain: the split was fixed when the model was listed. Which models it was made from is its registrant's word, and nothing shows that all are named."),
  ]; // prettier-ignore
}

/** The models whose splitters get a share through one of this model's, with that share. */
export function parentsOf({ parts }: service.Lineage): { id: string; share: number }[] {
  return parts.filter((part) => part.within !== null).flatMap((part) => part.models.map((id) => ({ id, share: part.share })));
}

function link(id: string, models: service.Model[]): HTMLElement | string {
  const name = service.nameOf(models, id);
  return models.some((model) => model.id === id) ? h("a", { href: `#/try/${id}` }, name) : name;
}

/** The parts of a splitter right below it. */
function inOrder(parts: service.Part[], within: number | null = null): service.Part[] {
  return parts.flatMap((part, i) => (part.within === within ? [part, ...inOrder(parts, i)] : []));
}

/** An account, further to the right for each splitter that it gets its share through. */
function who(part: service.Part, { parts }: service.Lineage, models: service.Model[]): HTMLElement {
  let depth = 0;
  for (let at = part.within; at !== null; at = parts[at]!.within) depth++;
  const named = part.models.flatMap((id) => [" of ", link(id, models)]);
  const words = part.kind === "owner" || part.kind === "prover" ? [KINDS[part.kind]] : [part.kind === "splitter" ? "the splitter " : "", hash(part.account), ...named];
  return h("span", { class: `part depth-${Math.min(depth, 4)}` }, depth > 0 && h("span", { class: "visually-hidden" }, "through a splitter: "), ...words);
}

/** The network as `assay explain` draws it. */
export function drawing(model: service.Model): HTMLElement {
  const source = `/v1/models/${model.id}/drawing`;
  return h("details", { class: "panel" }, h("summary", {}, "The network, drawn"),
    h("p", { class: "lead" }, "A box for each layer, with what it does and its share of the proof's cost. The shape is public; the weights are not in it."),
    drawn(source, `The network ${model.name}, a box for each layer with its cost`),
  ); // prettier-ignore
}

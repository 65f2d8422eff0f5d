/** What a model takes and gives, in words: as its seller describes it, else as its shape is. */
import type { TensorInfo } from "../../verifier/dist/index.js";
import type { Described, Model, Preparation } from "./service.js";

/** What the seller says of one input or output. */
export function described({ presentation }: Model, which: "inputs" | "outputs", name: string): Described | undefined {
  return presentation?.[which].find((one) => one.name === name);
}

/** All inputs, or all outputs. */
export function saysAll(model: Model, which: "inputs" | "outputs"): string {
  const prepare = which === "inputs" && model.inputs.length === 1 ? model.prepare : null;
  return model[which].map((tensor) => says(tensor, described(model, which, tensor.name), prepare)).join("; ");
}

export function says(tensor: TensorInfo, seller?: Described, prepare?: Preparation | null): string {
  const unit = seller?.unit ? `, in ${seller.unit}` : "";
  return `${what(tensor, seller, prepare)}${unit}`;
}

const times = (shape: number[]) => shape.join(" × ");

function what({ name, shape }: TensorInfo, seller?: Described, prepare?: Preparation | null): string {
  const all = shape.reduce((n, d) => n * d, 1);
  if (prepare?.kind === "image") return `a picture, ${prepare.width} × ${prepare.height}, ${prepare.channels === 1 ? "grey" : "in colour"}`;
  if (prepare?.kind === "text") return `a text of up to ${prepare.length} ${prepare.alphabet ? "characters" : "bytes"}`;
  const columns = seller?.columns?.join(", ");
  switch (seller?.kind) {
    case "image":
      return `a picture, ${times(shape)}`;
    case "text":
      return `a text of ${all} characters`;
    case "tokens":
      return `${all} tokens`;
    case "table": {
      const rows = all / (shape.at(-1) ?? 1);
      return `a table${rows > 1 ? ` of ${rows} rows` : ""}${columns ? `: ${columns}` : `, ${times(shape)}`}`;
    }
    default:
      return columns ? `${name}: ${columns}` : `${name} ${times(shape)}`;
  }
}

/** What the elements of a tensor are called, where the seller says so: by column, and by row where there are several. */
export function elements({ name, shape }: TensorInfo, seller?: Described): string[] {
  const all = shape.reduce((n, d) => n * d, 1);
  const columns = seller?.columns ?? [];
  const unit = seller?.unit ? ` (${seller.unit})` : "";
  return Array.from({ length: all }, (_, i) => {
    if (columns.length === 0) return `${name} ${i + 1}${unit}`;
    const row = all > columns.length ? `, row ${Math.floor(i / columns.length) + 1}` : "";
    return `${columns[i % columns.length]}${row}${unit}`;
  });
}

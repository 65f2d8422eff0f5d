/** What all fields of an input have in common. */
import type { TensorInfo } from "../../verifier/dist/index.js";

/** A field for one tensor. `values` is what it holds; errors say what is wrong with it. */
export interface Field {
  element: HTMLElement;
  values(): number[];
}

export const size = (tensor: TensorInfo) => tensor.shape.reduce((n, d) => n * d, 1);

/** Files of numbers: JSON as EZKL has it, CSV, and NumPy's .npy. One file holds one sample. */
import type { TensorInfo } from "../../verifier/dist/index.js";

export const ACCEPT = ".json,.csv,.npy";

/** The numbers of a file for one input. Errors: what is wrong with the file. */
export async function numbersOf(file: File, tensor: TensorInfo): Promise<number[]> {
  if (file.name.toLowerCase().endsWith(".npy")) return npy(await file.arrayBuffer());
  const text = await file.text();
  return file.name.toLowerCase().endsWith(".csv") ? csv(text) : json(text, tensor);
}

/** A list, lists in a list, `{"input_data": [[…]]}`, or `{"inputs": {"name": […]}}`. */
export function json(text: string, { name }: TensorInfo): number[] {
  let read: any;
  try {
    read = JSON.parse(text);
  } catch {
    throw new Error("This is no JSON: write numbers with commas between them, in brackets.");
  }
  const list = (Array.isArray(read) ? read : (read?.input_data ?? read?.inputs?.[name]))?.flat?.(Infinity);
  const number = (value: unknown) => (typeof value === "boolean" ? Number(value) : value);
  const numbers = list?.map(number) as unknown[] | undefined;
  if (!numbers?.every((value) => typeof value === "number")) throw new Error(`There are no numbers for ${name}: write a list such as [0.1, 0.2].`);
  return numbers as number[];
}

/** One line of numbers, below a heading or without one. */
function csv(text: string): number[] {
  const rows = text.split(/\r?\n/).filter((line) => line.trim() !== "").map((line) => line.split(",").map(parsed)); // prettier-ignore
  if (rows[0]?.every((value) => value === null)) rows.shift();
  if (rows.length !== 1) throw new Error(`The table has ${rows.length} rows of numbers, and one is one input.`);
  const missing = rows[0]!.indexOf(null);
  if (missing >= 0) throw new Error(`The table's element ${missing + 1} is no number.`);
  return rows[0] as number[];
}

function parsed(field: string): number | null {
  const text = field.trim().replace(/^"(.*)"$/, "$1");
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
}

/** How NumPy's types are read, by their names without the byte order. */
const TYPES: Record<string, [number, (view: DataView, at: number, little: boolean) => number]> = {
  f8: [8, (view, at, little) => view.getFloat64(at, little)],
  f4: [4, (view, at, little) => view.getFloat32(at, little)],
  i8: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
  i4: [4, (view, at, little) => view.getInt32(at, little)],
  i2: [2, (view, at, little) => view.getInt16(at, little)],
  i1: [1, (view, at) => view.getInt8(at)],
  u4: [4, (view, at, little) => view.getUint32(at, little)],
  u2: [2, (view, at, little) => view.getUint16(at, little)],
  u1: [1, (view, at) => view.getUint8(at)],
  b1: [1, (view, at) => view.getUint8(at)],
};

/** NumPy's format: a magic string, a version, the length of a header that says type, order and shape, and the numbers. */
export function npy(buffer: ArrayBuffer): number[] {
  const view = new DataView(buffer);
  const broken = new Error("This is no whole .npy file of numbers.");
  if (buffer.byteLength < 12 || view.getUint32(0) !== 0x934e554d || view.getUint16(4) !== 0x5059) throw broken;
  const wide = view.getUint8(6) > 1;
  const start = (wide ? 12 : 10) + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder("latin1").decode(buffer.slice(wide ? 12 : 10, start));
  const [, order = "", kind = ""] = /'descr':\s*'([<>|=])(\w+)'/.exec(header) ?? [];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  const type = TYPES[kind];
  if (!type || shape === undefined) throw new Error("The file holds other things than numbers: save an array of floats or integers.");
  if (/'fortran_order':\s*True/.test(header) && shape.split(",").filter((one) => Number(one) > 1).length > 1) {
    throw new Error("The array is in Fortran's order: save numpy.ascontiguousarray(array).");
  }
  const [width, get] = type;
  const count = shape.split(",").filter((one) => one.trim() !== "").reduce((n, one) => n * Number(one), 1); // prettier-ignore
  if (start + count * width > buffer.byteLength) throw broken;
  return Array.from({ length: count }, (_, i) => get(view, start + i * width, order !== ">"));
}

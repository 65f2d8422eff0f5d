/** A link as a QR code. */
import generator from "qrcode-generator";
import { svg } from "./dom.js";

export function qr(link: string): SVGElement {
  const code = generator(0, "M");
  code.addData(link);
  code.make();
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) if (code.isDark(row, column)) path += `M${column} ${row}h1v1h-1z`;
  }
  return svg("svg", { class: "qr", viewBox: `0 0 ${count} ${count}`, role: "img", "aria-label": "QR code of this page's link" }, svg("path", { d: path }));
}

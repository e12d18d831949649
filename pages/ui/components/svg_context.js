// A drawing as a file: PNG from a canvas, SVG from the same drawing calls.

const EXPORT_SCALE = 2;

function savePicture(kind, name, width, height, paint) {
  if (kind === "svg") {
    const ctx = new SvgContext(width, height);
    paint(ctx);
    return save(new Blob([ctx.text()], { type: "image/svg+xml" }), `${name}.svg`);
  }
  const canvas = document.createElement("canvas");
  canvas.width = EXPORT_SCALE * width;
  canvas.height = EXPORT_SCALE * height;
  const ctx = canvas.getContext("2d");
  ctx.scale(EXPORT_SCALE, EXPORT_SCALE);
  paint(ctx);
  canvas.toBlob((blob) => save(blob, `${name}.png`));
}

function save(blob, name) {
  const link = html("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// As much of a canvas context as the view draws with, written down as SVG.
class SvgContext {
  constructor(width, height) {
    this.size = [width, height];
    this.out = [];
    this.stack = [];
    this.open = 0;
    this.clips = 0;
    this.path = "";
    this.globalAlpha = 1;
    this.lineWidth = 1;
    this.dash = "";
    this.fillStyle = this.strokeStyle = "none";
    this.font = "11px sans-serif";
    this.textAlign = "left";
    this.textBaseline = "alphabetic";
    this.ruler = document.createElement("canvas").getContext("2d");
  }

  save() {
    const { globalAlpha, lineWidth, fillStyle, strokeStyle, font, textAlign, textBaseline, open } = this;
    this.stack.push({ globalAlpha, lineWidth, fillStyle, strokeStyle, font, textAlign, textBaseline, open });
    this.open = 0;
  }

  restore() {
    this.out.push("</g>".repeat(this.open));
    Object.assign(this, this.stack.pop());
  }

  group(attributes) {
    this.out.push(`<g ${attributes}>`);
    this.open += 1;
  }

  translate(x, y) {
    this.group(`transform="translate(${x} ${y})"`);
  }

  clip() {
    const id = `clip${(this.clips += 1)}`;
    this.out.push(`<clipPath id="${id}"><path d="${this.path}"/></clipPath>`);
    this.group(`clip-path="url(#${id})"`);
  }

  beginPath() {
    this.path = "";
  }

  moveTo(x, y) {
    this.path += `M${round(x)} ${round(y)}`;
  }

  lineTo(x, y) {
    this.path += `L${round(x)} ${round(y)}`;
  }

  bezierCurveTo(x1, y1, x2, y2, x, y) {
    this.path += `C${[x1, y1, x2, y2, x, y].map(round).join(" ")}`;
  }

  setLineDash(lengths) {
    this.dash = lengths.length ? ` stroke-dasharray="${lengths.map(round).join(" ")}"` : "";
  }

  closePath() {
    this.path += "Z";
  }

  rect(x, y, width, height) {
    this.path += `M${round(x)} ${round(y)}h${round(width)}v${round(height)}h${round(-width)}Z`;
  }

  // Whole circles only; nothing else is drawn with arcs.
  arc(x, y, r) {
    const [left, d] = [round(x - r), round(2 * r)];
    this.path += `M${left} ${round(y)}a${round(r)} ${round(r)} 0 1 0 ${d} 0a${round(r)} ${round(r)} 0 1 0 ${-d} 0Z`;
  }

  fill() {
    this.out.push(`<path d="${this.path}" fill="${this.fillStyle}"${this.seen()}/>`);
  }

  stroke() {
    this.out.push(`<path d="${this.path}" fill="none" stroke="${this.strokeStyle}" stroke-width="${round(this.lineWidth)}"${this.dash}${this.seen()}/>`);
  }

  fillRect(x, y, width, height) {
    this.out.push(`<rect ${this.box(x, y, width, height)} fill="${this.fillStyle}"${this.seen()}/>`);
  }

  strokeRect(x, y, width, height) {
    this.out.push(`<rect ${this.box(x, y, width, height)} fill="none" stroke="${this.strokeStyle}" stroke-width="${round(this.lineWidth)}"${this.seen()}/>`);
  }

  drawImage(canvas, x, y, width, height) {
    const place = `${this.box(x, y, width, height)} preserveAspectRatio="none"`;
    this.out.push(`<image ${place} style="image-rendering:pixelated"${this.seen()} href="${canvas.toDataURL()}"/>`);
  }

  measureText(text) {
    this.ruler.font = this.font;
    return this.ruler.measureText(text);
  }

  fillText(text, x, y) {
    const anchor = { left: "start", center: "middle", right: "end" }[this.textAlign];
    const down = { top: "0.8em", middle: "0.35em", alphabetic: "0" }[this.textBaseline];
    const escaped = text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
    const place = `x="${round(x)}" y="${round(y)}" dy="${down}" text-anchor="${anchor}"`;
    this.out.push(`<text ${place} style="font:${this.font.replaceAll('"', "'")}" fill="${this.fillStyle}"${this.seen()}>${escaped}</text>`);
  }

  box(x, y, width, height) {
    return `x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`;
  }

  seen() {
    return this.globalAlpha < 1 ? ` opacity="${round(this.globalAlpha)}"` : "";
  }

  text() {
    const [width, height] = this.size;
    const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`;
    return `${head}${this.out.join("")}</svg>`;
  }
}

const round = (value) => Math.round(value * 100) / 100;

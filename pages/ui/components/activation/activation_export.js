// The picture that is on show as a file: PNG from a canvas, SVG from the same drawing calls.

const EXPORT_SCALE = 2;
const LEGEND_LINE = 20;
const TITLE_LINE = 24;

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
    this.out.push(`<path d="${this.path}" fill="none" stroke="${this.strokeStyle}" stroke-width="${this.lineWidth}"${this.seen()}/>`);
  }

  fillRect(x, y, width, height) {
    this.out.push(`<rect ${this.box(x, y, width, height)} fill="${this.fillStyle}"${this.seen()}/>`);
  }

  strokeRect(x, y, width, height) {
    this.out.push(`<rect ${this.box(x, y, width, height)} fill="none" stroke="${this.strokeStyle}" stroke-width="${this.lineWidth}"/>`);
  }

  drawImage(canvas, x, y, width, height) {
    const place = `${this.box(x, y, width, height)} preserveAspectRatio="none"`;
    this.out.push(`<image ${place} style="image-rendering:pixelated" href="${canvas.toDataURL()}"/>`);
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
    this.out.push(`<text ${place} style="font:${this.font.replaceAll('"', "'")}" fill="${this.fillStyle}">${escaped}</text>`);
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

// Where everything stands: the panels as on the page, the legend above them.
function layout(app, ruler) {
  const origin = app.find(".panels").getBoundingClientRect();
  const width = Math.ceil(origin.width);
  ruler.font = `12px ${app.theme.font}`;
  let [x, y] = [0, 0];
  const legend = [...app.shown.classes, ...app.shown.instances].map((item) => {
    const text = item.shape ? item.label : `${item.name}, ${item.n.toLocaleString("en")} images`;
    const wide = ruler.measureText(text).width + 70;
    if (x && x + wide > width) [x, y] = [0, y + LEGEND_LINE];
    const place = { item, text, x, y };
    x += wide;
    return place;
  });
  const top = y + LEGEND_LINE + 8;
  const panels = app.panels.map((panel) => {
    const box = panel.element.getBoundingClientRect();
    return { panel, x: box.left - origin.left, y: top + box.top - origin.top };
  });
  return { width, height: Math.ceil(top + origin.height), legend, panels };
}

function paintPicture(ctx, app, { width, height, legend, panels }) {
  const { theme } = app;
  ctx.fillStyle = theme.background;
  ctx.fillRect(0, 0, width, height);
  for (const { item, text, x, y } of legend) {
    const middle = y + LEGEND_LINE / 2;
    if (item.shape) {
      drawMark(ctx, x + 36, middle, 4.5, item, theme, false);
    } else {
      ctx.fillStyle = item.colour;
      for (let step = 0; step < 7; step++) {
        ctx.globalAlpha = (step + 1) / 7;
        ctx.fillRect(x + 6 * step, middle - 5, 6, 10);
      }
      ctx.globalAlpha = 1;
    }
    ctx.font = `12px ${theme.font}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillStyle = theme.text;
    ctx.fillText(text, x + 48, middle);
  }
  for (const { panel, x, y } of panels) {
    ctx.save();
    ctx.translate(x, y);
    ctx.font = `600 13px ${theme.font}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillStyle = theme.text;
    ctx.fillText(`${panel.layer.name}, ${subtitle(panel)}`, 0, TITLE_LINE / 2);
    ctx.translate(0, TITLE_LINE);
    const cursor = panel.cursor;
    panel.cursor = -1;
    paintRows(ctx, app, panel);
    if (panel.rowHeight < 16 && magnified(app, panel).shown.length) {
      ctx.translate(0, panel.viewHeight + AXIS_HEIGHT);
      paintFocus(ctx, app, panel);
    }
    panel.cursor = cursor;
    ctx.restore();
  }
}

function exportPicture(app, kind) {
  const place = layout(app, document.createElement("canvas").getContext("2d"));
  if (kind === "svg") {
    const ctx = new SvgContext(place.width, place.height);
    paintPicture(ctx, app, place);
    return save(new Blob([ctx.text()], { type: "image/svg+xml" }), "activations.svg");
  }
  const canvas = document.createElement("canvas");
  canvas.width = EXPORT_SCALE * place.width;
  canvas.height = EXPORT_SCALE * place.height;
  const ctx = canvas.getContext("2d");
  ctx.scale(EXPORT_SCALE, EXPORT_SCALE);
  paintPicture(ctx, app, place);
  canvas.toBlob((blob) => save(blob, "activations.png"));
}

function save(blob, name) {
  const link = html("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Reading, ordering and drawing of one layer's rows. No DOM events here.

const ZERO_WIDTH = 26;
const AXIS_HEIGHT = 34;
const FOCUS_ROW = 24;

// The message of ndcore.figures.activation_panels.pack, as typed arrays over one buffer.
function decode(data) {
  const source = data instanceof Uint8Array ? data : new Uint8Array(data);
  const buffer = source.slice().buffer;
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const classes = header.classes.length;
  const instances = header.instances.length;
  let at = 4 + length;
  for (const layer of header.layers) {
    layer.medians = new Float32Array(buffer, at, classes * layer.units);
    at += 4 * classes * layer.units;
    layer.values = new Float32Array(buffer, at, instances * layer.units);
    at += 4 * instances * layer.units;
  }
  for (const layer of header.layers) {
    const cells = classes * layer.units * layer.bins;
    layer.density = new Uint8Array(buffer, at, cells);
    layer.zero = new Uint8Array(buffer, at + cells, classes * layer.units);
    at += cells + classes * layer.units;
  }
  return header;
}

function channels(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

// Values per unit of "class:<name>" (its median), "benign" or "attacked"; null when not shown.
function itemValues(header, layer, key) {
  const slice = (array, row) => array.subarray(row * layer.units, (row + 1) * layer.units);
  if (key.startsWith("class:")) {
    const row = header.classes.findIndex((item) => "class:" + item.name === key);
    return row < 0 ? null : slice(layer.medians, row);
  }
  const row = header.instances.findIndex((item) => item.key === key);
  return row < 0 ? null : slice(layer.values, row);
}

// Units in display order, filtered by marks.
function ordering(header, layer, view, marks) {
  let order = Array.from({ length: layer.units }, (_, unit) => unit);
  if (view.show === "marked") order = order.filter((unit) => marks.has(unit));
  if (view.show === "unmarked") order = order.filter((unit) => !marks.has(unit));
  const first = itemValues(header, layer, view.sort);
  if (!first) return view.descending ? order : order.reverse();
  const second = view.minus ? itemValues(header, layer, view.minus) : null;
  const rank = (unit) => first[unit] - (second ? second[unit] : 0);
  const sign = view.descending ? -1 : 1;
  return order.sort((a, b) => sign * (rank(a) - rank(b)) || a - b);
}

// Bitmap with one pixel per bin and row; with lanes every class has a line of its own.
function densityBitmap(header, layer, order, lanes) {
  const { bins, units } = layer;
  const colours = header.classes.map((item) => channels(item.colour));
  const count = colours.length;
  const height = Math.max(1, order.length * (lanes ? count : 1));
  const image = new ImageData(bins, height);
  const out = image.data;
  let at = 0;
  for (const unit of order) {
    if (lanes) {
      for (let k = 0; k < count; k++) {
        const from = (k * units + unit) * bins;
        for (let b = 0; b < bins; b++, at += 4) {
          out[at] = colours[k][0];
          out[at + 1] = colours[k][1];
          out[at + 2] = colours[k][2];
          out[at + 3] = layer.density[from + b];
        }
      }
      continue;
    }
    for (let b = 0; b < bins; b++, at += 4) {
      let clear = 1;
      let total = 0;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let k = 0; k < count; k++) {
        const alpha = layer.density[(k * units + unit) * bins + b];
        clear *= 1 - alpha / 255;
        total += alpha;
        red += alpha * colours[k][0];
        green += alpha * colours[k][1];
        blue += alpha * colours[k][2];
      }
      if (!total) continue;
      out[at] = red / total;
      out[at + 1] = green / total;
      out[at + 2] = blue / total;
      out[at + 3] = 255 * (1 - clear);
    }
  }
  return toCanvas(image);
}

// Bitmap of the exact-zero shares: one column per class.
function zeroBitmap(header, layer, order) {
  const colours = header.classes.map((item) => channels(item.colour));
  const image = new ImageData(Math.max(1, colours.length), Math.max(1, order.length));
  let at = 0;
  for (const unit of order) {
    for (let k = 0; k < colours.length; k++, at += 4) {
      image.data.set(colours[k], at);
      image.data[at + 3] = layer.zero[k * layer.units + unit];
    }
  }
  return toCanvas(image);
}

function toCanvas(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// Columns of a panel: labels, exact zeros (where the layer has any), axis.
function columns(layer, width, gutter) {
  const zeros = layer.zero.some((share) => share > 0);
  const left = gutter + (zeros ? ZERO_WIDTH + 14 : 0);
  const right = width - 12;
  const scale = (right - left) / (layer.high - layer.low);
  const x = (value) => Math.min(right, Math.max(left, left + (value - layer.low) * scale));
  return { gutter, zeros, left, right, x };
}

function ticks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) {
    found.push(Math.abs(value) < step * 1e-6 ? 0 : value);
  }
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (step / power === 2.5 ? 1 : 0)) };
}

function drawAxis(ctx, layer, cols, top, height, theme) {
  const { found, digits } = ticks(layer.low, layer.high, Math.max(2, (cols.right - cols.left) / 70));
  ctx.font = `11px ${theme.font}`;
  ctx.textBaseline = "top";
  ctx.lineWidth = 1;
  for (const value of found) {
    const x = Math.round(cols.x(value)) + 0.5;
    ctx.strokeStyle = theme.grid;
    ctx.beginPath();
    ctx.moveTo(x, 0);
    ctx.lineTo(x, height);
    ctx.stroke();
    const text = value.toFixed(digits);
    const half = ctx.measureText(text).width / 2;
    ctx.fillStyle = theme.faint;
    ctx.textAlign = "center";
    ctx.fillText(text, Math.min(x, cols.right + 12 - half), top + 4);
  }
  ctx.fillStyle = theme.faint;
  ctx.textAlign = "right";
  ctx.fillText("activation", cols.right + 10, top + 19);
  if (cols.zeros) {
    ctx.textAlign = "center";
    ctx.fillText("= 0", cols.gutter + ZERO_WIDTH / 2, top + 4);
  }
}

// A dot: circle for benign, diamond for attacked, so that the shape tells them apart too.
function drawDot(ctx, x, y, radius, item, theme, outlined) {
  ctx.beginPath();
  if (item.key === "attacked") {
    const r = radius * 1.3;
    ctx.moveTo(x, y - r);
    ctx.lineTo(x + r, y);
    ctx.lineTo(x, y + r);
    ctx.lineTo(x - r, y);
    ctx.closePath();
  } else {
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
  }
  if (outlined) {
    ctx.lineWidth = 2.5;
    ctx.strokeStyle = theme.background;
    ctx.stroke();
  }
  ctx.fillStyle = item.key === "attacked" ? item.colour : theme.benign;
  ctx.fill();
}

// Dots of one row; on tall rows a line joins the two.
function drawInstances(ctx, header, layer, unit, cols, y, rowHeight, theme) {
  const places = header.instances.map((_, row) => cols.x(layer.values[row * layer.units + unit]));
  if (rowHeight >= 9 && places.length === 2) {
    ctx.strokeStyle = header.instances[1].colour;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.moveTo(places[0], y);
    ctx.lineTo(places[1], y);
    ctx.stroke();
  }
  const radius = Math.min(4.5, Math.max(1.5, rowHeight / 4));
  places.forEach((x, row) =>
    drawDot(ctx, x, y, radius, header.instances[row], theme, rowHeight >= 6),
  );
}

// One unit, tall: its lanes, medians, zero shares and dots.
function drawFocusRow(ctx, header, layer, unit, cols, top, theme) {
  const count = Math.max(1, header.classes.length);
  const lane = (FOCUS_ROW - 4) / count;
  const bin = (cols.right - cols.left) / layer.bins;
  header.classes.forEach((item, k) => {
    const y = top + 2 + k * lane;
    ctx.fillStyle = item.colour;
    for (let b = 0; b < layer.bins; b++) {
      const alpha = layer.density[(k * layer.units + unit) * layer.bins + b];
      if (!alpha) continue;
      ctx.globalAlpha = alpha / 255;
      ctx.fillRect(cols.left + b * bin, y, bin + 0.3, lane - 0.5);
    }
    if (cols.zeros) {
      ctx.globalAlpha = 1;
      ctx.fillRect(cols.gutter, y, (ZERO_WIDTH * layer.zero[k * layer.units + unit]) / 255, lane - 0.5);
    }
    ctx.globalAlpha = 1;
    const median = cols.x(layer.medians[k * layer.units + unit]);
    ctx.fillStyle = theme.text;
    ctx.fillRect(median - 1, y, 2, lane - 0.5);
  });
  drawInstances(ctx, header, layer, unit, cols, top + FOCUS_ROW / 2, FOCUS_ROW, theme);
}

// Reading, ordering and drawing of one layer's rows. No DOM events here.

const ZERO_WIDTH = 26;
const AXIS_HEIGHT = 34;
const FOCUS_ROW = 24;

async function inflate(data) {
  const packed = data instanceof Uint8Array ? data : new Uint8Array(data);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// The message of ndcore.figures.activation_panels.pack, as typed arrays over one buffer.
function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const classes = header.classes.length;
  const instances = header.instances.length;
  let at = 4 + length;
  const take = (kind, count) => {
    const array = new kind(buffer, at, count);
    at += array.byteLength;
    return array;
  };
  for (const layer of header.layers) {
    layer.quantiles = take(Float32Array, header.quantiles.length * classes * layer.units);
    layer.values = take(Float32Array, instances * layer.units);
    layer.divergence = take(Float32Array, instances * classes * layer.units);
    layer.separation = take(Float32Array, ((classes * (classes - 1)) / 2) * layer.units);
  }
  for (const layer of header.layers) {
    layer.rank = take(Uint16Array, instances * classes * layer.units);
    layer.zero = take(Uint16Array, classes * layer.units);
    layer.hasZeros = layer.zero.some((share) => share > 0);
  }
  for (const layer of header.layers) layer.density = take(Uint8Array, classes * layer.units * layer.bins);
  header.middle = header.quantiles.indexOf(0.5);
  return header;
}

const rowOf = (array, layer, row) => array.subarray(row * layer.units, (row + 1) * layer.units);

function medians(header, layer, row) {
  return rowOf(layer.quantiles, layer, header.middle * header.classes.length + row);
}

// What rows can be sorted by: key, words, group, and one value per unit. Only items of plain
// activations can be subtracted from each other.
function sortItems(header) {
  const { classes, instances } = header;
  const items = classes.map(({ name }, row) => ({
    key: `class:${name}`,
    text: `median of ${name}`,
    group: "Class",
    plain: true,
    of: (layer) => medians(header, layer, row),
  }));
  instances.forEach(({ key, label }, row) =>
    items.push({ key, text: `image ${label}`, group: "Image", plain: true, of: (layer) => rowOf(layer.values, layer, row) }),
  );
  instances.forEach((image, i) =>
    classes.forEach(({ name }, k) =>
      items.push({
        key: `divergence:${image.key}:${name}`,
        text: `divergence of ${image.label} from ${name}`,
        group: "Divergence of an image from a class",
        of: (layer) => rowOf(layer.divergence, layer, i * classes.length + k),
      }),
    ),
  );
  let pair = 0;
  for (let first = 0; first < classes.length; first++) {
    for (let second = first + 1; second < classes.length; second++) {
      const row = pair++;
      items.push({
        key: `separation:${classes[first].name}:${classes[second].name}`,
        text: `separation of ${classes[first].name} and ${classes[second].name} (W1)`,
        group: "Separation of two classes",
        of: (layer) => rowOf(layer.separation, layer, row),
      });
    }
  }
  classes.forEach(({ name }, row) =>
    items.push({ key: `zeros:${name}`, text: `exact zeros of ${name}`, group: "Share of exact zeros", of: (layer) => rowOf(layer.zero, layer, row) }),
  );
  return items;
}

// Units in display order, filtered by marks.
function ordering(items, layer, view, marks) {
  let order = Array.from({ length: layer.units }, (_, unit) => unit);
  if (view.show === "marked") order = order.filter((unit) => marks.has(unit));
  if (view.show === "unmarked") order = order.filter((unit) => !marks.has(unit));
  const item = items.find(({ key }) => key === view.sort);
  if (!item) return view.descending ? order : order.reverse();
  const other = item.plain && items.find(({ key, plain }) => plain && key === view.minus);
  const first = item.of(layer);
  const second = other ? other.of(layer) : null;
  const rank = second ? (unit) => first[unit] - second[unit] : (unit) => first[unit];
  const sign = view.descending ? -1 : 1;
  return order.sort((a, b) => sign * (rank(a) - rank(b)) || a - b);
}

function channels(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

// Factor on a unit's opacities: 1, or what makes its own densest bin opaque.
function gain(layer, classes, unit, contrast) {
  if (contrast !== "neuron") return 1;
  let most = 1;
  for (const { row } of classes) {
    const from = (row * layer.units + unit) * layer.bins;
    for (let b = 0; b < layer.bins; b++) most = Math.max(most, layer.density[from + b]);
  }
  return 255 / most;
}

// Bitmap with one pixel per bin and row; with lanes every class has a line of its own.
function densityBitmap(layer, classes, order, lanes, contrast) {
  const { bins, units } = layer;
  const colours = classes.map((item) => channels(item.colour));
  const count = colours.length;
  const height = Math.max(1, order.length * (lanes ? count : 1));
  const image = new ImageData(bins, height);
  const out = image.data;
  let at = 0;
  for (const unit of order) {
    const factor = gain(layer, classes, unit, contrast);
    if (lanes) {
      for (let k = 0; k < count; k++) {
        const from = (classes[k].row * units + unit) * bins;
        for (let b = 0; b < bins; b++, at += 4) {
          out[at] = colours[k][0];
          out[at + 1] = colours[k][1];
          out[at + 2] = colours[k][2];
          out[at + 3] = factor * layer.density[from + b];
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
        const alpha = factor * layer.density[(classes[k].row * units + unit) * bins + b];
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
function zeroBitmap(layer, classes, order) {
  const colours = classes.map((item) => channels(item.colour));
  const image = new ImageData(Math.max(1, colours.length), Math.max(1, order.length));
  let at = 0;
  for (const unit of order) {
    for (let k = 0; k < colours.length; k++, at += 4) {
      image.data.set(colours[k], at);
      image.data[at + 3] = layer.zero[classes[k].row * layer.units + unit] / 257;
    }
  }
  return toCanvas(image);
}

// Columns of a panel: labels, exact zeros (where the layer has any), axis.
function columns(layer, width, gutter) {
  const zeros = layer.hasZeros;
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

function drawAxis(ctx, layer, cols, height, theme) {
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
    ctx.fillText(text, Math.min(x, cols.right + 12 - half), height + 4);
  }
  ctx.fillStyle = theme.faint;
  ctx.textAlign = "right";
  ctx.fillText("activation", cols.right + 10, height + 19);
  if (cols.zeros) {
    ctx.textAlign = "center";
    ctx.fillText("= 0", cols.gutter + ZERO_WIDTH / 2, height + 4);
  }
}

// The mark of an image: its shape tells it apart where its colour does not.
function drawMark(ctx, x, y, radius, item, theme, outlined) {
  const r = radius;
  ctx.beginPath();
  if (item.shape === "diamond") {
    ctx.moveTo(x, y - 1.3 * r);
    ctx.lineTo(x + 1.3 * r, y);
    ctx.lineTo(x, y + 1.3 * r);
    ctx.lineTo(x - 1.3 * r, y);
    ctx.closePath();
  } else if (item.shape === "triangle") {
    ctx.moveTo(x, y - 1.2 * r);
    ctx.lineTo(x + 1.2 * r, y + r);
    ctx.lineTo(x - 1.2 * r, y + r);
    ctx.closePath();
  } else if (item.shape === "square") {
    ctx.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
  } else {
    ctx.arc(x, y, item.shape === "ring" ? 0.8 * r : r, 0, 2 * Math.PI);
  }
  const colour = colourOf(item, theme);
  if (outlined) {
    ctx.lineWidth = item.shape === "ring" ? 4 : 2.5;
    ctx.strokeStyle = theme.background;
    ctx.stroke();
  }
  if (item.shape === "ring") {
    ctx.lineWidth = Math.max(1, 0.45 * r);
    ctx.strokeStyle = colour;
    ctx.stroke();
  } else {
    ctx.fillStyle = colour;
    ctx.fill();
  }
}

const colourOf = (item, theme) => (item.colour === "ink" ? theme.benign : item.colour);

// Marks of one row; on tall rows a line joins the images of a pair.
function drawInstances(ctx, layer, instances, unit, cols, y, rowHeight, theme) {
  const places = instances.map(({ row }) => cols.x(layer.values[row * layer.units + unit]));
  if (rowHeight >= 9) {
    instances.forEach((item, at) => {
      const other = instances.findIndex((one, before) => before < at && one.entry === item.entry);
      if (other < 0) return;
      ctx.strokeStyle = colourOf(item, theme);
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      ctx.moveTo(places[other], y);
      ctx.lineTo(places[at], y);
      ctx.stroke();
    });
  }
  const radius = Math.min(4.5, Math.max(1.5, rowHeight / 4));
  instances.forEach((item, at) => {
    drawMark(ctx, places[at], y, radius, item, theme, rowHeight >= 6);
    const beyond = layer.values[item.row * layer.units + unit] > layer.high;
    if (beyond && rowHeight >= 6) pointer(ctx, cols.right + 5, y, colourOf(item, theme));
  });
}

function pointer(ctx, x, y, colour) {
  ctx.fillStyle = colour;
  ctx.beginPath();
  ctx.moveTo(x, y - 4);
  ctx.lineTo(x + 5, y);
  ctx.lineTo(x, y + 4);
  ctx.fill();
}

// One unit, tall: its lanes, medians, zero shares and marks.
function drawFocusRow(ctx, app, layer, unit, cols, top) {
  const { theme, shown, header, view } = app;
  const lane = (FOCUS_ROW - 4) / Math.max(1, shown.classes.length);
  const bin = (cols.right - cols.left) / layer.bins;
  const factor = gain(layer, shown.classes, unit, view.contrast);
  shown.classes.forEach((item, k) => {
    const y = top + 2 + k * lane;
    const thick = Math.max(0.5, lane - 0.5);
    ctx.fillStyle = item.colour;
    for (let b = 0; b < layer.bins; b++) {
      const alpha = layer.density[(item.row * layer.units + unit) * layer.bins + b];
      if (!alpha) continue;
      ctx.globalAlpha = Math.min(1, (factor * alpha) / 255);
      ctx.fillRect(cols.left + b * bin, y, bin + 0.3, thick);
    }
    ctx.globalAlpha = 1;
    if (cols.zeros) {
      ctx.fillRect(cols.gutter, y, (ZERO_WIDTH * layer.zero[item.row * layer.units + unit]) / 65535, thick);
    }
    const median = cols.x(medians(header, layer, item.row)[unit]);
    ctx.fillStyle = theme.text;
    ctx.fillRect(median - 1, y, 2, thick);
  });
  drawInstances(ctx, layer, shown.instances, unit, cols, top + FOCUS_ROW / 2, FOCUS_ROW, theme);
}

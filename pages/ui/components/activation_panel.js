// Layout and painting of one panel: the rows, their axis, and the marked rows magnified.

const LABEL_STEP = 12;

function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}

function gutterWidth(ctx, layer, theme) {
  ctx.font = `11px ${theme.font}`;
  const names = layer.names.length ? layer.names : [String(layer.units)];
  return Math.ceil(Math.max(...names.map((name) => ctx.measureText(name).width))) + 20;
}

// Order, row height and bitmaps; remade when data, order or zoom change.
function prepare(app, panel) {
  const { header, view } = app;
  const { layer } = panel;
  panel.order = ordering(header, layer, view, app.marks[layer.name] ?? new Set());
  const fit = Math.floor(VIEW_HEIGHT / Math.max(1, panel.order.length));
  panel.rowHeight = Math.min(ROW_MOST, Math.max(1, fit) * app.zoom);
  panel.lanes = header.classes.length > 1 && panel.rowHeight >= 3 * header.classes.length;
  panel.bitmap = densityBitmap(header, layer, panel.order, panel.lanes);
  panel.zeros = zeroBitmap(header, layer, panel.order);
}

function drawPanel(app, panel) {
  if (!panel.bitmap) prepare(app, panel);
  const { header, theme } = app;
  const { layer, order, rowHeight, rows } = panel;
  const total = order.length * rowHeight;
  panel.viewHeight = Math.max(24, Math.min(VIEW_HEIGHT, total));
  const height = panel.viewHeight + AXIS_HEIGHT;
  rows.style.height = `${height}px`;
  panel.spacer.style.height = `${Math.max(0, total - panel.viewHeight)}px`;
  const width = rows.clientWidth;
  if (!width) return;
  const reduction = layer.reduction === "value" ? "" : `, ${layer.reduction} over positions`;
  panel.title.replaceChildren(
    layer.name,
    html("small", { textContent: `  ${order.length} of ${layer.units} neurons${reduction}` }),
  );
  const ctx = sized(panel.canvas, width, height);
  const cols = columns(layer, width, gutterWidth(ctx, layer, theme));
  const scroll = rows.scrollTop;
  drawAxis(ctx, layer, cols, panel.viewHeight, panel.viewHeight, theme);
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, 0, width, panel.viewHeight);
  ctx.clip();
  ctx.imageSmoothingEnabled = false;
  if (order.length) {
    ctx.drawImage(panel.bitmap, cols.left, -scroll, cols.right - cols.left, total);
    if (cols.zeros && header.classes.length) {
      ctx.drawImage(panel.zeros, cols.gutter, -scroll, ZERO_WIDTH, total);
      ctx.strokeStyle = theme.grid;
      ctx.strokeRect(cols.gutter - 0.5, -1, ZERO_WIDTH + 1, panel.viewHeight + 2);
    }
  }
  const first = Math.floor(scroll / rowHeight);
  const last = Math.min(order.length, Math.ceil((scroll + panel.viewHeight) / rowHeight));
  if (rowHeight >= 6) {
    ctx.fillStyle = theme.background;
    for (let row = first; row <= last; row++) ctx.fillRect(0, row * rowHeight - scroll - 0.5, width, 1);
  }
  for (let row = first; row < last; row++) {
    drawInstances(ctx, header, layer, order[row], cols, (row + 0.5) * rowHeight - scroll, rowHeight, theme);
  }
  drawLabels(ctx, app, panel, cols, first, last, scroll);
  if (panel.cursor >= 0 && panel.cursor < order.length) {
    ctx.strokeStyle = theme.text;
    ctx.lineWidth = 1;
    const tall = Math.max(rowHeight, 4);
    ctx.strokeRect(cols.gutter - 1.5, (panel.cursor + 0.5) * rowHeight - scroll - tall / 2, cols.right - cols.gutter + 6, tall);
  }
  if (!order.length) {
    ctx.fillStyle = theme.faint;
    ctx.font = `12px ${theme.font}`;
    ctx.textAlign = "left";
    ctx.fillText("No neuron is marked in this layer.", cols.gutter, 16);
  }
  ctx.restore();
  panel.canvas.setAttribute("aria-label", spokenTitle(app, panel));
  drawFocus(app, panel, width, cols);
}

function spokenTitle(app, panel) {
  const names = app.header.classes.map((item) => item.name).join(" and ") || "no class";
  const dots = app.header.instances.map((item) => `${item.key} image`).join(" and ") || "no image";
  return `Activation of ${panel.order.length} neurons of ${panel.layer.name}: distributions of ${names}; dots of ${dots}. Arrow keys move, Enter marks.`;
}

// Numbers beside tall rows; beside thin rows those of marked units, spread out to be legible.
function drawLabels(ctx, app, panel, cols, first, last, scroll) {
  const { theme } = app;
  const { layer, order, rowHeight } = panel;
  const marks = app.marks[layer.name] ?? new Set();
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.font = `11px ${theme.font}`;
  const x = cols.gutter - 9;
  if (rowHeight >= LABEL_STEP - 1) {
    for (let row = first; row < last; row++) {
      const y = (row + 0.5) * rowHeight - scroll;
      const marked = marks.has(order[row]);
      ctx.fillStyle = marked ? theme.accent : theme.faint;
      ctx.fillText(unitName(layer, order[row]), x, y);
      if (marked) pointer(ctx, cols.gutter - 6, y);
    }
    return;
  }
  const places = [];
  for (let row = first; row < last; row++) {
    if (marks.has(order[row])) places.push({ unit: order[row], y: (row + 0.5) * rowHeight - scroll });
  }
  ctx.fillStyle = theme.accent;
  ctx.strokeStyle = theme.accent;
  ctx.lineWidth = 1;
  let free = LABEL_STEP / 2;
  for (const place of places) {
    place.label = Math.max(free, place.y);
    free = place.label + LABEL_STEP;
  }
  let floor = panel.viewHeight - LABEL_STEP / 2;
  for (const place of places.toReversed()) {
    place.label = Math.min(place.label, floor);
    floor = place.label - LABEL_STEP;
    ctx.fillText(unitName(layer, place.unit), x - 2, place.label);
    ctx.beginPath();
    ctx.moveTo(x, place.label);
    ctx.lineTo(cols.gutter - 2, place.y);
    ctx.lineTo(cols.gutter + (cols.zeros ? ZERO_WIDTH : 0), place.y);
    ctx.stroke();
  }
}

function pointer(ctx, x, y) {
  ctx.beginPath();
  ctx.moveTo(x, y - 4);
  ctx.lineTo(x + 5, y);
  ctx.lineTo(x, y + 4);
  ctx.fill();
}

// The row under the pointer and the marked rows, tall enough for lanes, medians and dots.
function drawFocus(app, panel, width, cols) {
  const { header, theme } = app;
  const { layer, order, rowHeight } = panel;
  const marks = app.marks[layer.name] ?? new Set();
  const marked = ordering(header, layer, { ...app.view, show: "marked" }, marks);
  const shown = marked.slice(0, FOCUS_MOST);
  const useful = rowHeight < 16;
  panel.focusBox.classList.toggle("hidden", !useful);
  if (!useful) return;
  const left = marked.length - shown.length;
  panel.caption.textContent =
    shown.length
      ? `Magnified, with ${marked.length} marked${left ? ` (first ${shown.length} shown)` : ""}; ticks are medians`
      : "Magnified; ticks are medians; click a row to keep it here";
  const ctx = sized(panel.focus, width, (shown.length + 1) * FOCUS_ROW + 6);
  const current = panel.cursor >= 0 ? order[panel.cursor] : undefined;
  [current, ...shown].forEach((unit, at) => {
    const top = at * FOCUS_ROW + (at ? 6 : 0);
    if (!at) {
      ctx.strokeStyle = theme.grid;
      ctx.strokeRect(0.5, 0.5, width - 1, FOCUS_ROW);
    }
    ctx.font = `11px ${theme.font}`;
    ctx.textBaseline = "middle";
    if (unit === undefined) {
      ctx.fillStyle = theme.faint;
      ctx.textAlign = "center";
      ctx.fillText("point at a row to magnify it here", width / 2, FOCUS_ROW / 2);
      return;
    }
    ctx.textAlign = "right";
    ctx.fillStyle = at ? theme.accent : theme.text;
    ctx.fillText(unitName(layer, unit), cols.gutter - 9, top + FOCUS_ROW / 2);
    drawFocusRow(ctx, header, layer, unit, cols, top, theme);
  });
  panel.focus.setAttribute("aria-label", `Magnified rows of ${shown.length} marked neurons`);
}

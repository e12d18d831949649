// Layout and painting of one panel: the rows, their axis, and the marked rows magnified.

const VIEW_HEIGHT = 512;
const ROW_MOST = 26;
const FOCUS_MOST = 12;
const LABEL_STEP = 12;
const GUTTER_MOST = 150;

const unitName = (layer, unit) => (layer.names.length ? `${layer.names[unit]}` : `${unit}`);

// A label in the gutter ends in dots where it would be cut off.
function gutterName(ctx, layer, unit) {
  const name = unitName(layer, unit);
  const share = GUTTER_MOST / ctx.measureText(name).width;
  return share >= 1 ? name : `${name.slice(0, Math.floor(name.length * share) - 2)}…`;
}

function gutterWidth(ctx, layer, theme) {
  ctx.font = `11px ${theme.font}`;
  const names = layer.names.length ? layer.names : [String(layer.units)];
  // Measured once: a layer can have a thousand names.
  layer.longest ??= Math.max(...names.map((name) => ctx.measureText(name).width));
  return Math.ceil(Math.min(layer.longest, GUTTER_MOST)) + 20;
}

const marksOf = (app, layer) => app.marks[layer.name] ?? new Set();

// Order, row height and bitmaps; remade when data, order or zoom change.
function prepare(app, panel) {
  const { view, shown } = app;
  const { layer } = panel;
  panel.order = ordering(app.items, layer, view, marksOf(app, layer));
  const fit = Math.floor(VIEW_HEIGHT / Math.max(1, panel.order.length));
  panel.rowHeight = Math.min(ROW_MOST, Math.max(1, fit) * view.zoom);
  panel.lanes = shown.classes.length > 1 && panel.rowHeight >= 3 * shown.classes.length;
  panel.bitmap = densityBitmap(layer, shown.classes, panel.order, panel.lanes, view.contrast);
  panel.zeros = zeroBitmap(layer, shown.classes, panel.order);
}

// Where a panel stands. Read for all panels before any is drawn: reading after a change would
// make the browser lay out the whole page each time.
const placeOf = ({ rows }) => ({ width: rows.clientWidth, scroll: rows.scrollTop });

function drawPanel(app, panel, place = placeOf(panel)) {
  if (!panel.bitmap) prepare(app, panel);
  const { layer, order, rowHeight, rows } = panel;
  const total = order.length * rowHeight;
  panel.viewHeight = Math.max(24, Math.min(VIEW_HEIGHT, total));
  const height = panel.viewHeight + AXIS_HEIGHT;
  rows.style.height = `${height}px`;
  panel.spacer.style.height = `${Math.max(0, total - panel.viewHeight)}px`;
  panel.width = place.width;
  if (!panel.width) return;
  panel.title.title = `${layer.name}, ${subtitle(panel)}`;
  panel.title.replaceChildren(layer.name, html("small", { textContent: `  ${subtitle(panel)}` }));
  panel.scroll = Math.max(0, Math.min(place.scroll, total - panel.viewHeight));
  paintRows(sized(panel.canvas, panel.width, height), app, panel);
  panel.canvas.setAttribute("aria-label", spokenTitle(app, panel));
  drawFocus(app, panel);
}

function subtitle({ layer, order }) {
  const reduction = layer.reduction === "value" ? "" : `, ${layer.reduction} over positions`;
  return `${order.length} of ${layer.units} neurons${reduction}`;
}

function spokenTitle(app, panel) {
  const names = app.shown.classes.map((item) => item.name).join(" and ") || "no class";
  const dots = app.shown.instances.map((item) => `image ${item.label}`).join(" and ") || "no image";
  return `Activation of ${panel.order.length} neurons of ${panel.layer.name}: distributions of ${names}; marks of ${dots}. The same numbers stand in the table below.`;
}

// The rows that the scroll position shows, with their axis below, at the origin of any context.
function paintRows(ctx, app, panel) {
  const { theme, shown } = app;
  const { layer, order, rowHeight, width, viewHeight, scroll } = panel;
  const total = order.length * rowHeight;
  const cols = columns(layer, width, gutterWidth(ctx, layer, theme));
  panel.cols = cols;
  drawAxis(ctx, layer, cols, viewHeight, theme);
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, 0, width, viewHeight);
  ctx.clip();
  ctx.imageSmoothingEnabled = false;
  if (order.length) {
    ctx.drawImage(panel.bitmap, cols.left, -scroll, cols.right - cols.left, total);
    if (cols.zeros && shown.classes.length) {
      ctx.drawImage(panel.zeros, cols.gutter, -scroll, ZERO_WIDTH, total);
      ctx.strokeStyle = theme.grid;
      ctx.strokeRect(cols.gutter - 0.5, -1, ZERO_WIDTH + 1, viewHeight + 2);
    }
  }
  const first = Math.floor(scroll / rowHeight);
  const last = Math.min(order.length, Math.ceil((scroll + viewHeight) / rowHeight));
  if (rowHeight >= 6) {
    ctx.fillStyle = theme.background;
    for (let row = first; row <= last; row++) ctx.fillRect(0, row * rowHeight - scroll - 0.5, width, 1);
  }
  for (let row = first; row < last; row++) {
    drawInstances(ctx, layer, shown.instances, order[row], cols, (row + 0.5) * rowHeight - scroll, rowHeight, theme);
  }
  drawLabels(ctx, app, panel, first, last);
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
}

// Numbers beside tall rows; beside thin rows those of marked units, spread out to be legible.
function drawLabels(ctx, app, panel, first, last) {
  const { theme } = app;
  const { layer, order, rowHeight, cols, scroll, viewHeight } = panel;
  const marks = marksOf(app, layer);
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.font = `11px ${theme.font}`;
  const x = cols.gutter - 9;
  if (rowHeight >= LABEL_STEP - 1) {
    for (let row = first; row < last; row++) {
      const y = (row + 0.5) * rowHeight - scroll;
      const marked = marks.has(order[row]);
      ctx.fillStyle = marked ? theme.accent : theme.faint;
      ctx.fillText(gutterName(ctx, layer, order[row]), x, y);
      if (marked) pointer(ctx, cols.gutter - 6, y, theme.accent);
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
  let floor = viewHeight - LABEL_STEP / 2;
  for (const place of places.toReversed()) {
    place.label = Math.min(place.label, floor);
    floor = place.label - LABEL_STEP;
    ctx.fillText(gutterName(ctx, layer, place.unit), x - 2, place.label);
    ctx.beginPath();
    ctx.moveTo(x, place.label);
    ctx.lineTo(cols.gutter - 2, place.y);
    ctx.lineTo(cols.gutter + (cols.zeros ? ZERO_WIDTH : 0), place.y);
    ctx.stroke();
  }
}

// Marked units in display order, as many as are magnified, and the row under the pointer.
function magnified(app, panel) {
  const { layer, order } = panel;
  const marked = ordering(app.items, layer, { ...app.view, show: "marked" }, marksOf(app, layer));
  const current = panel.cursor >= 0 ? order[panel.cursor] : undefined;
  return { marked, shown: marked.slice(0, FOCUS_MOST), current };
}

function drawFocus(app, panel) {
  const useful = panel.rowHeight < 16;
  panel.focusBox.classList.toggle("hidden", !useful);
  if (!useful) return;
  const { marked, shown } = magnified(app, panel);
  const left = marked.length - shown.length;
  panel.caption.textContent =
    shown.length
      ? `Magnified, with ${marked.length} marked${left ? ` (first ${shown.length} shown)` : ""}; ticks are medians`
      : "Magnified; ticks are medians; click a row to keep it here";
  panel.focusHeight = (shown.length + 1) * FOCUS_ROW + 6;
  paintFocus(sized(panel.focus, panel.width, panel.focusHeight), app, panel);
  panel.focus.setAttribute("aria-label", `Magnified rows of ${shown.length} marked neurons`);
}

// The row under the pointer and the marked rows, tall enough for lanes, medians and marks.
function paintFocus(ctx, app, panel) {
  const { theme } = app;
  const { layer, width, cols } = panel;
  const { shown, current } = magnified(app, panel);
  [current, ...shown].forEach((unit, at) => {
    const top = at * FOCUS_ROW + (at ? 6 : 0);
    if (!at) {
      ctx.lineWidth = 1;
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
    ctx.fillText(gutterName(ctx, layer, unit), cols.gutter - 9, top + FOCUS_ROW / 2);
    drawFocusRow(ctx, app, layer, unit, cols, top);
  });
}

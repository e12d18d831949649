// Drawing of a placed graph on any context, and of its legend.

const FAR = 0.55;
const HIDDEN_EDGE = 0.05;
const HIDDEN_UNIT = 0.16;
const SWATCH = [34, 14];

function paintGraph(ctx, app, place) {
  const { scene, theme, thing } = app;
  const lit = thing ? pathsThrough(scene, thing) : null;
  ctx.fillStyle = theme.background;
  ctx.fillRect(0, 0, place.width, place.height);
  paintHeads(ctx, app, place);
  const order = scene.edges.map((_, at) => at).sort((a, b) => scene.edges[a].weight - scene.edges[b].weight);
  const shown = lit ? [...order.filter((at) => !lit.edges.has(at)), ...order.filter((at) => lit.edges.has(at))] : order;
  for (const at of shown) {
    paintEdge(ctx, theme, scene.edges[at], place.paths[at], edgeStrength(scene, thing, lit, at));
  }
  scene.units.forEach((unit, at) => {
    ctx.globalAlpha = !lit || lit.units.has(at) ? 1 : HIDDEN_UNIT;
    paintUnit(ctx, app, unit, place.placed[at], at);
  });
  scene.units.forEach((unit, at) => {
    if (unit.label && (!lit || lit.units.has(at))) paintLabel(ctx, app, unit.label, place.placed[at]);
  });
  ctx.globalAlpha = 1;
  paintLanes(ctx, app, place);
}

// On a strip of the page's colour at the foot of the picture, over what stands below.
function paintLabel(ctx, { theme, place }, label, { x, y, side }) {
  ctx.globalAlpha = 1;
  ctx.font = `600 11px ${theme.font}`;
  const text = fitted(ctx, label, place.columnWidth - 6, true);
  const [wide, top] = [ctx.measureText(text).width + 6, y + side / 2 - 5];
  ctx.fillStyle = theme.background;
  ctx.fillRect(x - wide / 2, top, wide, 14);
  ctx.fillStyle = theme.text;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(text, x, top + 7.5);
}

// At rest the influence; on the paths through a thing all of it where it touches the thing.
function edgeStrength(scene, thing, lit, at) {
  const { weight, source, target } = scene.edges[at];
  if (!lit) return 0.15 + 0.5 * weight;
  if (!lit.edges.has(at)) return HIDDEN_EDGE;
  const touches = thing === `edge:${at}` || thing === `unit:${source}` || thing === `unit:${target}`;
  return touches ? 1 : FAR * (0.3 + 0.7 * weight);
}

function paintEdge(ctx, theme, edge, path, strength) {
  const curve = () => {
    ctx.beginPath();
    ctx.moveTo(path.x1, path.y1);
    ctx.bezierCurveTo(path.x1 + path.bend, path.y1, path.x2 - path.bend, path.y2, path.x2, path.y2);
    ctx.stroke();
  };
  ctx.globalAlpha = strength;
  if (edge.marked) {
    ctx.strokeStyle = theme.attacked;
    ctx.lineWidth = path.width + 3;
    curve();
  }
  ctx.strokeStyle = edge.faint ? theme.muted : edge.sign < 0 ? theme.lowers : theme.raises;
  ctx.lineWidth = path.width;
  ctx.setLineDash(edge.stable ? [] : [Math.max(4, 1.6 * path.width), Math.max(3, path.width)]);
  curve();
  ctx.setLineDash([]);
}

function paintUnit(ctx, app, unit, { x, y, side }, at) {
  const { theme, pictures, thing, cursor } = app;
  const picture = pictures[unit.picture];
  const alpha = ctx.globalAlpha;
  if (picture) {
    ctx.drawImage(picture, x - side / 2, y - side / 2, side, side);
  } else {
    ctx.fillStyle = theme.background;
    ctx.fillRect(x - side / 2, y - side / 2, side, side);
    ctx.fillStyle = theme.faint;
    ctx.font = `${Math.min(11, side * 0.5)}px ${theme.font}`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillText(unit.name, x, y);
  }
  const chosen = thing === `unit:${at}`;
  const [colour, width] = ring(app, unit, chosen || cursor === at);
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.strokeRect(x - side / 2 - width / 2, y - side / 2 - width / 2, side + width, side + width);
  if (unit.pair) paintPair(ctx, theme, unit.pair, x, y, side);
  ctx.globalAlpha = alpha;
}

function ring(app, unit, chosen) {
  const { theme, scene } = app;
  if (chosen) return [theme.benign, 3];
  if (unit.marked) return [theme.attacked, 2.5];
  if (unit.group >= 0) return [scene.groups[unit.group].colour, 2.5];
  if (unit.faint) return [theme.muted, 1.5];
  if (unit.sign) return [unit.sign < 0 ? theme.lowers : theme.raises, 2];
  return [theme.grid, 1];
}

// What the benign and the attacked image did to a unit, as two bars at its left edge.
function paintPair(ctx, theme, [benign, attacked], x, y, side) {
  [[benign, theme.benign], [attacked, theme.attacked]].forEach(([share, colour], at) => {
    const tall = Math.max(1.5, side * Math.min(1, share));
    ctx.fillStyle = theme.background;
    ctx.fillRect(x - side / 2 - 8 + 4 * at, y + side / 2 - tall - 1, 4, tall + 1);
    ctx.fillStyle = colour;
    ctx.fillRect(x - side / 2 - 8 + 4 * at, y + side / 2 - tall, 3, tall);
  });
}

function paintHeads(ctx, { theme, scene }, place) {
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.font = `11px ${theme.font}`;
  ctx.fillStyle = theme.faint;
  for (const { name, x } of place.heads) {
    halves(name).forEach((line, at, lines) => {
      const y = lines.length > 1 ? 10 + 13 * at : 17;
      ctx.fillText(fitted(ctx, line, place.columnWidth - 4), x, y);
    });
  }
}

// Names of lanes, over what runs through them, where the part begins that is in sight.
function paintLanes(ctx, { theme, scene }, place) {
  if (scene.bands.length < 2) return;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.lineWidth = 1;
  ctx.strokeStyle = theme.grid;
  ctx.font = `600 12px ${theme.font}`;
  for (const { name, top } of place.lanes) {
    ctx.beginPath();
    ctx.moveTo(0, top + 0.5);
    ctx.lineTo(place.width, top + 0.5);
    ctx.stroke();
    ctx.fillStyle = theme.background;
    ctx.fillRect(place.shift, top + 2, ctx.measureText(name).width + 6, 15);
    ctx.fillStyle = theme.text;
    ctx.fillText(name, place.shift + 2, top + 10);
  }
}

// A layer's name on two lines, cut where it has a joint nearest its middle.
function halves(name) {
  const joints = [...name].map((sign, at) => (/[._/-]/.test(sign) ? at : -1)).filter((at) => at > 0);
  if (name.length < 7 || !joints.length) return [name];
  const middle = name.length / 2;
  const cut = joints.reduce((best, at) => (Math.abs(at - middle) < Math.abs(best - middle) ? at : best));
  return [name.slice(0, cut), name.slice(cut + 1)];
}

// What does not fit is cut: of a layer's name the start, of words the end.
function fitted(ctx, text, width, words = false) {
  const cut = (length) => (words ? `${text.slice(0, length)}…` : `…${text.slice(-length)}`);
  if (ctx.measureText(text).width <= width) return text;
  let length = text.length;
  while (length > 1 && ctx.measureText(cut(length)).width > width) length -= 1;
  return cut(length);
}

// One entry of the legend: its swatch at the origin of any context, SWATCH large.
function paintSwatch(ctx, { theme }, { kind, colour }) {
  const [width, height] = SWATCH;
  const middle = height / 2;
  const line = (stroke, thick, dash = []) => {
    ctx.strokeStyle = stroke;
    ctx.lineWidth = thick;
    ctx.setLineDash(dash);
    ctx.beginPath();
    ctx.moveTo(0, middle);
    ctx.lineTo(width, middle);
    ctx.stroke();
    ctx.setLineDash([]);
  };
  const box = (stroke, x, side, thick) => {
    ctx.strokeStyle = stroke;
    ctx.lineWidth = thick;
    ctx.strokeRect(x + thick / 2, middle - side / 2 + thick / 2, side - thick, side - thick);
  };
  const strips = { raises: theme.raises, lowers: theme.lowers, faint: theme.muted, changed: theme.attacked };
  if (kind in strips) return line(strips[kind], kind === "changed" ? 6 : 4);
  if (kind === "dashed") return line(theme.raises, 2.5, [6, 4]);
  if (kind === "size") return [[0, 6], [8, 9], [20, 14]].forEach(([x, side]) => box(theme.faint, x, side, 1));
  if (kind === "group") return box(colour, 10, 14, 2.5);
  if (kind === "marked") return box(theme.attacked, 10, 14, 2.5);
  if (kind === "more" || kind === "less") return box(kind === "more" ? theme.raises : theme.lowers, 10, 14, 2);
  [[theme.benign, 8], [theme.attacked, 12]].forEach(([fill, tall], at) => {
    ctx.fillStyle = fill;
    ctx.fillRect(12 + 5 * at, height - tall - 1, 4, tall);
  });
}

// The picture with its heading and legend above it, for a file.
function pictureOf(app) {
  const { scene, theme } = app;
  const place = { ...app.place, shift: 0 };
  const ruler = document.createElement("canvas").getContext("2d");
  ruler.font = `12px ${theme.font}`;
  let [x, y] = [0, 24];
  const legend = scene.legend.map((item) => {
    const wide = SWATCH[0] + 24 + ruler.measureText(item.text).width;
    if (x && x + wide > place.width) [x, y] = [0, y + 20];
    const at = { item, x, y };
    x += wide;
    return at;
  });
  const top = y + 28;
  const paint = (ctx) => {
    ctx.fillStyle = theme.background;
    ctx.fillRect(0, 0, place.width, place.height + top);
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.font = `600 13px ${theme.font}`;
    ctx.fillStyle = theme.text;
    ctx.fillText(scene.title, 0, 11);
    for (const at of legend) {
      ctx.save();
      ctx.translate(at.x, at.y);
      paintSwatch(ctx, app, at.item);
      ctx.restore();
      ctx.font = `12px ${theme.font}`;
      ctx.textAlign = "left";
      ctx.textBaseline = "middle";
      ctx.fillStyle = theme.text;
      ctx.fillText(at.item.text, at.x + SWATCH[0] + 6, at.y + SWATCH[1] / 2);
    }
    ctx.save();
    ctx.translate(0, top);
    paintGraph(ctx, app, place);
    ctx.restore();
  };
  return { width: Math.ceil(place.width), height: Math.ceil(place.height + top), paint };
}

// Where everything of a graph stands, and what is under the pointer. Columns are layers.

const HEAD = 40;
const BAND_HEAD = 19;
const COLUMN_LEAST = 62;
const COLUMN_MOST = 190;
const ROW_LEAST = 27;
const ROW_MOST = 46;
const VIEW_HEIGHT = 510;
const SIDE_LEAST = 16;
const SIDE_MOST = 44;
const LABEL = 8; // of a name below a picture, what reaches beyond it
const REACH = 5;
const STEPS = 18;

// Places of all units and edges for a width; `narrow` where they need more and are scrolled.
function placeGraph(scene, width) {
  const { columns, bands, units, edges } = scene;
  const rows = bands.reduce((sum, band) => sum + band.rows, 0);
  const banded = bands.length > 1;
  const rowHeight = Math.min(ROW_MOST, Math.max(ROW_LEAST, VIEW_HEIGHT / Math.max(1, rows)));
  const columnWidth = Math.min(COLUMN_MOST, Math.max(COLUMN_LEAST, width / Math.max(1, columns.length)));
  const wide = Math.max(width, columnWidth * columns.length);
  const left = (wide - columnWidth * columns.length) / 2;
  const most = Math.min(rowHeight - 3, columnWidth * 0.62, SIDE_MOST);
  let top = HEAD;
  const lanes = bands.map((band) => {
    const lane = { name: band.name, top, head: banded ? BAND_HEAD : 0 };
    top += lane.head + band.rows * rowHeight;
    return lane;
  });
  const starts = [];
  bands.reduce((sum, band) => (starts.push(sum), sum + band.rows), 0);
  const placed = units.map((unit) => {
    const lane = lanes[unit.band];
    const room = most - (unit.label ? LABEL : 0);
    return {
      x: left + (unit.column + 0.5) * columnWidth,
      y: lane.top + lane.head + (unit.slot - starts[unit.band]) * rowHeight,
      side: SIDE_LEAST + (room - SIDE_LEAST) * Math.sqrt(unit.size), // an area tells the amount
    };
  });
  const paths = edges.map((edge) => {
    const [from, to] = [placed[edge.source], placed[edge.target]];
    const [x1, x2] = [from.x + from.side / 2, to.x - to.side / 2];
    const bend = Math.max(8, (x2 - x1) * 0.45);
    return { x1, y1: from.y, x2, y2: to.y, bend, width: 0.6 + 4 * edge.weight };
  });
  const heads = columns.map((name, at) => ({ name, x: left + (at + 0.5) * columnWidth }));
  return { width: wide, height: top + 8, columnWidth, rowHeight, lanes, placed, paths, heads };
}

function pointOn({ x1, y1, x2, y2, bend }, t) {
  const s = 1 - t;
  const [a, b, c, d] = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
  return [a * x1 + b * (x1 + bend) + c * (x2 - bend) + d * x2, (a + b) * y1 + (c + d) * y2];
}

// The unit, else the nearest edge, at a point: `unit:3`, `edge:7` or "".
function thingAt(place, x, y) {
  const unit = place.placed.findIndex((one) => {
    const half = Math.max(10, one.side / 2 + 1);
    return Math.abs(one.x - x) <= half && Math.abs(one.y - y) <= Math.min(half, place.rowHeight / 2);
  });
  if (unit >= 0) return `unit:${unit}`;
  let [best, least] = [-1, REACH];
  place.paths.forEach((path, at) => {
    if (x < path.x1 || x > path.x2) return;
    for (let step = 0; step <= STEPS; step += 1) {
      const [px, py] = pointOn(path, step / STEPS);
      const distance = Math.hypot(px - x, py - y) - path.width / 2;
      if (distance < least) [best, least] = [at, distance];
    }
  });
  return best < 0 ? "" : `edge:${best}`;
}

// Units and edges on the paths through a unit or an edge: what feeds it and what it feeds.
function pathsThrough(scene, thing) {
  const [kind, number] = thing.split(":");
  const edge = kind === "edge" ? scene.edges[number] : null;
  const units = new Set();
  const edges = new Set(edge ? [+number] : []);
  const walk = (start, from, to) => {
    const seen = new Set([start]);
    const queue = [start];
    while (queue.length) {
      const unit = queue.pop();
      units.add(unit);
      scene.edges.forEach((one, at) => {
        if (one[from] !== unit) return;
        edges.add(at);
        if (!seen.has(one[to])) queue.push(one[to]);
        seen.add(one[to]);
      });
    }
  };
  walk(edge ? edge.source : +number, "target", "source");
  walk(edge ? edge.target : +number, "source", "target");
  return { units, edges };
}

// The unit next to one in a direction: the nearest in height of the next column that has any.
function neighbour(scene, at, key) {
  const here = scene.units[at];
  const ordered = scene.units.map((unit, index) => ({ ...unit, index }));
  if (key === "ArrowUp" || key === "ArrowDown") {
    const column = ordered.filter((unit) => unit.column === here.column).sort((a, b) => a.slot - b.slot);
    const place = column.findIndex((unit) => unit.index === at) + (key === "ArrowUp" ? -1 : 1);
    return column[place]?.index ?? at;
  }
  const sign = key === "ArrowLeft" ? -1 : 1;
  const beyond = ordered.filter((unit) => sign * (unit.column - here.column) > 0);
  const reach = Math.min(...beyond.map((unit) => Math.abs(unit.column - here.column)));
  const next = beyond.filter((unit) => Math.abs(unit.column - here.column) === reach);
  next.sort((a, b) => Math.abs(a.slot - here.slot) - Math.abs(b.slot - here.slot));
  return next[0]?.index ?? at;
}

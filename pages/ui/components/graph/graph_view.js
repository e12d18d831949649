// The Concept Graph: units in columns of layers. Pointing isolates paths here at once; a click keeps
// a unit or an edge, and the server is told which.

export default function (component) {
  const root = component.parentElement;
  const app = (root.graphView ??= createApp(root));
  app.tell = (value) => component.setTriggerValue("pinned", value);
  const turn = (app.turn += 1);
  readScene(component.data).then((scene) => {
    if (turn === app.turn) app.receive(scene);
  });
  const observer = new ResizeObserver(() => {
    if (root.querySelector(".stage").clientWidth !== app.width) app.draw();
  });
  observer.observe(root.querySelector(".stage"));
  return () => observer.disconnect();
}

// The message of ndcore.figures.graph.scene: header, a sheet of all pictures, and what is kept.
async function readScene(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const lengths = new DataView(bytes.buffer, bytes.byteOffset);
  const middle = 8 + lengths.getUint32(0, true);
  const end = middle + lengths.getUint32(4, true);
  const read = (from, to) => JSON.parse(new TextDecoder().decode(bytes.subarray(from, to)));
  const scene = { ...read(8, middle), ...read(end), pictures: [] };
  if (end > middle) {
    const sheet = await createImageBitmap(new Blob([bytes.subarray(middle, end)]));
    const { cell, across } = scene.sheet;
    for (let at = 0; at < scene.sheet.count; at += 1) {
      const canvas = html("canvas", { width: cell, height: cell });
      const [col, row] = [at % across, Math.floor(at / across)];
      canvas.getContext("2d").drawImage(sheet, col * cell, row * cell, cell, cell, 0, 0, cell, cell);
      scene.pictures.push(canvas);
    }
  }
  return scene;
}

function createApp(root) {
  const find = (selector) => root.querySelector(selector);
  const canvas = find(".canvas");
  const app = { scene: null, pictures: [], stamp: -1, pinned: "", hovered: "", cursor: -1, thing: "", turn: 0 };

  app.receive = (scene) => {
    const other = scene.subject !== app.scene?.subject;
    app.scene = scene;
    app.pictures = scene.pictures;
    app.theme = readTheme(root, scene);
    if (other) [app.hovered, app.cursor] = ["", -1];
    // An answer to an older click must not undo a newer one.
    if (other || scene.stamp >= app.stamp) [app.stamp, app.kept] = [Math.max(app.stamp, scene.stamp), scene.pinned];
    app.pinned = thingOf(scene, app.kept);
    fillLegend();
    canvas.setAttribute("aria-label", `${scene.title}. ${scene.units.length} neurons in ${scene.columns.length} layers, ${scene.edges.length} edges. Arrow keys move from neuron to neuron, Enter keeps one, Escape lets go. The same numbers stand in the table below.`);
    app.draw();
    // Where it is wider than the page, what is nearest to the class is seen first.
    if (other) find(".scroller").scrollLeft = app.place?.width ?? 0;
  };

  app.draw = () => {
    if (!app.scene) return;
    const started = performance.now();
    app.width = find(".stage").clientWidth;
    if (!app.width) return;
    app.place = placeGraph(app.scene, app.width);
    app.place.shift = find(".scroller").scrollLeft;
    find(".sideways").classList.toggle("hidden", app.place.width <= app.width);
    app.thing = app.hovered || app.pinned;
    paintGraph(sized(canvas, app.place.width, app.place.height), app, app.place);
    performance.measure("graph-view", { start: started, end: performance.now() });
  };

  function fillLegend() {
    const items = app.scene.legend.map((item) => {
      const swatch = html("canvas");
      paintSwatch(sized(swatch, ...SWATCH), app, item);
      return html("span", { className: "item" }, swatch, item.text);
    });
    find(".legend").replaceChildren(...items);
  }

  function keep(thing) {
    app.pinned = thing === app.pinned ? "" : thing;
    app.stamp += 1;
    app.kept = nameOf(app.scene, app.pinned);
    app.draw();
    performance.mark("graph-pinned");
    app.tell({ stamp: app.stamp, pinned: app.kept });
  }

  function showTip(x, y) {
    const tip = find(".tip");
    const told = describe(app.scene, app.hovered);
    tip.classList.toggle("hidden", !told);
    if (!told) return;
    const rows = told.rows.map((cells) => html("tr", {}, ...cells.map((textContent) => html("td", { textContent }))));
    tip.replaceChildren(html("b", { textContent: told.title }), html("table", {}, ...rows));
    const room = find(".stage").clientWidth;
    const left = x + 18 + tip.offsetWidth > room ? x - 18 - tip.offsetWidth : x + 18;
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${y + 16}px`;
  }

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.onpointermove = (event) => {
    if (!app.place) return;
    const [x, y] = at(event);
    const thing = thingAt(app.place, x, y);
    if (thing !== app.hovered) {
      app.hovered = thing;
      app.cursor = -1;
      app.draw();
    }
    showTip(x - find(".scroller").scrollLeft, y);
  };
  canvas.onpointerleave = () => {
    app.hovered = "";
    app.draw();
    showTip(0, 0);
  };
  canvas.onclick = (event) => {
    // What is lit is what a click keeps: a click tells whole pixels, the pointer parts of them.
    const lit = app.cursor < 0 ? app.hovered : "";
    const thing = lit || thingAt(app.place, ...at(event));
    if (thing || app.pinned) keep(thing || app.pinned);
  };
  canvas.onblur = () => {
    [app.hovered, app.cursor] = ["", -1];
    app.draw();
    showTip(0, 0);
  };
  canvas.onkeydown = (event) => {
    if (!app.scene?.units.length) return;
    if (event.key.startsWith("Arrow")) {
      const [kind, number] = app.thing.split(":");
      const from = app.cursor >= 0 ? app.cursor : kind === "unit" ? +number : -1;
      app.cursor = from < 0 ? 0 : neighbour(app.scene, from, event.key);
      app.hovered = `unit:${app.cursor}`;
      app.draw();
      const { x, y } = app.place.placed[app.cursor];
      find(".scroller").scrollLeft = x - app.width / 2;
      showTip(x - find(".scroller").scrollLeft, y);
      const told = describe(app.scene, app.hovered);
      find(".spoken").textContent = [told.title, ...told.rows.map((cells) => cells.join(" "))].join("; ");
    } else if ((event.key === "Enter" || event.key === " ") && app.cursor >= 0) {
      keep(`unit:${app.cursor}`);
    } else if (event.key === "Escape" && app.pinned) {
      keep(app.pinned);
    } else {
      return;
    }
    event.preventDefault();
  };
  // Names of lanes stay in sight.
  find(".scroller").onscroll = () => app.scene?.bands.length > 1 && app.draw();
  find(".skip").onclick = () => canvas.focus({ focusVisible: true });
  for (const button of root.querySelectorAll("[data-save]")) {
    button.onclick = () => {
      const { width, height, paint } = pictureOf(app);
      savePicture(button.dataset.save, "concept-graph", width, height, paint);
    };
  }
  return app;
}

// Things are numbered here and named by their units for the server: `layer:unit`, or two with `>`.
function nameOf({ units, edges }, thing) {
  const [kind, number] = thing.split(":");
  if (kind === "unit") return units[number].key;
  return kind === "edge" ? `${units[edges[number].source].key}>${units[edges[number].target].key}` : "";
}

function thingOf(scene, name) {
  if (!name) return "";
  const unit = scene.units.findIndex(({ key }) => key === name);
  if (unit >= 0) return `unit:${unit}`;
  const edge = scene.edges.findIndex((_, at) => nameOf(scene, `edge:${at}`) === name);
  return edge >= 0 ? `edge:${edge}` : "";
}

function describe({ units, edges }, thing) {
  const [kind, number] = thing.split(":");
  if (kind === "unit") return { title: units[number].title, rows: units[number].told };
  if (kind !== "edge") return null;
  const { source, target, told } = edges[number];
  return { title: `${units[source].title} → ${units[target].title}`, rows: told };
}

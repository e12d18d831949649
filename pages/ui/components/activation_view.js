// The Activation view: toolbar, legend and one panel per layer. Sorting, filtering and marking
// happen here at once; the server is told afterwards, so that links and other pages agree.

const VIEW_HEIGHT = 512;
const ROW_MOST = 26;
const FOCUS_MOST = 12;
const TELL_AFTER_MS = 200;

const html = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};

export default function (component) {
  const root = component.parentElement;
  const app = (root.activationView ??= createApp(root));
  app.tell = (value) => component.setTriggerValue("changed", value);
  app.receive(decode(component.data));
  const observer = new ResizeObserver(() => app.draw());
  observer.observe(root.querySelector(".panels"));
  return () => observer.disconnect();
}

function createApp(root) {
  const find = (selector) => root.querySelector(selector);
  const app = { header: null, view: null, marks: {}, stamp: -1, zoom: 1, panels: [], timer: 0 };

  app.receive = (header) => {
    app.header = header;
    app.theme = readTheme(root, header);
    // An answer to an older click must not undo a newer one.
    if (header.stamp >= app.stamp) {
      app.stamp = header.stamp;
      app.view = { ...header.view };
      app.marks = {};
      for (const [layer, units] of Object.entries(header.marks)) app.marks[layer] = new Set(units);
    }
    fillToolbar();
    fillLegend();
    buildPanels();
    app.draw();
  };

  app.draw = () => {
    const started = performance.now();
    for (const panel of app.panels) drawPanel(app, panel);
    performance.measure("activation-view", { start: started, end: performance.now() });
  };

  app.changed = () => {
    app.stamp += 1;
    fillToolbar();
    for (const panel of app.panels) panel.bitmap = null;
    app.draw();
    clearTimeout(app.timer);
    app.timer = setTimeout(() => {
      const marks = {};
      for (const [layer, units] of Object.entries(app.marks)) if (units.size) marks[layer] = [...units];
      app.tell({ stamp: app.stamp, marks, view: app.view });
    }, TELL_AFTER_MS);
  };

  app.toggle = (layer, unit) => {
    const marks = (app.marks[layer] ??= new Set());
    if (!marks.delete(unit)) marks.add(unit);
    app.changed();
  };

  app.zoomBy = (factor) => {
    app.zoom = Math.min(32, Math.max(1, app.zoom * factor));
    for (const panel of app.panels) panel.bitmap = null;
    app.draw();
  };

  function items() {
    const { classes, instances } = app.header;
    return [
      ...classes.map((item) => ["class:" + item.name, `median of ${item.name}`]),
      ...instances.map((item) => [item.key, `${item.key} image`]),
    ];
  }

  function options(select, rows, chosen) {
    select.replaceChildren(...rows.map(([value, text]) => html("option", { value, textContent: text })));
    select.value = rows.some(([value]) => value === chosen) ? chosen : rows[0][0];
  }

  function fillToolbar() {
    const view = app.view;
    options(find(".sort"), [["index", "neuron number"], ...items()], view.sort);
    options(find(".minus"), [["", "nothing"], ...items()], view.minus);
    find(".minus").disabled = find(".sort").value === "index";
    const numbered = find(".sort").value === "index";
    const words = numbered ? ["↓ first to last", "↑ last to first"] : ["↓ high first", "↑ low first"];
    find(".order").textContent = words[view.descending ? 0 : 1];
    for (const button of root.querySelectorAll("[data-show]")) {
      button.setAttribute("aria-pressed", String(button.dataset.show === view.show));
      button.onclick = () => set({ show: button.dataset.show });
    }
    find(".clear").disabled = !Object.values(app.marks).some((units) => units.size);
  }

  function set(change) {
    Object.assign(app.view, change);
    app.changed();
  }

  function fillLegend() {
    const { classes, instances } = app.header;
    const item = (mark, text) => html("span", { className: "item" }, mark, text);
    const rows = classes.map(({ name, colour, n }) => {
      const ramp = html("span", { className: "ramp" });
      ramp.style.background = `linear-gradient(90deg, transparent, ${colour})`;
      return item(ramp, `${name}, ${n.toLocaleString("en")} images`);
    });
    for (const { key, label, colour } of instances) {
      const dot = html("span", { className: key === "attacked" ? "diamond" : "round" });
      dot.style.background = key === "attacked" ? colour : app.theme.benign;
      rows.push(item(dot, label));
    }
    const note = "more opaque = more images of the class; column “= 0” = share of images at exactly 0";
    rows.push(html("span", { className: "note", textContent: note }));
    find(".legend").replaceChildren(...rows);
  }

  function buildPanels() {
    const { layers } = app.header;
    const same = app.panels.length === layers.length &&
      app.panels.every((panel, at) => panel.layer.name === layers[at].name);
    if (!same) {
      app.panels = layers.map((layer) => createPanel(app, layer));
      find(".panels").replaceChildren(...app.panels.map((panel) => panel.element));
    }
    app.panels.forEach((panel, at) => {
      panel.layer = layers[at];
      panel.bitmap = null;
      panel.cursor = Math.min(panel.cursor, layers[at].units - 1);
    });
  }

  find(".sort").onchange = (event) => set({ sort: event.target.value });
  find(".minus").onchange = (event) => set({ minus: event.target.value });
  find(".order").onclick = () => set({ descending: !app.view.descending });
  find(".smaller").onclick = () => app.zoomBy(0.5);
  find(".taller").onclick = () => app.zoomBy(2);
  find(".clear").onclick = () => {
    app.marks = {};
    set({ show: "all" });
  };
  app.tip = find(".tip");
  app.spoken = find(".spoken");
  return app;
}

function readTheme(root, header) {
  const style = getComputedStyle(root.host ?? root);
  const get = (name, other) => style.getPropertyValue(name).trim() || other;
  const background = get("--st-background-color", "#ffffff");
  const probe = toCanvas(new ImageData(1, 1)).getContext("2d");
  probe.fillStyle = background;
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const dark = 0.3 * red + 0.59 * green + 0.11 * blue < 128;
  return {
    background,
    text: get("--st-text-color", dark ? "#fff" : "#000"),
    faint: dark ? "#9aa6b8" : "#5f6b7c",
    grid: dark ? "rgba(255,255,255,0.09)" : "rgba(0,0,0,0.08)",
    accent: get("--st-primary-color", "#3b5bdb"),
    benign: header.benign[dark ? "dark" : "light"],
    font: get("--st-font", "sans-serif"),
  };
}

function createPanel(app, layer) {
  const rows = html("div", { className: "rows", tabIndex: 0 });
  const canvas = html("canvas");
  const spacer = html("div");
  rows.append(canvas, spacer);
  const focus = html("canvas");
  const title = html("h4");
  const caption = html("div", { className: "caption" });
  const focusBox = html("div", { className: "focus" }, caption, focus);
  const element = html("div", { className: "panel" }, title, rows, focusBox);
  const panel = { layer, element, title, rows, canvas, spacer, focus, focusBox, caption, cursor: -1, bitmap: null };
  canvas.setAttribute("role", "img");
  focus.setAttribute("role", "img");
  const redraw = () => drawPanel(app, panel);
  const rowAt = (event) => {
    const y = event.clientY - canvas.getBoundingClientRect().top;
    if (y >= panel.viewHeight) return -1;
    return Math.floor((y + rows.scrollTop) / panel.rowHeight);
  };
  rows.onscroll = redraw;
  rows.onpointermove = (event) => {
    const row = rowAt(event);
    panel.cursor = row < panel.order.length ? row : -1;
    redraw();
    showTip(app, panel, event);
  };
  rows.onpointerleave = () => {
    panel.cursor = -1;
    redraw();
    app.tip.classList.add("hidden");
  };
  rows.onclick = (event) => {
    const row = rowAt(event);
    if (row >= 0 && row < panel.order.length) app.toggle(panel.layer.name, panel.order[row]);
  };
  rows.onwheel = (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    app.zoomBy(event.deltaY < 0 ? 2 : 0.5);
  };
  rows.onkeydown = (event) => onKey(app, panel, event);
  return panel;
}

function onKey(app, panel, event) {
  const last = panel.order.length - 1;
  const page = Math.max(1, Math.floor(panel.viewHeight / panel.rowHeight) - 1);
  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e6, End: 1e6 };
  if (event.key in moves) {
    panel.cursor = Math.min(last, Math.max(0, panel.cursor + moves[event.key]));
    const top = panel.cursor * panel.rowHeight;
    if (top < panel.rows.scrollTop) panel.rows.scrollTop = top;
    const bottom = top + panel.rowHeight - panel.viewHeight;
    if (bottom > panel.rows.scrollTop) panel.rows.scrollTop = bottom;
    drawPanel(app, panel);
    app.spoken.textContent = describe(app, panel, panel.order[panel.cursor]).map((row) => row.join(" ")).join("; ");
  } else if ((event.key === "Enter" || event.key === " ") && panel.cursor >= 0) {
    app.toggle(panel.layer.name, panel.order[panel.cursor]);
  } else if (event.key === "+" || event.key === "=") {
    app.zoomBy(2);
  } else if (event.key === "-") {
    app.zoomBy(0.5);
  } else {
    return;
  }
  event.preventDefault();
}

const unitName = (layer, unit) => (layer.names.length ? `${layer.names[unit]}` : `${unit}`);

// Rows of the tooltip: name, value, share of zeros.
function describe(app, panel, unit) {
  const { header } = app;
  const { layer } = panel;
  const number = (value) => (Math.abs(value) >= 100 ? value.toFixed(1) : value.toFixed(3));
  const rows = [["", "median", "= 0"]];
  header.classes.forEach((item, k) => {
    const zero = (100 * layer.zero[k * layer.units + unit]) / 255;
    rows.push([item.name, number(layer.medians[k * layer.units + unit]), `${zero.toFixed(0)}%`]);
  });
  header.instances.forEach((item, row) => {
    rows.push([`${item.key} image`, number(layer.values[row * layer.units + unit]), ""]);
  });
  return rows;
}

function showTip(app, panel, event) {
  const { tip, header } = app;
  if (panel.cursor < 0) return tip.classList.add("hidden");
  const unit = panel.order[panel.cursor];
  const marked = app.marks[panel.layer.name]?.has(unit);
  const colours = [null, ...header.classes.map((c) => c.colour),
    ...header.instances.map((i) => (i.key === "attacked" ? i.colour : app.theme.benign))];
  const lines = describe(app, panel, unit).map((cells, at) => {
    const line = html("tr", { className: at ? "" : "head" });
    cells.forEach((text, column) => {
      const cell = html("td");
      if (at && !column) {
        const swatch = html("span", { className: "swatch" });
        swatch.style.background = colours[at];
        cell.append(swatch);
      }
      cell.append(text);
      line.append(cell);
    });
    return line;
  });
  const place = `row ${panel.cursor + 1} of ${panel.order.length}`;
  tip.replaceChildren(
    html("b", { textContent: `${panel.layer.name} · neuron ${unitName(panel.layer, unit)} (${place})` }),
    html("table", {}, ...lines),
    html("div", { className: "caption", textContent: marked ? "click: remove the mark" : "click: mark" }),
  );
  tip.classList.remove("hidden");
  const box = tip.offsetParent.getBoundingClientRect();
  const x = event.clientX - box.left;
  const left = x + 18 + tip.offsetWidth > box.width ? x - 18 - tip.offsetWidth : x + 18;
  tip.style.left = `${Math.max(0, left)}px`;
  tip.style.top = `${event.clientY - box.top + 14}px`;
}

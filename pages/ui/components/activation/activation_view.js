// The Activation view: toolbar, legend and one panel per layer. Sorting, hiding, recolouring and
// marking happen here at once; the server is told afterwards, so that links and pages agree.

const TELL_AFTER_MS = 200;
const ZOOM_MOST = 32;

// What was last done here: it outlives the picture, which may be taken away and put back.
const latest = { view: null, marks: {}, stamp: -1 };

export default function (component) {
  const root = component.parentElement;
  const app = (root.activationView ??= createApp(root));
  app.tell = (value) => component.setTriggerValue("changed", value);
  const turn = (app.turn += 1);
  inflate(component.data).then((buffer) => {
    if (turn === app.turn) app.receive(decode(buffer));
  });
  const panels = app.find(".panels");
  const observer = new ResizeObserver(() => {
    if (panels.clientWidth !== app.width) app.draw();
  });
  observer.observe(panels);
  return () => observer.disconnect();
}

function createApp(root) {
  const find = (selector) => root.querySelector(selector);
  const app = { find, ...latest, header: null, turn: 0, panels: [], timer: 0 };

  app.receive = (header) => {
    app.header = header;
    app.items = sortItems(header);
    app.theme = readTheme(root, header);
    // An answer to an older click must not undo a newer one.
    if (header.stamp >= app.stamp) {
      app.stamp = header.stamp;
      app.view = { ...header.view };
      app.marks = {};
      for (const [layer, units] of Object.entries(header.marks)) app.marks[layer] = new Set(units);
    }
    fillOrders();
    refresh();
    buildPanels();
    app.draw();
  };

  app.draw = () => {
    if (!app.header) return;
    const started = performance.now();
    const places = app.panels.map(placeOf);
    app.panels.forEach((panel, at) => drawPanel(app, panel, places[at]));
    app.width = find(".panels").clientWidth;
    performance.measure("activation-view", { start: started, end: performance.now() });
  };

  // What of the header is switched on, each with its row in the arrays.
  function refresh() {
    const { classes, instances } = app.header;
    const on = (key) => !app.view.hidden.includes(key);
    const placed = (items) => items.map((item, row) => ({ ...item, row }));
    app.shown = {
      classes: placed(classes).filter(({ name }) => on(`class:${name}`)),
      instances: placed(instances).filter(({ key }) => on(key)),
    };
    fillToolbar();
    fillLegend();
  }

  app.changed = () => {
    app.stamp += 1;
    Object.assign(latest, { view: app.view, marks: app.marks, stamp: app.stamp });
    refresh();
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
    const zoom = Math.min(ZOOM_MOST, Math.max(1, app.view.zoom * factor));
    if (zoom !== app.view.zoom) set({ zoom });
  };

  function set(change) {
    Object.assign(app.view, change);
    app.changed();
  }

  // The choices of both lists depend on what the server sent, not on what is switched off here.
  function fillOrders() {
    const option = ({ key, text }) => html("option", { value: key, textContent: text });
    const grouped = (items) => {
      const groups = new Map();
      for (const item of items) groups.set(item.group, [...(groups.get(item.group) ?? []), item]);
      return [...groups].map(([label, members]) => html("optgroup", { label }, ...members.map(option)));
    };
    find(".sort").replaceChildren(option({ key: "index", text: "neuron number" }), ...grouped(app.items));
    const plain = app.items.filter((item) => item.plain);
    find(".minus").replaceChildren(option({ key: "", text: "nothing" }), ...grouped(plain));
  }

  function choose(select, key) {
    select.value = key;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  }

  function fillToolbar() {
    const { view } = app;
    choose(find(".sort"), view.sort);
    choose(find(".minus"), view.minus);
    const item = app.items.find(({ key }) => key === find(".sort").value);
    find(".minus").disabled = !item?.plain;
    if (!item?.plain) find(".minus").selectedIndex = 0;
    const words = item ? ["↓ high first", "↑ low first"] : ["↓ first to last", "↑ last to first"];
    find(".order").textContent = words[view.descending ? 0 : 1];
    find(".contrast").value = view.contrast;
    for (const button of root.querySelectorAll("[data-show]")) {
      button.setAttribute("aria-pressed", String(button.dataset.show === view.show));
      button.onclick = () => set({ show: button.dataset.show });
    }
    find(".smaller").disabled = view.zoom <= 1;
    find(".taller").disabled = view.zoom >= ZOOM_MOST;
    find(".clear").disabled = !Object.values(app.marks).some((units) => units.size);
  }

  function fillLegend() {
    const { classes, instances } = app.header;
    const entry = (key, mark, text) => {
      const on = !app.view.hidden.includes(key);
      const button = html("button", { type: "button", className: "item", title: on ? "Click to hide" : "Click to show" }, mark, text);
      button.setAttribute("aria-pressed", String(on));
      button.onclick = () =>
        set({ hidden: on ? [...app.view.hidden, key] : app.view.hidden.filter((one) => one !== key) });
      return button;
    };
    const rows = classes.map(({ name, colour, n }) => {
      const ramp = html("span", { className: "ramp" });
      ramp.style.background = `linear-gradient(90deg, transparent, ${colour})`;
      return entry(`class:${name}`, ramp, `${name}, ${n.toLocaleString("en")} images`);
    });
    rows.push(...instances.map((item) => entry(item.key, swatch(item, app.theme), item.label)));
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

  find(".skip").onclick = () => find(".rows")?.focus({ focusVisible: true });
  find(".sort").onchange = (event) => set({ sort: event.target.value });
  find(".minus").onchange = (event) => set({ minus: event.target.value });
  find(".contrast").onchange = (event) => set({ contrast: event.target.value });
  find(".order").onclick = () => set({ descending: !app.view.descending });
  find(".smaller").onclick = () => app.zoomBy(0.5);
  find(".taller").onclick = () => app.zoomBy(2);
  find(".clear").onclick = () => {
    app.marks = {};
    set({ show: "all" });
  };
  for (const button of root.querySelectorAll("[data-save]")) {
    button.onclick = () => exportPicture(app, button.dataset.save);
  }
  app.tip = find(".tip");
  app.spoken = find(".spoken");
  return app;
}

function createPanel(app, layer) {
  const rows = html("div", { className: "rows", tabIndex: 0 });
  // An application gets the arrow keys from a screen reader, too.
  rows.setAttribute("role", "application");
  rows.setAttribute("aria-label", `Neurons of ${layer.name}: arrow keys move, Enter marks, plus and minus change the height of the rows`);
  const canvas = html("canvas");
  const spacer = html("div");
  rows.append(canvas, spacer);
  const focus = html("canvas");
  const title = html("h2");
  const caption = html("div", { className: "caption" });
  const focusBox = html("div", { className: "focus" }, caption, focus);
  const element = html("div", { className: "panel" }, title, rows, focusBox);
  const panel = { layer, element, title, rows, canvas, spacer, focus, focusBox, caption, cursor: -1, bitmap: null };
  canvas.setAttribute("role", "img");
  focus.setAttribute("role", "img");
  const redraw = () => drawPanel(app, panel);
  const rowAt = (event) => {
    // Whole pixels: a click has no others, and it must find the row that the pointer named.
    const y = Math.floor(event.clientY) - Math.round(canvas.getBoundingClientRect().top);
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
  rows.onfocus = () => {
    if (panel.cursor >= 0 || !panel.order.length || !rows.matches(":focus-visible")) return;
    panel.cursor = Math.floor(rows.scrollTop / panel.rowHeight);
    redraw();
    speak(app, panel);
  };
  rows.onblur = rows.onpointerleave;
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
  if (event.key in moves && last >= 0) {
    panel.cursor = Math.min(last, Math.max(0, panel.cursor + moves[event.key]));
    const top = panel.cursor * panel.rowHeight;
    if (top < panel.rows.scrollTop) panel.rows.scrollTop = top;
    const bottom = top + panel.rowHeight - panel.viewHeight;
    if (bottom > panel.rows.scrollTop) panel.rows.scrollTop = bottom;
    drawPanel(app, panel);
    speak(app, panel);
  } else if ((event.key === "Enter" || event.key === " ") && panel.cursor >= 0) {
    app.toggle(panel.layer.name, panel.order[panel.cursor]);
    if (panel.cursor < panel.order.length) speak(app, panel);
  } else if (event.key === "+" || event.key === "=") {
    app.zoomBy(2);
  } else if (event.key === "-") {
    app.zoomBy(0.5);
  } else {
    return;
  }
  event.preventDefault();
}

// What a row says in numbers: for the pointer as a small table, for a screen reader as words.

const TIP_IMAGES = 4;

const short = (value) => (Math.abs(value) >= 100 ? value.toFixed(1) : value.toFixed(3));
const share = (value) => `${((100 * value) / 65535).toFixed(value > 655 && value < 64880 ? 0 : 1)}%`;

// Head, then one line per class, then one per image: texts of cells, and the item of the line.
function describe(app, layer, unit) {
  const { header, shown } = app;
  const count = header.classes.length;
  const images = shown.instances.slice(0, TIP_IMAGES);
  const head = ["", "n", "= 0", ...header.quantiles.map((q) => (q === 0.5 ? "median" : `${100 * q}%`))];
  const lines = [{ cells: head }];
  for (const item of shown.classes) {
    const at = item.row * layer.units + unit;
    const quantiles = header.quantiles.map((_, q) => short(layer.quantiles[q * count * layer.units + at]));
    lines.push({ item, cells: [item.name, item.n.toLocaleString("en"), share(layer.zero[at]), ...quantiles] });
  }
  for (const item of images) {
    const value = short(layer.values[item.row * layer.units + unit]);
    const ranks = shown.classes.slice(0, TIP_IMAGES).map((one) => {
      const rank = layer.rank[(item.row * count + one.row) * layer.units + unit];
      return `above ${share(rank)} of ${one.name}`;
    });
    lines.push({ item, cells: [item.label, value], note: ranks.join(", ") });
  }
  return lines;
}

function speak(app, panel) {
  const unit = panel.order[panel.cursor];
  const [head, ...lines] = describe(app, panel.layer, unit);
  const words = lines.map(({ item, cells, note }) => {
    if (note !== undefined) return [cells.join(" "), note].filter(Boolean).join(", ");
    return [item.name, ...cells.slice(1).map((text, at) => `${head.cells[at + 1]} ${text}`)].join(", ");
  });
  const marked = marksOf(app, panel.layer).has(unit) ? "marked; " : "";
  app.spoken.textContent = `neuron ${unitName(panel.layer, unit)}; ${marked}${words.join("; ")}`;
}

function swatch(item, theme) {
  const mark = html("span", { className: item.shape ? `swatch ${item.shape}` : "swatch" });
  mark.style.setProperty("--mark", colourOf(item, theme));
  return mark;
}

function showTip(app, panel, event) {
  const { tip } = app;
  if (panel.cursor < 0) return tip.classList.add("hidden");
  const unit = panel.order[panel.cursor];
  const lines = describe(app, panel.layer, unit);
  const width = lines[0].cells.length;
  const rows = lines.map(({ item, cells, note }, at) => {
    const line = html("tr", { className: at ? "" : "head" });
    cells.forEach((text, column) => {
      const cell = html("td");
      if (item && !column) cell.append(swatch(item, app.theme));
      cell.append(text);
      line.append(cell);
    });
    if (note !== undefined) line.append(html("td", { colSpan: width - 2, className: "ranks", textContent: note }));
    return line;
  });
  const marked = marksOf(app, panel.layer).has(unit);
  const place = `row ${panel.cursor + 1} of ${panel.order.length}`;
  tip.replaceChildren(
    html("b", { textContent: `${panel.layer.name} · neuron ${unitName(panel.layer, unit)} (${place})` }),
    html("table", {}, ...rows),
    html("div", { className: "caption", textContent: marked ? "click: remove the mark" : "click: mark" }),
  );
  tip.classList.remove("hidden");
  const box = tip.offsetParent.getBoundingClientRect();
  const x = event.clientX - box.left;
  const left = x + 18 + tip.offsetWidth > box.width ? x - 18 - tip.offsetWidth : x + 18;
  tip.style.left = `${Math.max(0, left)}px`;
  const below = event.clientY + 14 + tip.offsetHeight < window.innerHeight;
  const down = below ? 14 : -14 - tip.offsetHeight;
  tip.style.top = `${event.clientY - box.top + down}px`;
}

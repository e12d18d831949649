// The picture that is on show as a file: PNG from a canvas, SVG from the same drawing calls.

const LEGEND_LINE = 20;
const TITLE_LINE = 24;

// Where everything stands: the panels as on the page, the legend above them.
function layout(app, ruler) {
  const origin = app.find(".panels").getBoundingClientRect();
  const width = Math.ceil(origin.width);
  ruler.font = `12px ${app.theme.font}`;
  let [x, y] = [0, 0];
  const legend = [...app.shown.classes, ...app.shown.instances].map((item) => {
    const text = item.shape ? item.label : `${item.name}, ${item.n.toLocaleString("en")} images`;
    const wide = ruler.measureText(text).width + 70;
    if (x && x + wide > width) [x, y] = [0, y + LEGEND_LINE];
    const place = { item, text, x, y };
    x += wide;
    return place;
  });
  const top = y + LEGEND_LINE + 8;
  const panels = app.panels.map((panel) => {
    const box = panel.element.getBoundingClientRect();
    return { panel, x: box.left - origin.left, y: top + box.top - origin.top };
  });
  return { width, height: Math.ceil(top + origin.height), legend, panels };
}

function paintPicture(ctx, app, { width, height, legend, panels }) {
  const { theme } = app;
  ctx.fillStyle = theme.background;
  ctx.fillRect(0, 0, width, height);
  for (const { item, text, x, y } of legend) {
    const middle = y + LEGEND_LINE / 2;
    if (item.shape) {
      drawMark(ctx, x + 36, middle, 4.5, item, theme, false);
    } else {
      ctx.fillStyle = item.colour;
      for (let step = 0; step < 7; step++) {
        ctx.globalAlpha = (step + 1) / 7;
        ctx.fillRect(x + 6 * step, middle - 5, 6, 10);
      }
      ctx.globalAlpha = 1;
    }
    ctx.font = `12px ${theme.font}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillStyle = theme.text;
    ctx.fillText(text, x + 48, middle);
  }
  for (const { panel, x, y } of panels) {
    ctx.save();
    ctx.translate(x, y);
    ctx.font = `600 13px ${theme.font}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillStyle = theme.text;
    ctx.fillText(`${panel.layer.name}, ${subtitle(panel)}`, 0, TITLE_LINE / 2);
    ctx.translate(0, TITLE_LINE);
    const cursor = panel.cursor;
    panel.cursor = -1;
    paintRows(ctx, app, panel);
    if (panel.rowHeight < 16 && magnified(app, panel).shown.length) {
      ctx.translate(0, panel.viewHeight + AXIS_HEIGHT);
      paintFocus(ctx, app, panel);
    }
    panel.cursor = cursor;
    ctx.restore();
  }
}

function exportPicture(app, kind) {
  const place = layout(app, document.createElement("canvas").getContext("2d"));
  savePicture(kind, "activations", place.width, place.height, (ctx) => paintPicture(ctx, app, place));
}

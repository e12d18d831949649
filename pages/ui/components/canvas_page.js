// What canvases of a page share: elements, sharp pixels, and the colours of the page.

const html = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};

function toCanvas(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

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

function readTheme(root, header) {
  const style = getComputedStyle(root.host ?? root);
  const get = (name) => style.getPropertyValue(name).trim();
  const background = get("--st-background-color");
  const probe = toCanvas(new ImageData(1, 1)).getContext("2d");
  probe.fillStyle = background;
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const dark = 0.3 * red + 0.59 * green + 0.11 * blue < 128;
  return {
    background,
    text: get("--st-text-color"),
    accent: get("--st-primary-color"),
    font: get("--st-font"),
    ...header.looks[dark ? "dark" : "light"],
  };
}

// The pixel view: an enlarged image whose pixels can be pointed at, picked and given a colour.
// The pick shows here at once; the server is told, and answers with what the model says to it.

const BIT = (value) => value.toString(16).padStart(2, "0");

export default function (component) {
  const root = component.parentElement;
  const app = (root.pixelView ??= createApp(root));
  app.tell = (value) => component.setTriggerValue("picked", value);
  app.receive(read(component.data));
  const observer = new ResizeObserver(() => app.draw());
  observer.observe(root.querySelector(".stage"));
  return () => observer.disconnect();
}

function read(message) {
  const bytes = message instanceof Uint8Array ? message : new Uint8Array(message);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return { ...header, rgba: new Uint8ClampedArray(bytes.slice(4 + length)) };
}

function createApp(root) {
  const find = (selector) => root.querySelector(selector);
  const canvas = find(".picture");
  const app = { data: null, stamp: 0, changes: [], colour: "", cursor: null, pointer: null };

  app.receive = (data) => {
    const other = data.subject !== app.data?.subject;
    app.data = data;
    // An answer to an older pick must not undo a newer one.
    if (other || data.stamp >= app.stamp) {
      app.stamp = data.stamp;
      app.changes = data.changes;
      app.colour = data.colour;
      if (data.cursor || other) app.cursor = data.cursor;
    }
    canvas.setAttribute("aria-label", data.label);
    fillColours();
    app.draw();
  };

  app.draw = () => {
    const { height, width, rgba, dots, pictured } = app.data;
    const across = canvas.clientWidth;
    if (!across) return;
    const scale = window.devicePixelRatio || 1;
    const cell = (across * scale) / width;
    canvas.width = Math.round(across * scale);
    canvas.height = Math.round(cell * height);
    const small = document.createElement("canvas");
    small.width = width;
    small.height = height;
    small.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    hatchUntried(context, cell, scale);
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    context.fillStyle = app.data.frame[0];
    for (const [row, col] of dots) {
      context.beginPath();
      context.arc((col + 0.5) * cell, (row + 0.5) * cell, Math.max(1, cell * 0.16), 0, 7);
      context.fill();
    }
    for (const [row, col, colour] of app.changes) {
      if (pictured) {
        context.fillStyle = colour;
        context.fillRect(col * cell, row * cell, cell, cell);
      }
      frame(context, row, col, cell, scale, []);
    }
    const at = app.pointer ?? (root.activeElement === canvas || canvas.matches(":focus") ? app.cursor : null);
    if (at) frame(context, at[0], at[1], cell, scale, [3 * scale, 3 * scale]);
  };

  function hatchUntried(context, cell, scale) {
    const { height, width, rgba } = app.data;
    context.strokeStyle = app.data.hatch;
    context.lineWidth = scale;
    context.beginPath();
    for (let at = 0; at < height * width; at += 1) {
      if (rgba[4 * at + 3]) continue;
      const x = (at % width) * cell;
      const y = Math.floor(at / width) * cell;
      context.moveTo(x, y + cell);
      context.lineTo(x + cell, y);
    }
    context.stroke();
  }

  // White on black, so that it shows on any colour.
  function frame(context, row, col, cell, scale, dash) {
    const [outside, inside] = app.data.frame;
    for (const [colour, width, dashes] of [[outside, 4, []], [inside, 2, dash]]) {
      context.setLineDash(dashes);
      context.strokeStyle = colour;
      context.lineWidth = width * scale;
      context.strokeRect(col * cell - scale, row * cell - scale, cell + 2 * scale, cell + 2 * scale);
    }
    context.setLineDash([]);
  }

  function fillColours() {
    const box = find(".colours");
    const grey = app.data.channels === 1;
    if (box.childElementCount === 0) {
      for (const [colour, name] of Object.entries(app.data.corners)) {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.colour = colour;
        button.title = name;
        button.setAttribute("aria-label", name);
        button.style.background = colour;
        button.onclick = () => setColour(colour);
        box.append(button);
      }
      const input = document.createElement("input");
      input.type = grey ? "range" : "color";
      if (grey) Object.assign(input, { min: 0, max: 255, step: 1 });
      input.onchange = () => setColour(grey ? "#" + BIT(+input.value).repeat(3) : input.value);
      const label = document.createElement("label");
      label.append(grey ? "grey " : "any colour ", input);
      box.append(label);
    }
    for (const button of box.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.colour === app.colour));
    }
    const input = box.querySelector("input");
    input.value = grey ? parseInt(app.colour.slice(1, 3), 16) : app.colour;
  }

  function send(by, value) {
    app.stamp += 1;
    app.tell({ by, stamp: app.stamp, colour: app.colour, ...value });
  }

  function setColour(colour) {
    app.colour = colour;
    const last = app.changes.at(-1);
    if (last) app.changes = [...app.changes.slice(0, -1), [last[0], last[1], colour]];
    fillColours();
    app.draw();
    send("colour", {});
  }

  function pick([row, col]) {
    app.cursor = [row, col];
    const others = app.changes.filter(([r, c]) => r !== row || c !== col);
    app.changes = [...(app.data.several ? others : []), [row, col, app.colour]];
    app.draw();
    performance.mark("pixel-picked");
    send("pixel", { row, col });
  }

  function describe([row, col]) {
    const { width, rgba, tips } = app.data;
    const at = row * width + col;
    const colour = app.data.pictured ? `colour ${[...rgba.slice(4 * at, 4 * at + 3)].join(", ")}` : "";
    return [`row ${row}, column ${col}`, tips[at] ?? colour];
  }

  function showTip(at) {
    const tip = find(".tip");
    tip.classList.toggle("hidden", !at);
    if (!at) return;
    const [head, text] = describe(at);
    const title = document.createElement("b");
    title.textContent = head;
    tip.replaceChildren(title, text);
    const cell = canvas.clientWidth / app.data.width;
    const x = (at[1] + 0.5) * cell;
    const right = x < canvas.clientWidth / 2;
    tip.style.left = right ? `${x + 16}px` : "";
    tip.style.right = right ? "" : `${canvas.clientWidth - x + 16}px`;
    tip.style.top = `${Math.min((at[0] + 1) * cell, canvas.clientHeight - 20)}px`;
  }

  function pixelAt(event) {
    const box = canvas.getBoundingClientRect();
    const { height, width } = app.data;
    const row = Math.floor(((event.clientY - box.top) / box.height) * height);
    const col = Math.floor(((event.clientX - box.left) / box.width) * width);
    return [Math.min(height - 1, Math.max(0, row)), Math.min(width - 1, Math.max(0, col))];
  }

  canvas.onpointermove = (event) => {
    app.pointer = pixelAt(event);
    app.draw();
    showTip(app.pointer);
  };
  canvas.onpointerleave = () => {
    app.pointer = null;
    app.draw();
    showTip(null);
  };
  canvas.onclick = (event) => pick(pixelAt(event));
  canvas.onfocus = canvas.onblur = () => app.draw();
  canvas.onkeydown = (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const { height, width } = app.data;
    app.cursor ??= [Math.floor(height / 2), Math.floor(width / 2)];
    if (event.key in moves) {
      const [down, right] = moves[event.key];
      app.cursor = [
        Math.min(height - 1, Math.max(0, app.cursor[0] + down)),
        Math.min(width - 1, Math.max(0, app.cursor[1] + right)),
      ];
      app.pointer = null;
      app.draw();
      find(".spoken").textContent = describe(app.cursor).join(": ");
    } else if (event.key === "Enter" || event.key === " ") {
      pick(app.cursor);
    } else {
      return;
    }
    event.preventDefault();
  };
  return app;
}

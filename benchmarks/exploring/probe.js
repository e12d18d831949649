// What `bench explorer` does and measures inside a page; times in milliseconds.
(() => {
  const PATIENCE_MS = 120_000;
  const QUIET_MS = 400;
  const MEASURE = "activation-view";

  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const idle = () => document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]') !== null;
  const draws = (since) => performance.getEntriesByName(MEASURE).filter((entry) => entry.startTime >= since);

  async function until(reached, what) {
    const end = performance.now() + PATIENCE_MS;
    while (!reached()) {
      if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
      await frame();
    }
  }

  // Idle, and idle again after the time in which a late answer would have set the app to work.
  async function rest() {
    for (let since = performance.now(); performance.now() - since < QUIET_MS; ) {
      await frame();
      if (!idle()) since = performance.now();
    }
  }

  // Looks through shadow roots as well, in which components live.
  function find(selector, root = document) {
    const found = root?.querySelector(selector);
    if (found || !root) return found;
    for (const element of root.querySelectorAll("*")) {
      const inner = element.shadowRoot && find(selector, element.shadowRoot);
      if (inner) return inner;
    }
    return null;
  }

  const view = () => find("select.sort", document.querySelector(".st-key-activation_canvas"))?.getRootNode();
  const offers = (name) => [...(view()?.querySelector("select.sort").options ?? [])].some((item) => item.value === `class:${name}`);
  const panels = () => [...view().querySelectorAll(".rows")];

  // Until `count` panels are drawn and the app rests; the time since the page was asked for.
  async function opened(count) {
    await until(() => idle() && view() && panels().length === count && draws(0).length > 0, `${count} drawn layers`);
    return performance.now();
  }

  function pill(name) {
    const pills = [...document.querySelectorAll(".st-key-pills_classes button")];
    return pills.find((button) => button.textContent.trim() === name);
  }

  // A click on a class's pill until the view shows the change and the server rests.
  async function pick(name) {
    const before = offers(name);
    const start = performance.now();
    pill(name).click();
    await until(() => offers(name) !== before && draws(start).length > 0 && idle(), `class ${name}`);
    return performance.now() - start;
  }

  // An action in the view until the frame that shows it has ended, and what of it was drawing.
  async function timed(act) {
    const start = performance.now();
    act();
    await frame();
    await frame();
    const end = performance.now();
    const drawn = draws(start).filter((entry) => entry.startTime <= end);
    if (!drawn.length) throw new Error("the view did not redraw");
    return { frame: end - start, draw: drawn.reduce((sum, entry) => sum + entry.duration, 0) };
  }

  const orders = () => [...view().querySelector("select.sort").options].map((item) => item.value);

  function sort(order) {
    const select = view().querySelector("select.sort");
    return timed(() => {
      select.value = order;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  const show = (what) => timed(() => view().querySelector(`[data-show=${what}]`).click());

  async function taller(times) {
    for (let i = 0; i < times; i++) {
      view().querySelector(".taller").click();
      await frame();
    }
  }

  function scroller(element) {
    for (let at = element; at; at = at.parentElement ?? at.getRootNode().host) {
      const scrolls = ["auto", "scroll"].includes(getComputedStyle(at).overflowY);
      if (scrolls && at.scrollHeight > at.clientHeight + 1) return at;
    }
    return document.scrollingElement;
  }

  // From top to bottom within `seconds`, a step per animation frame; the times between frames.
  async function sweep(element, seconds) {
    const far = element.scrollHeight - element.clientHeight;
    const deltas = [];
    element.scrollTop = 0;
    let last = await frame();
    const start = last;
    while (last - start < 1000 * seconds) {
      element.scrollTop = (far * (last - start)) / (1000 * seconds);
      const now = await frame();
      deltas.push(now - last);
      last = now;
    }
    element.scrollTop = far;
    return deltas;
  }

  async function scrollPanels(seconds) {
    const rows = panels();
    const deltas = [];
    for (const element of rows) {
      element.scrollIntoView({ block: "center" });
      await frame();
      await frame();
      deltas.push(...(await sweep(element, seconds / rows.length)));
    }
    return deltas;
  }

  const scrollPage = (seconds) => sweep(scroller(document.querySelector(".st-key-activation_canvas")), seconds);

  // Plotly's page: the chart says in its title in which order it is.
  const title = () => document.querySelector(".js-plotly-plot .gtitle")?.textContent;
  const drawnAs = (order) => until(() => title() === `Sorted by ${order}` && idle(), `the chart sorted by ${order}`);

  async function choose(order) {
    const options = [...document.querySelectorAll('[role="option"]')];
    const option = options.find((item) => item.textContent.trim() === order);
    const start = performance.now();
    option.click();
    await drawnAs(order);
    return performance.now() - start;
  }

  window.probe = { rest, opened, pick, orders, sort, show, taller, scrollPanels, scrollPage, drawnAs, choose };
})();

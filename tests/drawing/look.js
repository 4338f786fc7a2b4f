// What tests see of a page that steps: what it shows, by its data attributes, and what is wrong with how it shows it.
const look = (() => {
  const EDGE = 1.01; // pixels that rounding may cost
  const find = (selector, within = document) => [...within.querySelectorAll(selector)];
  const said = element => element.textContent.replaceAll("\u00a0", " ").trim();
  const visible = element => element.checkVisibility ? element.checkVisibility() : true;

  const array = element => {
    const values = find("[data-value]", element).map(cell => cell.dataset.value);
    const own = element.dataset.value === undefined ? [] : [element.dataset.value];
    return values.length || own.length ? {values: [...own, ...values]} : {text: said(element)};
  };
  const part = element => {
    const arrays = element.matches("[data-array]") ? [element] : find("[data-array]", element);
    const {is, node, from} = element.dataset, child = element.closest("[data-child]")?.dataset.child;
    return {is, node, from, child, said: said(element), array: arrays.length ? array(arrays[0]) : null};
  };
  const box = group => {
    const lines = name => find(`[data-shows="${name}"]`, group).map(said).filter(Boolean);
    return {node: +group.dataset.node, value: lines("value"), adjoint: lines("adjoint")};
  };

  const inside = (inner, outer, by = EDGE) =>
    inner.left >= outer.left - by && inner.right <= outer.right + by && inner.top >= outer.top - by && inner.bottom <= outer.bottom + by;
  const words = element => [...element.childNodes].some(child => child.nodeType === 3 && child.data.trim());
  const name = element => `${element.tagName}.${element.getAttribute("class")} "${said(element).slice(0, 40)}"`;

  const scale = element => element.ownerSVGElement ? Math.abs(element.getScreenCTM().a) : 1;
  const size = element => parseFloat(getComputedStyle(element).fontSize) * scale(element);
  const small = elements => elements.filter(words).filter(visible).filter(element => size(element) < 8.99)
    .map(element => `${size(element).toFixed(1)} px: ${name(element)}`);

  // Of a box: each of its texts lies within its outline.
  const spilled = group => {
    const outline = group.querySelector(":scope > rect")?.getBoundingClientRect();
    if (!outline || !visible(group)) return [];
    return find(":scope > text", group).filter(text => said(text) && visible(text))
      .filter(text => !inside(text.getBoundingClientRect(), outline, 1.5 * scale(text))).map(text => `spilled: ${name(text)}`);
  };
  const clipped = panel => {
    const faults = [];
    if (panel.scrollWidth > panel.clientWidth + 1) faults.push(`the panel is ${panel.scrollWidth} px in ${panel.clientWidth}`);
    const page = document.scrollingElement;
    if (page.scrollWidth > innerWidth) faults.push(`the page is ${page.scrollWidth} px in ${innerWidth}`);
    return faults;
  };
  // The box of the current event can be seen, unless it is larger than its window, or has none.
  const followed = (graph, panel) => {
    const own = find(`[data-node="${panel.dataset.node}"]`, graph).filter(visible);
    const frame = graph.getBoundingClientRect();
    const fits = own.map(group => (group.querySelector(":scope > rect") || group).getBoundingClientRect())
      .filter(place => place.width <= frame.width && place.height <= frame.height);
    return !fits.length || fits.some(place => inside(place, frame, 2)) ? [] : [`#${panel.dataset.node} is out of sight`];
  };

  let boxes = null, watch, records = [];  // the boxes of the graph, and what has changed in it since the last snapshot
  function touched(graph) {
    if (!boxes) {
      boxes = find("[data-node]", graph);
      watch?.disconnect();
      watch = new MutationObserver(found => records.push(...found));
      watch.observe(graph, {subtree: true, childList: true, characterData: true, attributes: true});
      return boxes;
    }
    const within = new Set([...records, ...watch.takeRecords()].map(({target}) => (target.closest ? target : target.parentElement)?.closest("[data-node]")));
    records = [];
    return boxes.filter(group => within.has(group));
  }
  function snapshot() {
    const {step, last, turn} = document.getElementById("step").dataset;
    const panel = document.getElementById("panel"), graph = document.getElementById("graph");
    const again = touched(graph);
    const texts = [...find("*", panel), ...again.flatMap(group => find("text", group))];
    return {
      step: +step, last: +last, turn: +turn,
      event: panel.dataset.event, node: panel.dataset.event === "start" ? null : +panel.dataset.node,
      head: said(panel).slice(0, 60),
      parts: find("[data-is]", panel).map(part),
      boxes: again.map(group => [boxes.indexOf(group), box(group)]),
      n_boxes: boxes.length,
      faults: [...small(texts), ...again.flatMap(spilled), ...clipped(panel), ...followed(graph, panel)],
    };
  }

  const press = key => (document.activeElement || document.body)
    .dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
  function steps() { // from the start to the end by keys
    press("Home");
    boxes = null;
    const shown = [snapshot()];
    while (shown.at(-1).step < shown.at(-1).last && shown.length <= shown[0].last + 1) {
      press("ArrowRight");
      shown.push(snapshot());
    }
    return shown;
  }
  function times(rounds = 3) { // milliseconds of each step with style and layout, the least of a few rounds: the machine has other work
    const least = [], {dataset} = document.getElementById("step");
    for (let round = 0; round < rounds; round++) {
      press("Home");
      while (+dataset.step < +dataset.last) {
        const start = performance.now();
        press("ArrowRight");
        document.getElementById("panel").getBoundingClientRect();
        document.getElementById("graph").getBoundingClientRect();
        const took = performance.now() - start, k = +dataset.step - 1;
        least[k] = Math.min(took, least[k] ?? took);
      }
    }
    return least;
  }
  function repainted() { // of each step: its node, the nodes whose boxes change, and how many other elements of the graph do
    press("Home");
    const found = [], {dataset} = document.getElementById("step"), graph = document.getElementById("graph");
    const watch = new MutationObserver(() => {});
    watch.observe(graph, {subtree: true, childList: true, characterData: true, attributes: true});
    while (+dataset.step < +dataset.last) {
      watch.takeRecords();
      press("ArrowRight");
      const changed = new Set(watch.takeRecords().map(({target}) => target.closest ? target : target.parentElement));
      const nodes = new Set(), others = new Set();
      for (const element of changed) {
        const group = element.closest("[data-node]");
        if (group) nodes.add(+group.dataset.node); else others.add(element);
      }
      found.push([+document.getElementById("panel").dataset.node, [...nodes], others.size]);
    }
    return found;
  }

  // Colors ---------------------------------------------------------------------------------------------------------
  const channels = color => color.match(/[\d.]+/g).map((part, i) => i < 3 && color.startsWith("color(") ? 255 * part : +part);
  const luminance = color => channels(color).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const painted = color => color && color !== "none" && channels(color).length >= 3 && (channels(color)[3] ?? 1) > 0.5;
  // The filled shapes of a picture in the order in which they are painted.
  const filled = svg => find("rect, circle, ellipse, path, polygon", svg).filter(shape => painted(getComputedStyle(shape).fill))
    .map(shape => ({shape, fill: getComputedStyle(shape).fill, place: shape.getBoundingClientRect()}));
  // What lies under the middle of a text: the last shape painted before it that covers it, or the page.
  const under = (text, shapes) => {
    const place = text.getBoundingClientRect(), x = (place.left + place.right) / 2, y = (place.top + place.bottom) / 2;
    const covers = ({shape, place}) => x >= place.left && x <= place.right && y >= place.top && y <= place.bottom
      && text.compareDocumentPosition(shape) & 2 && shape.isPointInFill(new DOMPoint(x, y).matrixTransform(shape.getScreenCTM().inverse()));
    const found = shapes.findLast(covers);
    if (found) return found.fill;
    for (let element = text; element; element = element.parentElement)
      if (painted(getComputedStyle(element).backgroundColor)) return getComputedStyle(element).backgroundColor;
    return matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(17, 21, 27)" : "rgb(255, 255, 255)";
  };
  function pale(elements, least = 4.5) { // the texts with too little contrast
    const shapes = new Map(), none = [];
    const of = svg => {
      if (svg && !shapes.has(svg)) shapes.set(svg, filled(svg));
      return svg ? shapes.get(svg) : none;
    };
    return elements.filter(words).filter(visible).map(element => {
      const style = getComputedStyle(element), svg = element.ownerSVGElement;
      const ink = svg ? style.fill : style.color, ground = under(element, of(svg));
      return [contrast(ink, ground), `${name(element)}: ${ink} on ${ground}`];
    }).filter(([found]) => found < least).map(([found, words]) => `contrast ${found.toFixed(2)}: ${words}`);
  }

  // Of a picture: nothing lies outside of it, texts are large enough and legible.
  function picture(svg) {
    const frame = svg.getBoundingClientRect();
    const shapes = find("text, rect, circle, ellipse, path, polygon, polyline, line", svg).filter(shape => !shape.closest("defs, clipPath, pattern, marker"));
    const out = shapes.filter(shape => { const b = shape.getBoundingClientRect(); return (b.width || b.height) && !inside(b, frame, 1.5); });
    const texts = find("text, tspan", svg);
    return [...out.map(shape => `outside: ${name(shape)} ${shape.getAttribute("d")?.slice(0, 40) ?? ""}`), ...small(texts), ...pale(texts)];
  }

  return {snapshot, steps, times, repainted, press, picture, pale, small, find};
})();
window.look = look;

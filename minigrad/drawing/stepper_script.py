"""The script of the stepper's page. It knows no graph and computes nothing but where things lie: `stepper.told` is what it shows.

It stands in the page without its comments and indentation (`compact`).
"""

import re

# Texts, and the patterns of this script
LITERAL = re.compile(r"""("[^"\n]*"|'[^'\n]*'|`[^`]*`|/\^.*?/(?=[.,;)])|/\\s/|/\\uE000.*?/g)""")
SPACED = re.compile(r" *([=<>?:;,{}()\[\]&|*!]|=>|(?<= )[-+/](?= )) *")


def compact(script: str) -> str:
    """Take comments, line breaks, and the spaces around signs out of a script, but for those within texts."""
    lines = [re.sub(r"(^| +)// .*", "", line).strip() for line in script.splitlines()]
    parts = LITERAL.split("\n".join([line for line in lines if line]))
    return "".join([part if i % 2 else _tight(part) for i, part in enumerate(parts)])


def _tight(code: str) -> str:
    spaced = SPACED.sub(r"\1", code).replace("const ", "let ")
    return re.sub(r"([;{(\[,])\n", r"\1", re.sub(r";?\n(?=})", "", spaced))


SCRIPT = r"""
(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const {nodes, events, texts, boxes, arrows, loops, turn} = data, last = events.length, arrays = [];
const parts = nodes.map(() => []);  // of the adjoint of each node: the event, and the place among its sends
events.slice(turn).forEach(([, sends], i) => sends.forEach(([child], j) => parts[child].push([turn + i, j])));
const find = id => document.getElementById(id);
const graph = find("graph"), panel = find("panel"), bar = find("bar"), scrub = find("scrub"), entry = find("entry");
const picture = graph.querySelector("svg"), strip = find("strip");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let step = -1, timer = 0, lit = new Map(), current;

// Arrays, as nested lists of text ----------------------------------------------------------------------------------

const isList = Array.isArray;
const merged = (a, b) => isList(a) ? a.map((part, i) => merged(part, b[i])) : a === "0" ? b : a;
function nested(all, [, ...within]) {
  if (!within.length) return all;
  const size = within.reduce((a, b) => a * b), starts = all.map((_, i) => i).filter(i => i % size === 0);
  return starts.map(i => nested(all.slice(i, i + size), within));
}
function unpacked(packed) {  // "2,2:1 .5*3": a shape, and entries, some repeated; "+4,7": two arrays side by side
  const [, shape, entries] = /^([\d,]+|\+):?(.*)$/.exec(packed) || [];
  if (shape === "+") return merged(...entries.split(",").map(i => arrays[i]));
  if (!shape || !String(packed).includes(":")) return String(packed);
  const all = entries.split(" ").flatMap(text => {
    const [entry, times] = text.split("*");
    return Array(+times || 1).fill(entry.replace(/^(-?)\./, "$10."));
  });
  return nested(all, shape.split(",").map(Number));
}
for (const packed of data.arrays) arrays.push(unpacked(packed));

// Elements ---------------------------------------------------------------------------------------------------------

function make(name, text = "", kind = "") {
  const element = document.createElement(name);
  element.textContent = text;
  element.className = kind;
  return element;
}
function set(element, attributes) {
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  return element;
}
const draw = (name, attributes) => set(document.createElementNS("http://www.w3.org/2000/svg", name), attributes);
function tag(element, tags) {  // by what a program finds it
  Object.assign(element.dataset, tags);
  return element;
}
const named = (element, is, more) => tag(element, {is, ...more});
function line(kind, ...parts) {
  const p = make("p", "", kind);
  p.append(...parts);
  return p;
}
const on = (element, name, action) => element.addEventListener(name, action);
const place = element => element.getBoundingClientRect();

// Boxes of the graph, in the order of the data ---------------------------------------------------------------------

const groups = [...picture.querySelectorAll(':scope>g[class$="-box"]')];
const views = groups.map((group, i) => {
  const texts = [...group.querySelectorAll("text")];
  const of = name => texts.filter(text => name ? text.classList.contains(name) : !text.classList.length)
    .map(text => ({text: tag(text, {shows: name || "value"}), final: text.textContent}));
  return {group, node: boxes[i], value: of(""), adjoint: of("adjoint"), state: ""};
});
const shown = new Map();  // of each node its first box, or that of the node that reads it
for (const view of views) if (!shown.has(view.node)) shown.set(view.node, view);
for (let n = nodes.length; n--;) if (shown.has(n))
  for (const child of nodes[n][1]) if (!shown.has(child)) shown.set(child, shown.get(n));

function write(lines, words) {
  lines.forEach((l, i) => { l.text.textContent = words === null ? l.final : i ? "" : words; });
}
function adjointState(n, k) {
  const done = nodes[n][5], all = parts[n];
  if (done < 0 || k >= done) return null;  // the picture says why none comes
  const come = all.filter(part => part[0] < k).length;
  return come ? `${come} of ${all.length}` : "not yet";
}
function paint(view) {
  const value = step >= nodes[view.node][4], adjoint = adjointState(view.node, step), state = `${value} ${adjoint}`;
  if (state === view.state) return;
  view.state = state;
  view.group.classList.toggle("late", !value);
  write(view.value, value ? null : "not yet");
  write(view.adjoint, adjoint === null ? null : "∂ " + adjoint);
}

// Arrows that carry the data of the current event ------------------------------------------------------------------

const routes = [...picture.querySelectorAll('path[class$="-arrow"]')].flatMap(path => path.getAttribute("d").split("\n"));
const flows = draw("g", {class: "flows", "aria-hidden": "true"});
picture.append(flows);

function triangle(from, to) {  // at the end of a line, a little beyond it
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1, x = (to.x - from.x) / length, y = (to.y - from.y) / length;
  return `M${to.x + 8 * x},${to.y + 8 * y}L${to.x - 5 * y},${to.y + 5 * x}L${to.x + 5 * y},${to.y - 5 * x}z`;
}
function flow([source, target, route], back) {
  const group = draw("g", {class: back ? "flow back" : "flow"}), path = draw("path", {d: routes[route]});
  const at = part => path.getPointAtLength(part), whole = path.getTotalLength(), {x, y} = at(whole);
  group.append(path, draw("path", {class: "head", d: back ? triangle(at(9), at(5)) : triangle(at(whole - 4), at(whole))}));
  if (back) group.append(draw("circle", {r: 4, cx: x, cy: y}));
  const [from, to] = back ? [target, source] : [source, target];
  return tag(group, {from: boxes[from], to: boxes[to]});
}
function relight(now) {  // a map of elements to a class each
  for (const [element, kind] of lit) if (now.get(element) !== kind) element.classList.remove(kind);
  for (const [element, kind] of now) if (lit.get(element) !== kind) element.classList.add(kind);
  lit = now;
}
function mark() {
  const event = events[step - 1], back = step > turn;
  if (!event) {
    relight(new Map());
    return flows.replaceChildren();
  }
  const near = new Set(back ? event[1].map(sent => sent[0]) : nodes[event[0]][1]), home = shown.get(event[0]);
  const isReference = view => view.group.classList.contains("reference-box");
  const own = views.filter(view => view === home || (view.node === event[0] && !isReference(view)));
  const carry = arrows.filter(([from, to]) => near.has(boxes[from]) && own.includes(views[to]));
  const ends = [...carry.map(([from]) => views[from]), ...[...near].map(child => shown.get(child)).filter(Boolean)];
  const kind = back ? "taker" : "giver";
  relight(new Map([...ends.map(view => [view.group, kind]), ...own.map(view => [view.group, "now"])]));
  flows.replaceChildren(...carry.map(arrow => flow(arrow, back)));
  if (home) follow(home.group);
}
function follow(group) {
  const box = place(group), frame = place(graph);
  if (box.left >= frame.left && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom) return;
  graph.scrollBy({
    left: (box.left + box.right - frame.left - frame.right) / 2,
    top: (box.top + box.bottom - frame.top - frame.bottom) / 2,
    behavior: calm.matches || !timer ? "auto" : "smooth",
  });
}

// The strip of time steps: a button each, the current one marked ---------------------------------------------------

const buttons = loops.map(([title, steps]) => {
  const row = strip.appendChild(make("div"));
  row.append(make("span", title));
  return steps.map(([name, forward, backward]) => {
    const button = row.appendChild(make("button", name));
    on(button, "click", () => visit((step > turn && backward) || forward));
    return tag(button, {forward, backward});
  });
});
strip.hidden = !loops.length;

function markSteps() {
  const [loop, i] = step && nodes[events[step - 1][0]][6] || [], button = buttons[loop]?.[i];
  if (current === button) return;
  current?.removeAttribute("aria-current");
  current = button;
  if (!button) return;
  set(button, {"aria-current": "step"});
  strip.scrollLeft += place(button).left - place(strip).left - strip.clientWidth / 2;
}

// Arrays as heat maps: digits up to 6 columns, else cells whose entry is told on hover and focus -------------------

const DIGITS = 6, LONGEST = 32;
const size = x => Math.abs(parseFloat(x)) || 0;

function rowsOf(found, at = []) {  // each with the index before its columns
  return isList(found[0]) ? found.flatMap((part, i) => rowsOf(part, [...at, i])) : [[at, found]];
}
const entryOf = (name, value, index) => tag(make(name), {value, at: index.join(", ")});
function scalar(value) {
  const element = entryOf("span", value, []);
  element.textContent = value;
  element.entries = [[element]];
  return element;
}
function array(i) {
  const found = i < 0 ? "not stored" : arrays[i], isSentence = !isList(found) && /\s/.test(found);
  const element = isSentence ? make("span", found) : (isList(found) ? table : scalar)(found);
  return tag(element, {array: i});
}
function table(found) {
  const element = make("table"), rows = rowsOf(found), digits = rows[0][1].length <= DIGITS;
  const most = Math.max(...rows.flatMap(([, row]) => row.map(size)).filter(isFinite));
  if (!digits) element.className = "cells";
  set(element, {tabindex: 0, "aria-label": "entries: arrow keys go from one to the next"});
  element.entries = rows.map(([at, row], r) => {
    let tr;
    return row.map((value, c) => {
      if (c % LONGEST === 0) tr = element.appendChild(make("tr"));
      const cell = tr.appendChild(entryOf("td", value, [...at, c]));
      cell.place = [r, c];
      cell.tabIndex = -1;
      cell.style.setProperty("--heat", most > 0 ? Math.min(size(value) / most, 1) : 0);
      if (value.startsWith("-")) cell.className = "minus";
      if (digits || !isFinite(value)) cell.textContent = digits ? value : value[0];
      return cell;
    });
  });
  return element;
}

// Products: an entry, and the row and the column it is made of -----------------------------------------------------

// Whether value, left and right factor lie across the way that the sum over k of left[i, k] right[k, j] has them
const ACROSS = {
  forward: {matrix: "000", vector: "101", dot: "001"},
  left: {matrix: "001", vector: "010", dot: "000"},
  right: {matrix: "010", vector: "111", dot: "110"},
};
const products = new WeakMap();

function product(kind, way, value, left, right) {
  if (kind && value.entries && left.entries && right.entries) products.set(value, {across: ACROSS[way][kind], left, right});
}
const entryAt = (element, across, a, b) => across === "1" ? element.entries[b]?.[a] : element.entries[a]?.[b];
function factors(cell) {
  const found = products.get(cell.closest("[data-array]"));
  if (!found) return [];
  const {across, left, right} = found, [r, c] = cell.place || [0, 0], [i, j] = across[0] === "1" ? [c, r] : [r, c], pairs = [];
  for (let k = 0; ; k++) {
    const a = entryAt(left, across[1], i, k), b = entryAt(right, across[2], k, j);
    if (!a || !b) return pairs;
    pairs.push([a, b]);
  }
}
const factor = text => text.startsWith("-") ? `(−${text.slice(1)})` : text;
const signed = text => text.replace(/^-/, "−");
function tell(cell) {
  for (const other of panel.querySelectorAll(".lit")) other.classList.remove("lit");
  if (!cell) { entry.textContent = ""; return; }
  const pairs = factors(cell), {at, value} = cell.dataset;
  for (const pair of pairs) for (const one of pair) one.classList.add("lit");
  const terms = pairs.map(([a, b]) => `${factor(a.dataset.value)}·${factor(b.dataset.value)}`);
  entry.textContent = (at && `[${at}] `) + (terms.length ? `${terms.join(" + ")} = ` : "= ") + signed(value);
}
function move(cell, key) {  // to the next entry in that direction
  const {entries} = cell.closest("[data-array]"), [r, c] = cell.place;
  const [down, right] = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[key];
  entries[r + down]?.[c + right]?.focus();
}
on(panel, "pointerover", event => tell(event.target.closest("[data-value]")));
on(panel, "pointerleave", () => tell(null));
on(panel, "focusin", event => tell(event.target.closest("[data-value]")));
on(panel, "keydown", event => {
  const cell = event.target.closest("td"), grid = event.target.closest("table");
  if (!grid || !event.key.startsWith("Arrow")) return;
  if (cell) move(cell, event.key); else grid.entries[0][0].focus();
  event.preventDefault();
  event.stopPropagation();
});

// The panel: the current event in words ----------------------------------------------------------------------------

const worded = (text, n) => texts[text].replace(/\uE000(\d+)/g, (_, k) => "#" + [n, ...nodes[n][1]][k]);
const said = n => worded(nodes[n][0], n);
const head = text => make("h3", text);
function formulas(rule, numbers, heads) {
  const told = [named(make("p", rule, "mono"), "rule")];
  if (heads) told.unshift(head("Rule"));
  if (heads && numbers) told.push(head("In numbers"));
  if (numbers) told.push(named(make("p", numbers, "mono"), "numbers"));
  return told;
}
const because = (...words) => [head("Why now"), named(make("p", words.join("")), "why")];
const listed = all => all.slice(0, 6).map(n => `#${n}`).join(", ") + (all.length > 6 ? ", …" : "");
function whyForward(n) {
  const children = [...new Set(nodes[n][1])];
  if (!children.length) return [];
  const since = Math.max(0, ...children.map(child => nodes[child][4]));
  const last = children.find(child => nodes[child][4] === since);
  if (children.length < 2) return because(`its child is known, #${last}, `, since ? `since step ${since}` : "from the start");
  const when = since ? `the last of them, #${last}, came at step ${since}` : "from the start";
  return because(`all children known: ${listed(children)}; ${when}`);
}
function whyBackward(n) {
  const all = parts[n];
  if (!all.length) return because("the sweep starts at the output: all values are known");
  const arrived = all.length > 1 ? `all ${all.length} parts have arrived, the last` : "its adjoint has arrived,";
  return because(`${arrived} at step ${nodes[n][5]}; bprops go in the reverse order of births, so all parts are there before a node sends on`);
}
function fprop([n, rule, numbers, kind]) {
  const [, children, value] = nodes[n];
  const told = [make("h2", `fprop of ${said(n)}`), ...formulas(worded(rule, n), numbers, true)];
  const reads = new Map(), result = array(value);
  for (const child of [...new Set(children)].slice(0, 12)) reads.set(child, array(nodes[child][2]));
  told.push(head("It reads"));
  for (const [child, read] of reads) told.push(named(line("mono", `${said(child)}: `, read), "reads", {node: child}));
  told.push(head("Its value"), named(line("mono", result), "value"), ...whyForward(n));
  product(kind, "forward", result, reads.get(children[0]), reads.get(children[1]));
  return told;
}
function sumOf(child, i, j) {  // so far, now, and both
  const k = parts[child].findIndex(part => part[0] === i && part[1] === j);
  if (k < 1) return [];
  const [ib, jb] = parts[child][k - 1], [, , , first, total] = events[ib][1][jb], now = events[i][1][j];
  const before = k > 1 ? total : first;
  if (before < 0) return [];
  const part = (place, is) => named(array(place), is);
  return [line("mono slope", "so far ", part(before, "before"), " + now ", array(now[3]), " = ", part(now[4], "sum"))];
}
function send(n, kind, arrived, i, j) {
  const [child, rule, numbers, sent, , status] = events[i][1][j], children = nodes[n][1], part = make("section");
  const slot = children[0] === children[1] ? j : children.indexOf(child), result = named(array(sent), "sent");
  tag(part, {child}).append(head(`To ${said(child)}`), ...formulas(worded(rule, n), numbers));
  if (kind) {
    const other = children[1 - slot], factor = array(nodes[other][2]);
    part.append(named(line("mono", `${said(other)}: `, factor), "reads", {node: other}));
    product(kind, slot ? "right" : "left", result, slot ? factor : arrived, slot ? arrived : factor);
  }
  part.append(line("mono slope", "sent: ", result), ...sumOf(child, i, j), named(make("p", status || "complete"), "status"));
  return part;
}
function bprop([n, sends, kind], i) {
  const told = [make("h2", `bprop of ${said(n)}`), head("What arrived")], all = parts[n];
  let whole = array(nodes[n][3]);
  for (const [i, j] of all) {
    const [from, sent] = events[i], came = array(sent[j][3]);
    if (all.length === 1) whole = came;
    told.push(named(line("mono slope", came, ` from ${said(from)}`), "arrived", {from}));
  }
  if (all.length !== 1)
    told.push(named(line("mono slope", all.length ? "sum: " : "the adjoint the sweep starts with: ", whole), "adjoint"));
  told.push(...whyBackward(n), ...sends.map((_, j) => send(n, kind, whole, i, j)));
  if (!sends.length) told.push(make("p", "It sends nothing: the adjoint is stopped here."));
  return told;
}
function start() {
  return [make("h2", "The start"), make("p", "Leaves have their values; nothing is computed. → goes to the first event.")];
}
function tellEvent() {
  const event = events[step - 1];
  panel.replaceChildren(...!event ? start() : step > turn ? bprop(event, step - 1) : fprop(event), entry);
  tag(panel, {event: event ? step > turn ? "bprop" : "fprop" : "start", node: event ? event[0] : ""});
  entry.textContent = "";
  panel.scrollTop = 0;
}

// Going from step to step ------------------------------------------------------------------------------------------

function go(to) {
  to = Math.min(Math.max(to, 0), last);
  if (to === step) return;
  step = to;
  views.forEach(paint);
  tellEvent();
  mark();
  markSteps();
  tag(find("step"), {step, last, turn});
  scrub.value = step;
  set(scrub, {"aria-valuetext": `step ${step} of ${last}`});
  find("count").textContent = `${step} of ${last}`;
  try { history.replaceState(null, "", "#" + step); } catch {}  // a page within a page may have no address
}
function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => step < last ? go(step + 1) : play(false), 1000) : 0;
  set(find("play"), {"aria-label": timer ? "pause" : "play"}).textContent = timer ? "II" : "▶";
}
function visit(to) {
  play(false);
  go(to);
}
function toggle() {
  if (!timer && step === last) go(0);
  play(!timer);
}
function visitNode(n) {  // its fprop; from there, the event in which its adjoint is used, or complete
  const back = events.findIndex((event, i) => i >= turn && event[0] === n) + 1 || Math.max(nodes[n][5], 0);
  const there = nodes[n][4] || back;
  visit((step === there && back) || there || step);
}
function clicked(event) {  // a low box is hit a little beside it, too
  const near = view => {
    const box = place(view.group), {clientX: x, clientY: y} = event, margin = (38 - box.height) / 2;
    return x >= box.left && x <= box.right && y >= box.top - margin && y <= box.bottom + margin;
  };
  const group = event.target.closest(".node"), view = group ? views[groups.indexOf(group)] : views.find(near);
  if (view) visitNode(view.node);
}
const moves = {first: () => 0, back: () => step - 1, next: () => step + 1, last: () => last};
const keys = {ArrowLeft: "back", ArrowUp: "back", ArrowRight: "next", ArrowDown: "next", Home: "first", End: "last"};

for (const name in moves) on(find(name), "click", () => visit(moves[name]()));
on(find("play"), "click", toggle);
on(scrub, "input", () => visit(+scrub.value));
on(document, "keydown", event => {
  const {key} = event, isButton = event.target.closest("button, summary");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (keys[key]) visit(moves[keys[key]]());
  else if (key === " " && !isButton) toggle();
  else if (key === "b" || key === "B") visit(turn + 1);
  else return;
  event.preventDefault();
});
set(picture, {role: "group"});
on(graph, "click", clicked);
for (const {group, node} of views) {
  group.classList.add("node");
  set(tag(group, {node}), {tabindex: 0, role: "button"}).append(draw("title"));
  group.lastChild.textContent = said(node);
  on(group, "keydown", event => { if (event.key === "Enter") visitNode(node); });
}
const asked = () => { const k = /^#(\d+)$/.exec(location.hash); return k ? +k[1] : 0; };
on(window, "hashchange", () => visit(asked()));
scrub.max = last;
bar.style.setProperty("--turn", `${last ? 100 * turn / last : 100}%`);
bar.hidden = false;
go(asked());
})();
"""

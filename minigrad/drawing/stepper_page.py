"""The stepper's page: its style sheet, its script, and the frame of both. The script knows no graph and computes nothing.

What a program that looks at the page can rely on, once the script has run:

* `#step` has `data-step`, the number of events that have happened, `data-last`, the number of all, `data-turn`, that of fprops.
* A box of the graph is `#graph [data-node="12"]`; in it the lines `[data-shows="value"]` and `[data-shows="adjoint"]`.
* `#panel` has `data-event`: "start", "fprop" or "bprop", and `data-node`: whose. In it `[data-is]` says what a part is: "rule",
  "numbers", "why", of an fprop "reads" (with `data-node`, the child's) and "value", of a bprop "arrived" (with `data-from`, the
  sender's node), and "adjoint", unless one part alone arrived. A send is a section with `data-child`, and within it are "rule", "numbers", "sent", "before",
  "sum" and "status".
* An array is `[data-array]`, with its place in the data; its entries, where they are shown, are `[data-value]`, row by row. The
  attribute has the number as text, to four digits; "~0" is below 1e-12 of the largest. Where no entries are shown, there is a sentence.
"""

LOOKS = """
#page{margin:0;background:var(--paper);color:var(--ink);font-family: SANS;
font-size:15px;line-height:1.45}
#page *{box-sizing:border-box}
#step{display:grid;grid-template:"head head" auto "graph panel" minmax(0,1fr) "bar bar" auto/minmax(0,1fr) 25rem;
height:100vh;height:100dvh}
h1{grid-area:head;font-size:1.05rem;margin:0;padding:.6rem 1rem;overflow-wrap:anywhere}
#graph{grid-area:graph;overflow:auto;display:flex;border-block:1px solid var(--frame-line)}
#graph svg{flex:none;margin:auto}
#panel{grid-area:panel;overflow:auto;padding:.6rem 1rem;border:1px solid var(--frame-line);border-right:0;
background:var(--frame);overflow-wrap:anywhere}
#panel h2{font-size:1rem;margin:.1rem 0 .5rem}
#panel h3{font-size:.85rem;margin:.8rem 0 .1rem;color:var(--faint)}
#panel p{margin:.15rem 0}
#panel .mono,#panel td{font-family:MONO;font-size:.85rem}
#panel .slope{color:var(--slope)}
#panel section{border-top:1px solid var(--frame-line);margin-top:.6rem}
#panel table{border-collapse:collapse;display:inline-table;vertical-align:middle;margin:.1rem .2rem}
#panel td{border:1px solid var(--frame-line);padding:0 .35rem;text-align:right}
#bar{grid-area:bar;display:flex;flex-wrap:wrap;gap:.3rem;align-items:center;padding:.4rem 1rem}
#bar[hidden]{display:none}
#bar button{min-width:42px;min-height:42px;font:inherit;color:var(--ink);background:var(--frame);cursor:pointer;
border:1px solid var(--faint);border-radius:8px}
#bar input{flex:1 1 10rem;min-width:0;height:42px;margin:0;appearance:none;-webkit-appearance:none;cursor:pointer;
background:linear-gradient(to right,var(--faint) var(--turn),var(--slope) var(--turn)) center/100% 6px no-repeat}
#bar input::-webkit-slider-thumb{-webkit-appearance:none;width:20px;height:38px;border-radius:8px;
background:var(--paper);border:3px solid var(--ink)}
#bar input::-moz-range-thumb{width:16px;height:34px;border-radius:8px;background:var(--paper);
border:3px solid var(--ink)}
#bar output{min-width:5.5rem;text-align:right;font-variant-numeric:tabular-nums}
#page :focus-visible{outline:3px solid var(--slope);outline-offset:1px}
#page #graph .node{cursor:pointer}
#page #graph .late>rect{opacity:.45}
#page #graph .near>rect{stroke:var(--slope);stroke-width:3px}
#page #graph .now>rect{stroke:var(--ink);stroke-width:4px}
#more{padding:0 1rem 1rem}
#more p,#more ul,summary{color:var(--faint);font-size:.9rem}
#more ul{display:flex;flex-wrap:wrap;gap:.4rem 1.4rem;list-style:none;padding:0}
li svg{vertical-align:middle}
summary{min-height:38px;padding:.5rem 0}
pre{overflow-x:auto;font-family:MONO}
@media (max-width:800px){
#step{grid-template:"head" auto "graph" minmax(0,9fr) "panel" minmax(0,10fr) "bar" auto/minmax(0,1fr)}
#panel{border-left:0}
#bar{padding:.3rem .5rem}
#bar input{flex-basis:100%;order:-1}
#bar button{flex:1}}
"""

SCRIPT = """(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const {nodes, events, arrays, boxes, turn} = data, last = events.length;
const find = id => document.getElementById(id);
const graph = find("graph"), panel = find("panel"), bar = find("bar"), scrub = find("scrub"), count = find("count");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let step = -1, timer = 0, lit = [];

// The boxes, in the order of the data; of each the lines that hold its value and its adjoint.
const groups = [...graph.querySelectorAll('g[class$="-box"]')].filter(g => g.querySelector(":scope>title"));
const views = groups.map((group, i) => {
  const lines = [...group.querySelectorAll("text")];
  const of = name => lines.filter(l => name ? l.classList.contains(name) : !l.classList.length)
    .map(l => { l.dataset.shows = name || "value"; return {line: l, text: l.textContent}; });
  return {group, node: boxes[i], value: of(""), adjoint: of("adjoint"), state: ""};
});
const shown = new Map();  // of each node its first box, or that of what reads it
for (const view of views) if (!shown.has(view.node)) shown.set(view.node, view);
for (let n = nodes.length; n--;) if (shown.has(n))
  for (const child of nodes[n][1]) if (!shown.has(child)) shown.set(child, shown.get(n));

function write(lines, text) {
  lines.forEach((l, i) => { l.line.textContent = text === null ? l.text : i ? "" : text; });
}
function adjointState(n, k) {
  const [, , , , , done, parts] = nodes[n];
  if (done < 0 || k >= done) return null;  // the picture says why none comes
  const come = parts.filter(p => p[0] < k).length;
  return come ? `${come} of ${parts.length} parts` : "not yet";
}
function paint(view) {
  const value = step >= nodes[view.node][4], adjoint = adjointState(view.node, step), state = `${value} ${adjoint}`;
  if (state === view.state) return;
  view.state = state;
  view.group.classList.toggle("late", !value);
  write(view.value, value ? null : "not yet");
  write(view.adjoint, adjoint === null ? null : "\\u2202 " + adjoint);
}

function make(name, text, kind) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}
function marked(element, is, marks) {  // by what a program can find it
  Object.assign(element.dataset, {is}, marks);
  return element;
}
function cell(name, text) {
  const element = make(name, text);
  element.dataset.value = text;
  return element;
}
function array(i) {
  const found = i < 0 ? "not stored" : arrays[i], isNumber = found === "~0" || /^\\S+$/.test(found);
  const element = typeof found !== "string" ? make("table") : isNumber ? cell("span", found) : make("span", found);
  element.dataset.array = i;
  if (typeof found !== "string") for (const row of found) {
    const line = element.appendChild(make("tr"));
    for (const entry of row) line.append(cell("td", entry));
  }
  return element;
}
function line(kind, ...parts) {
  const p = make("p", undefined, kind);
  p.append(...parts);
  return p;
}
function formulas(rule, numbers, heads) {
  const told = [];
  if (rule) told.push(...heads ? [make("h3", "Rule")] : [], marked(make("p", rule, "mono"), "rule"));
  if (numbers) told.push(...heads ? [make("h3", "In numbers")] : [], marked(make("p", numbers, "mono"), "numbers"));
  return told;
}
function fprop([n, rule, numbers]) {
  const [, children, value] = nodes[n];
  const told = [make("h2", `fprop of ${nodes[n][0]}`), ...formulas(rule, numbers, true), make("h3", "It reads")];
  for (const child of [...new Set(children)].slice(0, 12))
    told.push(marked(line("mono", nodes[child][0], ": ", array(nodes[child][2])), "reads", {node: child}));
  told.push(make("h3", "Its value"), marked(line("mono", array(value)), "value"));
  return told;
}
function bprop([n, adjoint, sends]) {
  const told = [make("h2", `bprop of ${nodes[n][0]}`), make("h3", "What arrived")];
  const parts = nodes[n][6];
  const whole = before => marked(line("mono slope", before, array(adjoint)), "adjoint");
  if (!parts.length) told.push(whole("the adjoint the sweep starts with: "));
  for (const [i, j] of parts) {
    const [from, , sends] = events[i];
    told.push(marked(line("mono slope", array(sends[j][3]), ` from ${nodes[from][0]}`), "arrived", {from}));
  }
  if (parts.length > 1) told.push(whole("sum: "));
  for (const [child, rule, numbers, sent, before, sum, status] of sends) {
    const part = make("section"), named = (i, is) => marked(array(i), is);
    part.dataset.child = child;
    part.append(make("h3", `To ${nodes[child][0]}`), ...formulas(rule, numbers));
    part.append(line("mono slope", "sent: ", named(sent, "sent")));
    if (before >= 0)
      part.append(line("mono slope", "so far ", named(before, "before"), " + now ", array(sent), " = ", named(sum, "sum")));
    part.append(marked(make("p", status), "status"));
    told.push(part);
  }
  if (!sends.length) told.push(make("p", "It sends nothing: no path leads on."));
  return told;
}
function told() {
  if (step) return (step > turn ? bprop : fprop)(events[step - 1]);
  return [make("h2", "The start"), make("p", "Leaves have their values; nothing is computed. \\u2192 goes to the first event.")];
}

function mark() {
  for (const [view, kind] of lit) view.group.classList.remove(kind);
  lit = [];
  if (!step) return;
  const event = events[step - 1], near = step > turn ? event[2].map(sent => sent[0]) : nodes[event[0]][1];
  const now = views.filter(view => view.node === event[0]);
  const own = now.length ? now : [shown.get(event[0])].filter(Boolean);
  for (const view of own) lit.push([view, "now"]);
  for (const view of views) if (near.includes(view.node)) lit.push([view, "near"]);
  for (const [view, kind] of lit) view.group.classList.add(kind);
  const home = shown.get(event[0]);
  if (home) follow(home.group);
}
function follow(group) {
  const box = group.getBoundingClientRect(), frame = graph.getBoundingClientRect();
  if (box.left >= frame.left && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom) return;
  graph.scrollBy({
    left: (box.left + box.right - frame.left - frame.right) / 2,
    top: (box.top + box.bottom - frame.top - frame.bottom) / 2,
    behavior: calm.matches || !timer ? "auto" : "smooth",
  });
}
function go(to) {
  to = Math.min(Math.max(to, 0), last);
  if (to === step) return;
  step = to;
  views.forEach(paint);
  panel.replaceChildren(...told());
  Object.assign(panel.dataset, {event: step ? step > turn ? "bprop" : "fprop" : "start", node: step ? events[step - 1][0] : ""});
  Object.assign(find("step").dataset, {step, last, turn});
  panel.scrollTop = 0;
  mark();
  scrub.value = step;
  scrub.setAttribute("aria-valuetext", `step ${step} of ${last}`);
  count.textContent = `${step} of ${last}`;
  try { history.replaceState(null, "", "#" + step); } catch { /* a page within a page may have no address */ }
}
function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => step < last ? go(step + 1) : play(false), 1000) : 0;
  find("play").textContent = timer ? "II" : "\\u25b6";
  find("play").setAttribute("aria-label", timer ? "pause" : "play");
}
function toggle() {
  if (!timer && step === last) go(0);
  play(!timer);
}
function visit(n) {  // its fprop; from there, the event in which its adjoint is used, or complete
  const back = events.findIndex((event, i) => i >= turn && event[0] === n) + 1 || Math.max(nodes[n][5], 0);
  const there = nodes[n][4] || back;
  play(false);
  go((step === there && back) || there || step);
}
const moves = {first: () => go(0), back: () => go(step - 1), next: () => go(step + 1), last: () => go(last)};
const keys = {ArrowLeft: "back", ArrowUp: "back", ArrowRight: "next", ArrowDown: "next", Home: "first", End: "last"};

for (const name in moves) find(name).addEventListener("click", () => { play(false); moves[name](); });
find("play").addEventListener("click", toggle);
scrub.addEventListener("input", () => { play(false); go(+scrub.value); });
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const on = event.target.closest("button, summary");
  if (keys[event.key]) { play(false); moves[keys[event.key]](); }
  else if (event.key === " " && !on) toggle();
  else if (event.key === "b" || event.key === "B") { play(false); go(turn + 1); }
  else return;
  event.preventDefault();
});
for (const view of views) {
  view.group.classList.add("node");
  view.group.dataset.node = view.node;
  view.group.setAttribute("tabindex", "0");
  view.group.addEventListener("click", () => visit(view.node));
  view.group.addEventListener("keydown", event => { if (event.key === "Enter") visit(view.node); });
}
const asked = () => { const k = /^#(\\d+)$/.exec(location.hash); return k ? +k[1] : 0; };
addEventListener("hashchange", () => go(asked()));
scrub.max = last;
bar.style.setProperty("--turn", `${last ? 100 * turn / last : 100}%`);
bar.hidden = false;
go(asked());
})();"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body id="page">
<main id="step">
<h1>{title}</h1>
<div id="graph" tabindex="0" role="group" aria-label="the graph">{svg}</div>
<div id="panel" tabindex="0" role="region" aria-live="polite" aria-label="the current event">
<p>The final state: all values and adjoints. With JavaScript, this page goes through every event.</p></div>
<div id="bar" hidden>
<button id="first" aria-label="first">|‹</button>
<button id="back" aria-label="back">‹</button>
<button id="play" aria-label="play">▶</button>
<button id="next" aria-label="next">›</button>
<button id="last" aria-label="last">›|</button>
<input id="scrub" type="range" min="0" max="0" value="0" aria-label="step">
<output id="count"></output>
</div>
</main>
<section id="more">
<p>{description}</p>
<ul>
{legend}
</ul>
<p>{words}</p>
<p>Keys: arrows, Home, End; space plays; B goes to the first bprop. A click on a node goes to its event.</p>
<details><summary>The same as text</summary>
<pre>{listing}</pre>
</details>
</section>
<script type="application/json" id="data">{data}</script>
<script id="code">
{script}
</script>
</body>
</html>
"""

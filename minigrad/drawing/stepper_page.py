"""The stepper's page: its style sheet, and the frame around picture, data and script.

What a program that looks at the page can rely on, once the script has run:

* `#step` has `data-step`, the number of events that have happened, `data-last`, the number of all, `data-turn`, that of fprops.
* A box of the graph is `#graph [data-node="12"]`; in it the lines `[data-shows="value"]` and `[data-shows="adjoint"]`.
* An arrow that carries what the current event reads or sends is `#graph .flow`, with `data-from` and `data-to`, nodes.
* `#panel` has `data-event`: "start", "fprop" or "bprop", and `data-node`: whose. In it `[data-is]` says what a part is: "rule",
  "numbers", "why", of an fprop "reads" (with `data-node`, the child's) and "value", of a bprop "arrived" (with `data-from`, the
  sender's node), and "adjoint", unless one part alone arrived. A send is a section with `data-child`, and within it are "rule",
  "numbers", "sent", "before", "sum" (these two from the second part on) and "status".
* An array is `[data-array]`, with its place in the data; its entries, where they are shown, are `[data-value]`, row by row, with
  their index in `data-at`. The value is text, to four digits; "~0" is below 1e-12 of the largest. Where no entries are shown,
  there is a sentence. `#entry` tells the entry under the pointer, or in focus, and of a product the sum it is.
* A time step is `#strip button`, with the steps of the page in `data-forward` and `data-backward` (0: none) it leads to.
"""

LOOKS = """
#page{margin:0;background:var(--paper);color:var(--ink);font-family:var(--sans);
font-size:15px;line-height:1.45;--plus:#0072b2;--minus:#b26a00}
#page *{box-sizing:border-box}
@media (prefers-color-scheme:dark){#page{--plus:#56b4e9;--minus:#e0a13a}}
#step{display:grid;grid-template:"head head" auto "strip strip" auto "graph panel" minmax(0,1fr) "bar bar" auto/
minmax(0,1fr) 25rem;height:100vh;height:100dvh}
h1{grid-area:head;font-size:1.05rem;margin:0;padding:.6rem 1rem;overflow-wrap:anywhere}
#graph{grid-area:graph;overflow:auto;display:flex;border-block:1px solid var(--frame-line)}
#graph svg{flex:none;margin:auto}
#graph,#panel{contain:content}
#panel{grid-area:panel;overflow:auto;padding:.6rem 1rem;border:1px solid var(--frame-line);border-right:0;
background:var(--frame);overflow-wrap:anywhere}
#panel h2{font-size:1rem;margin:.1rem 0 .5rem}
#panel h3{font-size:.85rem;margin:.8rem 0 .1rem;color:var(--faint)}
#panel p{margin:.15rem 0}
.mono,td{font-family:var(--mono);font-size:.85rem}
.slope{color:var(--slope)}
#panel section{border-top:1px solid var(--frame-line);margin-top:.6rem}
table{border-collapse:collapse;display:inline-block;vertical-align:middle;margin:.1rem .2rem;max-width:100%;
max-height:18rem;overflow:auto}
td{border:1px solid var(--frame-line);padding:0 .35rem;text-align:right;color:var(--ink);--sign:var(--plus);
--full:30%;background-color:color-mix(in srgb,var(--sign) calc(var(--heat)*var(--full)),var(--paper))}
.minus{--sign:var(--minus)}
.cells td{--full:100%;width:17px;height:17px;padding:0;text-align:center;cursor:crosshair}
.cells .minus{background-image:repeating-linear-gradient(45deg,#0000 0 2px,var(--paper) 2px 3px)}
[data-value]:hover{outline:2px solid var(--ink)}
.lit{outline:2px solid var(--slope);outline-offset:-1px}
#entry{display:block;position:sticky;bottom:-.6rem;margin:.6rem -1rem -.6rem;padding:.4rem 1rem;min-height:2.2rem;
max-height:9rem;overflow:auto;font-family:var(--mono);font-size:.85rem;background:var(--inner-frame);
border-top:1px solid var(--frame-line)}
#entry:empty{visibility:hidden}
#strip{grid-area:strip;padding:0 1rem .3rem;display:flex;gap:1.5rem;overflow-x:auto}
#strip div{display:flex;flex:none;gap:3px;align-items:center}
#strip span{color:var(--faint);font-size:.85rem;padding-right:.4rem;white-space:nowrap}
#strip button{flex:none;min-width:38px;min-height:38px;color:var(--faint)}
#strip [aria-current]{color:var(--paper);background:var(--ink);font-weight:600;min-width:76px}
button{font:inherit;color:var(--ink);background:var(--frame);cursor:pointer;border:1px solid var(--faint);border-radius:8px}
#bar{grid-area:bar;display:flex;flex-wrap:wrap;gap:.3rem;align-items:center;padding:.4rem 1rem}
[hidden]{display:none!important}
#bar button{min-width:42px;min-height:42px}
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
#page #graph .giver>rect{stroke:var(--ink);stroke-width:2.5px}
#page #graph .taker>rect{stroke:var(--slope);stroke-width:3px}
#page #graph .now>rect{stroke:var(--ink);stroke-width:4px}
.flow{--hue:var(--ink);pointer-events:none;fill:none;stroke:var(--hue);stroke-width:3px}
.back{--hue:var(--slope);stroke-dasharray:7 4}
.head,circle{fill:var(--hue);stroke:none}
#more{padding:0 1rem 1rem}
#more p,#more ul,summary{color:var(--faint);font-size:.9rem}
#more ul{display:flex;flex-wrap:wrap;gap:.4rem 1.4rem;list-style:none;padding:0}
li svg{vertical-align:middle}
summary{min-height:38px;padding:.5rem 0}
pre{overflow-x:auto;font-family:var(--mono)}
@media (max-width:800px){
#step{grid-template:"head" auto "strip" auto "graph" minmax(0,9fr) "panel" minmax(0,10fr) "bar" auto/minmax(0,1fr)}
#panel{border-left:0}
#bar{padding:.3rem .5rem}
#bar input{flex-basis:100%;order:-1}
#bar button{flex:1}}
"""

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
<h1 id="title">{title}</h1>
<nav id="strip" aria-label="time steps" hidden></nav>
<div id="graph" tabindex="0" role="group" aria-label="the graph">{svg}</div>
<div id="panel" tabindex="0" role="region" aria-live="polite" aria-label="the current event">
<p>The final state: all values and adjoints. With JavaScript, this page goes through every event.</p>
<output id="entry"></output></div>
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
<p id="description">{description}</p>
<ul>
{legend}
</ul>
<p>{words}</p>
<p>Entries of arrays: the larger, the stronger; negative ones are orange, without digits hatched. Point at an entry of a
product: its row and column light up.</p>
<p>Keys: arrows, Home, End; space plays; B: the first bprop. A click on a node: its event. #28 in the address: step 28.</p>
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

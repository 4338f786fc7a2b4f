// Run a lesson in the browser. Nothing is loaded before the reader clicks; then Python and minigrad come from this site, NumPy from the
// address that the page names, and each stub becomes a field to write in, with a button that judges it.
const data = JSON.parse(document.getElementById("lesson")?.textContent ?? "null");

export async function start(lesson, load, say) {
  say("loading Python …");
  const python = await load(new URL(lesson.pyodide, location));
  say("loading NumPy …");
  python.unpackArchive(await fetched(lesson.numpy.address, lesson.numpy.sha256), "wheel");
  say("loading minigrad …");
  python.unpackArchive(await fetched(new URL(lesson.wheel, location)), "wheel");
  python.globals.set("check_source", lesson.check);
  python.runPython(`
import sys, types
check = types.ModuleType("check")
exec(check_source, check.__dict__)
sys.modules["check"] = check
`);
  return python;
}

async function fetched(address, sha256) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  if (sha256) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const found = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (found !== sha256) throw new Error(`${address} is not the file it should be`);
  }
  return bytes;
}

// Run the cells before an exercise that have not run yet; of earlier exercises the solution, which later cells may use.
// A figure needs Matplotlib, which is not here: its cell is left out.
export function runBefore(python, cells, end, state) {
  for (; state.done < end; state.done++) {
    const cell = cells[state.done];
    if (["run", "solution", "check"].includes(cell.kind)) python.runPython(cell.code);
    if (cell.kind === "figure") {
      try {
        python.runPython(cell.code);
      } catch (error) {
        if (!String(error).includes("matplotlib")) throw error;
      }
    }
  }
}

// What the check says of the reader's code: its words, or the last line of an error.
export function judged(python, stub, check) {
  const said = [];
  python.setStdout({ batched: (line) => said.push(line) });
  try {
    python.runPython(stub);
    python.runPython(check);
  } catch (error) {
    const last = String(error.message ?? error).trim().split("\n").at(-1);
    said.push(last.replace(/^(check\.)?NotYet: /, "Not yet. "));
  }
  return said.join("\n");
}

function field(code) {
  const area = document.createElement("textarea");
  area.value = code.replace(/\n+$/, "");
  area.rows = area.value.split("\n").length + 2;
  area.spellcheck = false;
  area.setAttribute("aria-label", "your code");
  return area;
}

function openExercises(python) {
  const state = { done: 0 };
  const stubs = document.querySelectorAll(".container.stub");
  let place = -1;
  for (const stub of stubs) {
    place = data.cells.findIndex((cell, i) => i > place && cell.kind === "exercise");
    const [exercise, check] = [place, data.cells.findIndex((cell, i) => i > place && cell.kind === "check")];
    const area = field(data.cells[exercise].code);
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Check" });
    const output = document.createElement("pre");
    output.setAttribute("role", "status");
    button.addEventListener("click", () => {
      try {
        runBefore(python, data.cells, exercise, state);
        output.textContent = judged(python, area.value, data.cells[check].code);
      } catch (error) {
        output.textContent = `A cell of the lesson failed: ${String(error).trim().split("\n").at(-1)}`;
      }
    });
    stub.replaceChildren(area, button, output);
  }
}

function offer() {
  if (!data || !location.protocol.startsWith("http")) return;
  const place = document.querySelector(".ways");
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Run in the browser", className: "run" });
  const words = document.createElement("span");
  words.setAttribute("role", "status");
  words.textContent = " loads 13 MB from this site, and NumPy from cdn.jsdelivr.net; then the exercises can be written in the page";
  button.addEventListener("click", async () => {
    button.disabled = true;
    const say = (text) => { words.textContent = ` ${text}`; };
    try {
      const load = window.loadPyodide ?? (async (indexURL) => (await import(new URL("pyodide.mjs", indexURL))).loadPyodide({ indexURL: String(indexURL) }));
      openExercises(await start(data, load, say));
      say("ready: write in the exercises below, and press Check");
    } catch (error) {
      say(`that did not work: ${error.message ?? error}. The notebook needs none of it.`);
      button.disabled = false;
    }
  });
  place.append(button, words);
}

offer();

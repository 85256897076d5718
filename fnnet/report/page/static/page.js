// Page: the state of the menus and the selection, and what follows from it in every panel.

const all = (view) => Array.from({length: view.size}, (_, row) => row);
const curveFor = (metric) => (curveNames.includes(metric) ? metric : curveNames[0] || null);

const opening = () => ({
  view: data.opens.view, metric: data.opens.metric, others: "mean", x: data.opens.x, color: data.opens.color,
  heatX: data.opens.x, heatY: data.opens.color, curve: curveFor(data.opens.metric), conditions: [], pins: [],
  filter: "", sort: {column: null, isDown: true}, theme: "auto",
});
let state = opening(); // what the address of the page keeps
let now = null; // what follows from it: the view, its selection, the metric, pinned and hovered rows


// Draw all panels for the present state.
function refresh() {
  const view = views.get(state.view), metric = metrics.get(state.metric);
  let filter = [];
  try {
    filter = parseFilter(view, state.filter);
    say("filter-error", "");
  } catch (error) {
    say("filter-error", error.message);
  }
  const conditions = [...state.conditions, ...filter];
  now = {view, metric, selection: select(view, conditions), pins: pinsOf(state.view), hover: -1};
  for (const draw of [drawHead, drawControls, drawLines, drawHeatmap, drawParallel, drawCurves, drawImportance, drawSpread, drawTable]) draw();
  hover(-1);
  hoverParallel(-1);
  keep();
}

function drawHead() {
  say("title", data.title);
  const paragraph = (text) => {
    const element = document.createElement("p");
    element.textContent = text;
    return element;
  };
  by("best").replaceChildren(...data.head.best[state.metric][state.view].map(paragraph));
  by("about").replaceChildren(...data.head.about.map(paragraph));
}

function drawControls() {
  const {view, selection} = now;
  const own = [...view.codes.keys()].map((name) => [name, name]);
  fill("metric", [...metrics.keys()].map((name) => [name, name]), state.metric);
  fill("others", [["mean", "mean of them"], ["best", "best of them"]], state.others);
  for (const key of ["x", "heatX"]) if (!view.codes.has(state[key])) state[key] = own.length ? own[0][0] : null;
  for (const key of ["color", "heatY"]) if (!view.codes.has(state[key])) state[key] = null;
  fill("x", own, state.x);
  fill("color", [["", "—"], ...own], state.color || "");
  fill("heat-x", own, state.heatX);
  fill("heat-y", [["", "—"], ...own], state.heatY || "");
  fill("curve", curveNames.map((name) => [name, name]), state.curve);
  for (const input of by("view").querySelectorAll("input")) input.checked = input.value === state.view;
  const chips = state.conditions.map((condition) => button(`${describe(condition)} ×`, `drop: ${describe(condition)}`, () => {
    state.conditions = state.conditions.filter((each) => each !== condition);
    refresh();
  }));
  if (state.conditions.length || state.filter || state.pins.length) {
    const number = document.createElement("span");
    number.textContent = selection.isAll ? "" : `${selection.rows.length.toLocaleString("en")} of ${view.size.toLocaleString("en")}`;
    chips.unshift(number);
    chips.push(button("clear", "drop all conditions and pins", () => {
      Object.assign(state, {conditions: [], filter: "", pins: []});
      by("filter").value = "";
      refresh();
    }));
  }
  by("chips").replaceChildren(...chips);
}

function button(text, title, onClick) {
  const element = document.createElement("button");
  Object.assign(element, {type: "button", textContent: text, title});
  element.addEventListener("click", onClick);
  return element;
}

function fill(id, options, value) {
  by(id).replaceChildren(...options.map(([key, text]) => new Option(shorten(text, 48), key, false, key === value)));
}

// Replace the conditions that a panel set.
function replace(source, conditions) {
  state.conditions = [...state.conditions.filter((each) => each.source !== source), ...conditions];
  refresh();
}

function toggle(condition) {
  const text = JSON.stringify(condition), had = state.conditions.some((each) => JSON.stringify(each) === text);
  replace(condition.source, had ? [] : [condition]);
}

// Pins are runs; the view of means shows their configurations.
function pinsOf(view) {
  if (view === "runs") return state.pins;
  return [...new Set(state.pins.map((run) => configOfRun[run]))];
}

function pin(row) {
  if (row < 0) return;
  const run = state.view === "runs" ? row : configOfRun.indexOf(row);
  const same = (each) => (state.view === "runs" ? each === run : configOfRun[each] === row);
  state.pins = state.pins.some(same) ? state.pins.filter((each) => !same(each)) : [...state.pins, run].slice(-NUM_HUES);
  refresh();
}

const pinColor = (row) => hue(now.pins.indexOf(row));

// Mark a row in all panels.
function hover(row) {
  if (row === now.hover) return;
  now.hover = row;
  hoverLines(row);
  hoverParallel(row);
  hoverSpread(row);
  hoverTable(row);
  drawCurves();
}

function tell(event, lines) {
  const tooltip = by("tooltip");
  tooltip.hidden = !lines;
  if (!lines) return;
  tooltip.replaceChildren(...lines.map(([name, text]) => {
    const line = document.createElement("div"), key = document.createElement("b"), value = document.createElement("span");
    key.textContent = shorten(name, 40);
    value.textContent = shorten(text, 60);
    line.append(key, value);
    return line;
  }));
  const {clientX, clientY} = event, box = tooltip.getBoundingClientRect();
  tooltip.style.left = `${Math.max(4, clientX + 16 + box.width > innerWidthOfPage() ? clientX - box.width - 12 : clientX + 16)}px`;
  tooltip.style.top = `${Math.max(4, Math.min(clientY + 12, document.documentElement.clientHeight - box.height - 4))}px`;
}

const innerWidthOfPage = () => document.documentElement.clientWidth;

function factsOf(row) {
  if (row < 0) return null;
  const {view} = now, lines = [];
  for (const name of view.codes.keys()) {
    const value = axisValue(view, name, row);
    if (value !== null) lines.push([name, String(value)]);
  }
  for (const [name, {value, low, high}] of view.metrics) {
    const isSingle = value instanceof Float32Array;
    const interval = low && Number.isFinite(low[row]) ? ` (${short(low[row], 5)} to ${short(high[row], 5)})` : "";
    lines.push([name, exact(value[row], isSingle) + interval]);
  }
  if (view === views.get("means")) lines.push(["runs", String(view.numRuns[row])]);
  if (view.numDiverged[row]) lines.push(["diverged", view === views.get("means") ? `${view.numDiverged[row]} of ${view.numRuns[row]}` : `at step ${view.records.get("diverged_at")?.[row] ?? "?"}`]);
  return lines;
}

function factsOfCell(cell) {
  if (!cell) return null;
  const {metric, view} = now, x = axes.get(state.heatX), y = state.heatY && axes.get(state.heatY);
  const lines = [[x.name, x.levels[cell.level]]];
  if (y) lines.push([y.name, cell.otherLevel < y.levels.length ? y.levels[cell.otherLevel] : "missing"]);
  const isSingle = cell.rows.length === 1 && view.metrics.get(metric.name).value instanceof Float32Array;
  lines.push([metric.name, exact(cell.value, isSingle) + (Number.isFinite(cell.low) ? ` (${short(cell.low, 5)} to ${short(cell.high, 5)})` : "")]);
  lines.push(["runs", String(cell.numRuns)]);
  if (cell.numDiverged) lines.push(["diverged", `${cell.numDiverged} of ${cell.numRuns}`]);
  return lines;
}

// What pointers do on each figure.
function connectFigures() {
  const rowAt = {lines: rowAtLines, parallel: rowAtParallel, spread: rowAtSpread};
  const brush = {lines: brushLines, heatmap: brushHeatmap, parallel: brushParallel, spread: brushSpread};
  let pointer = {clientX: 0, clientY: 0};
  document.addEventListener("mousemove", (event) => { pointer = event; }, {capture: true, passive: true});
  for (const [name, find] of Object.entries(rowAt)) {
    model(name).on_event("mousemove", (event) => {
      const row = find(event);
      hover(row);
      tell(pointer, factsOf(row));
    });
    model(name).on_event("tap", (event) => (name === "parallel" ? tapParallel(event) : pin(find(event))));
  }
  model("heatmap").on_event("mousemove", (event) => {
    const cell = cellAt(event);
    hover(cell ? cell.best : -1);
    hoverHeatmap(cell);
    tell(pointer, factsOfCell(cell));
  });
  model("heatmap").on_event("tap", tapHeatmap);
  for (const name of Object.keys(brush)) {
    model(name).on_event("mouseleave", () => {
      hover(-1);
      hoverHeatmap(null);
      tell(pointer, null);
    });
    model(name).on_event("selectiongeometry", ({geometry, final}) => {
      if (!final || geometry.type !== "rect") return;
      const [x0, x1] = [geometry.x0, geometry.x1].sort((a, b) => a - b), [y0, y1] = [geometry.y0, geometry.y1].sort((a, b) => a - b);
      tell(pointer, null);
      brush[name]({x0, x1, y0, y1});
    });
  }
}

function connectControls() {
  const menus = {metric: "metric", others: "others", x: "x", color: "color", "heat-x": "heatX", "heat-y": "heatY", curve: "curve"};
  for (const [id, key] of Object.entries(menus)) {
    by(id).addEventListener("change", (event) => {
      state[key] = event.target.value || null;
      if (key === "metric") {
        state.curve = curveFor(state.metric);
        state.sort = {column: null, isDown: true};
      }
      refresh();
    });
  }
  const words = {runs: "each run", means: "mean over seeds"};
  for (const [view, text] of Object.entries(words)) {
    const label = document.createElement("label"), input = document.createElement("input");
    Object.assign(input, {type: "radio", name: "view", value: view, disabled: !views.has(view)});
    input.addEventListener("change", () => {
      state.view = view;
      refresh();
    });
    label.append(input, document.createTextNode(` ${text}`));
    if (!views.has(view)) label.title = "each configuration has one run";
    by("view").append(label);
  }
  let timer = 0;
  by("filter").addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      state.filter = event.target.value;
      refresh();
    }, 150);
  });
  by("theme").addEventListener("click", () => {
    state.theme = {auto: "dark", dark: "light", light: "auto"}[state.theme];
    dress();
    refresh();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    dress();
    refresh();
  });
}

function dress() {
  document.documentElement.dataset.theme = state.theme;
  by("theme").textContent = {auto: "theme: as the system", dark: "theme: dark", light: "theme: light"}[state.theme];
  paint();
}

function drawFacts() {
  by("facts").replaceChildren(...data.facts.flatMap(([name, text, isCode]) => {
    const key = document.createElement("dt"), value = document.createElement("dd");
    key.textContent = name;
    const inner = isCode ? value.appendChild(document.createElement("code")) : value;
    inner.textContent = text;
    return [key, value];
  }));
}

// Keep the state in the address, so that it can be sent to others and outlives a reload.
function keep() {
  const changed = Object.entries(state).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(opening()[key]));
  const hash = changed.length ? `#${encodeURIComponent(JSON.stringify(Object.fromEntries(changed)))}` : " ";
  try {
    history.replaceState(null, "", hash === " " ? location.pathname + location.search : hash);
  } catch {} // in the frame of a notebook
}

// Take the state from the address, as far as this page has what it names.
function restore() {
  let found = {};
  try {
    found = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  } catch {}
  const start = opening(), isIn = (known) => (value) => known.has(value);
  const runs = views.get("runs").size;
  const valid = {
    view: isIn(views), metric: isIn(metrics), others: isIn(new Set(["mean", "best"])), x: isIn(axes), heatX: isIn(axes),
    color: (value) => value === null || axes.has(value), heatY: (value) => value === null || axes.has(value),
    curve: isIn(new Set(curveNames)), theme: isIn(new Set(["auto", "dark", "light"])),
    filter: (value) => typeof value === "string",
    pins: (value) => Array.isArray(value) && value.every((run) => Number.isInteger(run) && run >= 0 && run < runs),
    sort: (value) => value && typeof value === "object" && typeof value.isDown === "boolean",
    conditions: (value) => Array.isArray(value) && value.every(isCondition),
  };
  for (const [key, check] of Object.entries(valid)) if (found && key in found && check(found[key])) start[key] = found[key];
  return start;
}

function isCondition(condition) {
  if (!condition || typeof condition !== "object") return false;
  if (Array.isArray(condition.configs)) return configOfRun !== null;
  const axis = axes.get(condition.column), codes = [...(condition.codes || []), ...(condition.not || [])];
  if (codes.length && !(axis && codes.every((code) => code in axis.values))) return false;
  return Boolean(axis) || metrics.has(condition.column) || condition.column === "diverged";
}

// Draw again where figures have got another size, since labels are spaced to the room there is.
function followSizes(roots) {
  const sizes = () => roots.flatMap(({name}) => [innerWidth(name), innerHeight(name)]);
  let drawn = sizes(), timer = 0;
  const follow = () => {
    const found = sizes();
    if (found.every((size, i) => Math.abs(size - drawn[i]) < 24)) return; // a longer label alone moves frames a little
    drawn = found;
    refresh();
  };
  for (const root of roots) {
    for (const property of [root.properties.inner_width, root.properties.inner_height]) {
      property.change.connect(() => {
        clearTimeout(timer);
        timer = setTimeout(follow, 60);
      });
    }
  }
}

async function open() {
  state = restore();
  by("filter").value = state.filter;
  connectControls();
  connectTable();
  drawFacts();
  dress();
  const roots = figures.roots();
  await Bokeh.embed.add_document_standalone(figures, document.body, roots.map((root) => by(root.name)));
  connectFigures();
  refresh();
  followSizes(roots);
  if (data.reload_every) setInterval(() => document.hidden || location.reload(), 1000 * data.reload_every);
  document.documentElement.dataset.ready = "yes";
}

open();

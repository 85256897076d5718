// Page: the state of the menus and the selection, from which every panel is drawn.

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const all = (view) => Array.from({length: view.size}, (_, row) => row);
const curveFor = (metric) => (curveNames.includes(metric) ? metric : curveNames[0] || null);

const opening = () => ({
  view: data.opens.view,
  metric: data.opens.metric,
  others: "mean",
  x: data.opens.x,
  color: data.opens.color,
  heatX: data.opens.x,
  heatY: data.opens.color,
  curve: curveFor(data.opens.metric),
  conditions: [],
  pins: [],
  filter: "",
  sort: {column: null, isDown: true},
  theme: "auto",
});
const PANELS = {
  lines: drawLines,
  heatmap: drawHeatmap,
  parallel: drawParallel,
  curves: drawCurves,
  importance: drawImportance,
  spread: drawSpread,
};
let state = opening(); // what the address of the page keeps
let now = null; // what follows from it: the view, its selection, the metric, pinned and hovered rows

// Draw all panels for the current state.
function refresh() {
  const view = views.get(state.view);
  const metric = metrics.get(state.metric);
  let filter = [];
  try {
    filter = parseFilter(view, state.filter);
    say("filter-error", "");
  } catch (error) {
    say("filter-error", error.message);
  }
  const conditions = [...state.conditions, ...filter];
  now = {view, metric, conditions, selection: select(view, conditions), pins: pinsOf(state.view), hover: -1};
  say("where", "");
  for (const draw of [drawHead, drawControls, ...Object.values(PANELS), drawTable]) draw();
  mark(-1);
  hoverHeatmap(null);
  for (const name of Object.keys(PANELS)) by(name).setAttribute("aria-label", by(`${name}-title`).textContent);
  keep();
}

function drawHead() {
  say("title", data.title);
  const paragraph = (text) => {
    const element = document.createElement("p");
    element.textContent = text.replace(/ (?=[=%])|(?<==) /g, "\u00a0"); // no break within n = 4, or before %
    return element;
  };
  by("best").replaceChildren(...data.head.best[state.metric][state.view].map(paragraph));
  by("about").replaceChildren(...data.head.about.map(paragraph));
}

function drawControls() {
  const {view, selection} = now;
  const own = [...view.codes.keys()].map((name) => [name, name]);
  fill(
    "metric",
    [...metrics.keys()].map((name) => [name, name]),
    state.metric,
  );
  fill(
    "others",
    [
      ["mean", "mean of them"],
      ["best", "best of them"],
    ],
    state.others,
  );
  for (const key of ["x", "heatX"]) if (!view.codes.has(state[key])) state[key] = own.length ? own[0][0] : null;
  for (const key of ["color", "heatY"]) if (!view.codes.has(state[key])) state[key] = null;
  fill("x", own, state.x);
  fill("color", [["", "—"], ...own], state.color || "");
  fill("heat-x", own, state.heatX);
  fill("heat-y", [["", "—"], ...own], state.heatY || "");
  fill(
    "curve",
    curveNames.map((name) => [name, name]),
    state.curve,
  );
  for (const input of by("view").querySelectorAll("input")) input.checked = input.value === state.view;
  const chips = state.conditions.map((condition) =>
    button(`${describe(condition)} ×`, `drop: ${describe(condition)}`, () => {
      state.conditions = state.conditions.filter((each) => each !== condition);
      refresh();
    }),
  );
  if (state.conditions.length || state.filter || state.pins.length) {
    const number = document.createElement("span");
    number.textContent = selection.isAll ? "" : `${count(selection.rows.length)} of ${count(view.size)}`;
    chips.unshift(number);
    chips.push(
      button("clear", "drop all conditions and pins", () => {
        Object.assign(state, {conditions: [], filter: "", pins: []});
        by("filter").value = "";
        refresh();
      }),
    );
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
  const text = JSON.stringify(condition);
  const had = state.conditions.some((each) => JSON.stringify(each) === text);
  replace(condition.source, had ? [] : [condition]);
}

function connectControls() {
  const menus = {
    metric: "metric",
    others: "others",
    x: "x",
    color: "color",
    "heat-x": "heatX",
    "heat-y": "heatY",
    curve: "curve",
  };
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
    const label = document.createElement("label");
    const input = document.createElement("input");
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
    dress(state.theme);
    refresh();
  });
  prefersDark.addEventListener("change", () => {
    dress(state.theme);
    refresh();
  });
  window.addEventListener("beforeprint", () => fitToPaper(true));
  window.addEventListener("beforeprint", paintOnPaper); // after what the former leaves to promises
  window.addEventListener("afterprint", () => fitToPaper(false));
}

function dress(name) {
  document.documentElement.dataset.theme = name;
  by("theme").textContent = `theme: ${name === "auto" ? "as the system" : name}`;
  paint(name === "dark" || (name === "auto" && prefersDark.matches));
}

const painters = () => figures.roots().map((figure) => Bokeh.index.get_one_by_id(figure.id));

// Give the page the width of paper and the light theme, or take them back, before the browser goes on.
function fitToPaper(isPaper) {
  document.documentElement.classList.toggle("paper", isPaper);
  dress(isPaper ? "light" : state.theme);
  for (const picture of document.querySelectorAll(".picture")) picture.remove();
  for (const painter of painters()) painter.after_resize();
  refresh();
}

function paintOnPaper() {
  for (const painter of painters()) {
    if (!painter.is_displayed) continue; // its panel is empty
    painter.repaint();
    by(painter.model.name).append(pictureOf(painter.canvas_view.primary.canvas));
  }
}

// Copy a canvas in one stroke: of a canvas that was drawn in several, Chromium prints the last one only.
function pictureOf(canvas) {
  const {width, height} = canvas;
  const picture = Object.assign(document.createElement("canvas"), {className: "picture", width, height});
  picture.getContext("2d").drawImage(canvas, 0, 0);
  return picture;
}

function drawFacts() {
  by("facts").replaceChildren(
    ...data.facts.flatMap(([name, text, isCode]) => {
      const key = document.createElement("dt");
      const value = document.createElement("dd");
      key.textContent = name;
      const inner = isCode ? value.appendChild(document.createElement("code")) : value;
      inner.textContent = text;
      return [key, value];
    }),
  );
}

// Redraw a figure when its size has changed, since the spacing of labels depends on it.
function followSizes() {
  for (const [name, draw] of Object.entries(PANELS)) {
    const {inner_width, inner_height} = model(name).properties;
    const size = () => [innerWidth(name), innerHeight(name)];
    let drawn = size();
    let timer = 0;
    const follow = () => {
      const found = size();
      if (found.every((length, i) => Math.abs(length - drawn[i]) < 24)) return; // longer labels move frames a little
      drawn = found;
      draw();
    };
    for (const property of [inner_width, inner_height]) {
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
  connectExport();
  drawFacts();
  dress(state.theme);
  const roots = figures.roots();
  await Bokeh.embed.add_document_standalone(
    figures,
    document.body,
    roots.map((root) => by(root.name)),
  );
  connectFigures();
  refresh();
  followSizes();
  if (data.reload_every) setInterval(() => document.hidden || location.reload(), 1000 * data.reload_every);
  document.documentElement.dataset.ready = "yes";
}

open();

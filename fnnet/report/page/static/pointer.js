// Pointer: the row under it is marked in all panels and described in a tooltip; clicks pin, drags select.

// Mark a row in all panels, and show its curve.
function hover(row) {
  if (row === now.hover) return;
  now.hover = row;
  mark(row);
  hoverTable(row);
  drawCurves();
}

function mark(row) {
  for (const show of [hoverLines, hoverParallel, hoverSpread]) show(row);
}

function tell(event, lines) {
  const tooltip = by("tooltip");
  tooltip.hidden = !lines;
  if (!lines) return;
  tooltip.replaceChildren(
    ...lines.map(([name, text]) => {
      const line = document.createElement("div");
      const key = document.createElement("b");
      const value = document.createElement("span");
      key.textContent = shorten(name, 40);
      value.textContent = shorten(text, 60);
      line.append(key, value);
      return line;
    }),
  );
  const {clientX, clientY} = event;
  const {clientWidth, clientHeight} = document.documentElement;
  const {width, height} = tooltip.getBoundingClientRect();
  const left = clientX + 16 + width > clientWidth ? clientX - width - 12 : clientX + 16;
  tooltip.style.left = `${Math.max(4, left)}px`;
  tooltip.style.top = `${Math.max(4, Math.min(clientY + 12, clientHeight - height - 4))}px`;
}

const interval = (low, high) => (Number.isFinite(low) ? ` (${short(low, 5)} to ${short(high, 5)})` : "");

function factsOf(row) {
  if (row < 0) return null;
  const {view} = now;
  const lines = [];
  for (const name of view.codes.keys()) {
    const value = axisValue(view, name, row);
    if (value !== null) lines.push([name, String(value)]);
  }
  for (const [name, {value, low, high}] of view.metrics) {
    const isSingle = value instanceof Float32Array;
    lines.push([name, exact(value[row], isSingle) + interval(low?.[row], high?.[row])]);
  }
  const [numRuns, numDiverged] = [view.numRuns[row], view.numDiverged[row]];
  const isRun = unitOf(view) === "run";
  if (!isRun) lines.push(["runs", String(numRuns)]);
  const when = `at step ${view.records.get("diverged_at")?.[row] ?? "?"}`;
  if (numDiverged) lines.push(["diverged", isRun ? when : `${numDiverged} of ${numRuns}`]);
  return lines;
}

function factsOfCell(cell) {
  if (!cell) return null;
  const {metric, view} = now;
  const x = axes.get(state.heatX);
  const y = state.heatY && axes.get(state.heatY);
  const lines = [[x.name, x.levels[cell.level]]];
  if (y) lines.push([y.name, cell.otherLevel < y.levels.length ? y.levels[cell.otherLevel] : "missing"]);
  const isSingle = cell.rows.length === 1 && view.metrics.get(metric.name).value instanceof Float32Array;
  lines.push([metric.name, exact(cell.value, isSingle) + interval(cell.low, cell.high)]);
  lines.push(["runs", String(cell.numRuns)]);
  if (cell.numDiverged) lines.push(["diverged", `${cell.numDiverged} of ${cell.numRuns}`]);
  return lines;
}

// What pointers do on each figure.
function connectFigures() {
  const rowAt = {lines: rowAtLines, parallel: rowAtParallel, spread: rowAtSpread};
  const brush = {lines: brushLines, heatmap: brushHeatmap, parallel: brushParallel, spread: brushSpread};
  let pointer = {clientX: 0, clientY: 0};
  document.addEventListener(
    "mousemove",
    (event) => {
      pointer = event;
    },
    {capture: true, passive: true},
  );
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
      const [x0, x1] = [geometry.x0, geometry.x1].sort((a, b) => a - b);
      const [y0, y1] = [geometry.y0, geometry.y1].sort((a, b) => a - b);
      tell(pointer, null);
      brush[name]({x0, x1, y0, y1});
    });
  }
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

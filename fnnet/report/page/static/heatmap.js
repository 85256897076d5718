// Heat map: the metric over two axes, one cell per pair of levels; hatched where runs diverged.

let cells = [];

function drawHeatmap() {
  const {view, selection, metric} = now;
  const x = axes.get(state.heatX), y = state.heatY ? axes.get(state.heatY) : null;
  if (!x) return;
  cells = group(view, selection.rows, x, y, metric, state.others).map((cell) => ({
    ...cell, place: cell.numDiverged === cell.numRuns ? NaN : placeOfMetric(metric, cell.value)}));
  const numX = x.levels.length, hasMissing = y && cells.some((cell) => cell.otherLevel === y.levels.length);
  const numY = y ? y.levels.length + hasMissing : 1;
  const room = {x: innerWidth("heatmap") / numX, y: innerHeight("heatmap") / numY};

  // Colors tell cells without diverged runs apart, where there are any.
  let places = cells.filter((cell) => cell.numDiverged === 0).map((cell) => cell.place).filter(Number.isFinite);
  if (new Set(places).size < 2) places = cells.map((cell) => cell.place).filter(Number.isFinite);
  const low = places.reduce((a, b) => Math.min(a, b), Infinity), high = places.reduce((a, b) => Math.max(a, b), -Infinity);
  const isFlat = !(low < high);
  const mapper = model("heatmap.mapper");
  mapper.palette = metric.higher === false ? [...VIRIDIS].reverse() : VIRIDIS;
  mapper.setv({low: isFlat ? (Number.isFinite(low) ? low - 1 : 0) : low, high: isFlat ? (Number.isFinite(low) ? low + 1 : 1) : high});
  const bar = model("heatmap.bar"), ticks = isFlat ? [] : ticksOf(metric.scale, low, high, 5);
  bar.ticker.ticks = ticks.map(([place]) => place);
  bar.major_label_overrides = new Map(ticks.map(([place, text]) => [place, plain(text)]));

  const columns = (chosen) => ({x: chosen.map((cell) => cell.level), y: chosen.map((cell) => cell.otherLevel)});
  put("heatmap.cells", {...columns(cells), value: cells.map((cell) => cell.place), alpha: cells.map(() => 1)});
  const some = cells.filter((cell) => cell.numDiverged > 0 && cell.numDiverged < cell.numRuns);
  put("heatmap.some", {...columns(some), alpha: some.map((cell) => 0.35 + 0.6 * cell.numDiverged / cell.numRuns)});
  put("heatmap.all", columns(cells.filter((cell) => cell.numDiverged === cell.numRuns)));

  const written = room.x >= 34 && room.y >= 16 ? cells.filter((cell) => Number.isFinite(cell.place)) : [];
  const share = (place) => (isFlat ? 0.5 : Math.max(0, Math.min(1, (place - low) / (high - low))));
  const isBright = (cell) => (metric.higher === false ? 1 - share(cell.place) : share(cell.place)) > 0.6;
  put("heatmap.text", {...columns(written), text: written.map((cell) => short(cell.value, room.x > 44 ? 3 : 2)),
    color: written.map((cell) => (isBright(cell) ? "#000000" : "#ffffff"))});
  const best = metric.higher === null ? [] : bestOfRows(metric);
  put("heatmap.best", columns(best));

  const yTicks = !y ? [] : [...y.levels.entries(), ...(hasMissing ? [[y.levels.length, "missing"]] : [])];
  const xTicks = [...x.levels.entries()].map(([level, text]) => [level, shorten(text.replace(" to ", "–"), 16)]);
  const isTurned = xTicks.some(([, text]) => text.length * 6.8 + 6 > room.x);
  model("heatmap.x").major_label_orientation = isTurned ? 0.7 : "horizontal";
  setAxis("heatmap.x", -0.5, numX - 0.5, isTurned ? thin(xTicks, Math.max(2, Math.floor(innerWidth("heatmap") / 18))) : xTicks, x.name);
  setAxis("heatmap.y", -0.5, numY - 0.5, thin(yTicks, Math.max(2, Math.floor(innerHeight("heatmap") / 14))).map(([level, text]) => [level, shorten(text, 18)]), y ? y.name : "");
  say("heatmap-title", `${metric.name} over ${x.name}${y ? ` and ${y.name}` : ""}`);
  const notes = [`Each cell is the ${state.others === "best" ? "best" : "mean"} of its ${state.view === "means" ? "configurations" : "runs"}; the outlined one is the best of its row.`];
  if (some.length) notes.push("Hatched: some runs diverged, the darker the more.");
  if (cells.some((cell) => cell.numDiverged === cell.numRuns)) notes.push("Crossed on gray: all diverged.");
  if (cells.some((cell) => !Number.isFinite(cell.place) && cell.numDiverged < cell.numRuns)) notes.push("Gray: no finite value.");
  if (metric.scale === "log") notes.push("Colors are logarithmic.");
  say("heatmap-note", `${notes.join(" ")} Click a cell to keep what is in it.`);
}

// The best cell of each line, where it has several.
function bestOfRows(metric) {
  return [...Map.groupBy(cells.filter((cell) => Number.isFinite(cell.place)), (cell) => cell.otherLevel).values()]
    .filter((line) => line.length > 1)
    .map((line) => line.reduce((best, cell) => (compare(metric, cell.value, best.value) < 0 ? cell : best)));
}

function cellAt(event) {
  return cells.find((cell) => cell.level === Math.round(event.x) && cell.otherLevel === Math.round(event.y));
}

function hoverHeatmap(cell) {
  put("heatmap.hover", cell ? {x: [cell.level], y: [cell.otherLevel], color: [theme.ink]} : {x: [], y: [], color: []});
}

function tapHeatmap(event) {
  const cell = cellAt(event);
  if (!cell) return;
  const x = axes.get(state.heatX), y = state.heatY && axes.get(state.heatY);
  const conditions = [levelCondition(x, cell.level, "heatmap")];
  if (y) conditions.push(levelCondition(y, cell.otherLevel, "heatmap"));
  const isSame = JSON.stringify(conditions) === JSON.stringify(state.conditions.filter(({source}) => source === "heatmap"));
  replace("heatmap", isSame ? [] : conditions);
}

function brushHeatmap({x0, x1, y0, y1}) {
  const inside = (axis, low, high) => {
    const levels = [...Array(axis.levels.length + 1).keys()].filter((level) => level >= low - 0.5 && level <= high + 0.5);
    return {column: axis.name, codes: levels.flatMap((level) => codesOfLevel(axis, level)),
      missing: levels.includes(axis.levels.length) && axis.name === state.heatY, source: "heatmap"};
  };
  const y = state.heatY && axes.get(state.heatY);
  replace("heatmap", [inside(axes.get(state.heatX), x0, x1), ...(y ? [inside(y, y0, y1)] : [])]);
}

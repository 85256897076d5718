// Heat map: the metric over two axes, one cell per pair of levels; hatched where runs diverged.

let cells = [];

function drawHeatmap() {
  const {view, selection, metric} = now;
  const x = axes.get(state.heatX);
  by("panel-heatmap").classList.toggle("empty", !x);
  if (!x) return say("heatmap-note", "The runs differ in no axis.");
  const y = state.heatY ? axes.get(state.heatY) : null;
  cells = group(view, selection.rows, x, y, metric, state.others).map((cell) => ({
    ...cell,
    place: isAllLost(cell) ? NaN : placeOfMetric(metric, cell.value),
  }));
  const yLevels = y ? [...y.levels] : [""];
  if (y && cells.some(({otherLevel}) => otherLevel === y.levels.length)) yLevels.push("missing");
  const room = {x: innerWidth("heatmap") / x.levels.length, y: innerHeight("heatmap") / yLevels.length};
  const colors = setColors();
  drawCells(room, colors);
  drawLevels(x, y, yLevels, room);
  say("heatmap-title", `${metric.name} over ${x.name}${y ? ` and ${y.name}` : ""}`);
  noteHeatmap();
}

const isAllLost = ({numDiverged, numRuns}) => numDiverged === numRuns;
const isSomeLost = ({numDiverged, numRuns}) => numDiverged > 0 && numDiverged < numRuns;
const placed = (chosen) => ({x: chosen.map(({level}) => level), y: chosen.map(({otherLevel}) => otherLevel)});

// Set the color limits, from cells without diverged runs if there are any; return the share of a position.
function setColors() {
  const {metric} = now;
  const known = cells.filter(({place}) => Number.isFinite(place));
  const whole = known.filter(({numDiverged}) => numDiverged === 0).map(({place}) => place);
  const places = new Set(whole).size > 1 ? whole : known.map(({place}) => place);
  const [low, high] = new Set(places).size > 1 ? extent(places, 0) : extent(places, 10);
  model("heatmap.mapper").palette = metric.higher === false ? [...VIRIDIS].reverse() : VIRIDIS;
  model("heatmap.mapper").setv({low, high});
  const ticks = new Set(places).size > 1 ? ticksOf(metric.scale, low, high, 5) : [];
  const bar = model("heatmap.bar");
  bar.ticker.ticks = ticks.map(([place]) => place);
  bar.major_label_overrides = new Map(ticks.map(([place, text]) => [place, plain(text)]));
  return (place) => Math.max(0, Math.min(1, (place - low) / (high - low)));
}

function drawCells(room, share) {
  const {metric} = now;
  put("heatmap.cells", {...placed(cells), value: cells.map(({place}) => place)});
  const brightness = ({place}) => (metric.higher === false ? 1 - share(place) : share(place));
  const some = cells.filter(isSomeLost);
  put("heatmap.some", {
    ...placed(some),
    alpha: some.map((cell) => 0.35 + (0.6 * cell.numDiverged) / cell.numRuns),
    color: some.map((cell) => (brightness(cell) <= 0.6 ? "#dddddd" : "#333333")),
  });
  put("heatmap.all", placed(cells.filter(isAllLost)));
  const isWritten = room.x >= 34 && room.y >= 16;
  const written = isWritten ? cells.filter(({place}) => Number.isFinite(place)) : [];
  put("heatmap.text", {
    ...placed(written),
    text: written.map(({value}) => short(value, room.x > 44 ? 3 : 2)),
    color: written.map((cell) => (brightness(cell) > 0.6 ? "#000000" : "#ffffff")),
    back: written.map((cell) => VIRIDIS[Math.round(255 * brightness(cell))]),
  });
  put("heatmap.best", placed(metric.higher === null ? [] : bestOfRows(metric)));
}

function drawLevels(x, y, yLevels, room) {
  const xTicks = x.levels.map((text, level) => [level, shorten(text.replace(" to ", "–"), 19)]);
  const yTicks = yLevels.map((text, level) => [level, shorten(text, 18)]);
  const isTurned = xTicks.some(([, text]) => text.length * 6.8 + 6 > room.x);
  const most = Math.max(2, Math.floor(innerWidth("heatmap") / 18));
  model("heatmap.x").major_label_orientation = isTurned ? 0.7 : "horizontal";
  setAxis("heatmap.x", -0.5, x.levels.length - 0.5, isTurned ? thin(xTicks, most) : xTicks, x.name);
  const lines = Math.max(2, Math.floor(innerHeight("heatmap") / 14));
  setAxis("heatmap.y", -0.5, yLevels.length - 0.5, thin(yTicks, lines), y ? y.name : "");
}

function noteHeatmap() {
  const {metric, view} = now;
  const what = `${state.others === "best" ? "best" : "mean"} of its ${unitOf(view)}s`;
  const notes = [`Each cell is the ${what}; the outlined one is the best of its row.`];
  if (cells.some(isSomeLost)) notes.push("Hatched: some runs diverged, the stronger the more.");
  if (cells.some(isAllLost)) notes.push("Crossed on gray: all diverged.");
  if (cells.some((cell) => !Number.isFinite(cell.place) && !isAllLost(cell))) notes.push("Gray: no finite value.");
  if (metric.scale === "log") notes.push("Colors are logarithmic.");
  say("heatmap-note", `${notes.join(" ")} Click a cell to keep what is in it.`);
}

// The best cell of each line, where it has several.
function bestOfRows(metric) {
  return [
    ...Map.groupBy(
      cells.filter((cell) => Number.isFinite(cell.place)),
      (cell) => cell.otherLevel,
    ).values(),
  ]
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
  const x = axes.get(state.heatX);
  const y = state.heatY && axes.get(state.heatY);
  const conditions = [levelCondition(x, cell.level, "heatmap")];
  if (y) conditions.push(levelCondition(y, cell.otherLevel, "heatmap"));
  const isSame =
    JSON.stringify(conditions) === JSON.stringify(state.conditions.filter(({source}) => source === "heatmap"));
  replace("heatmap", isSame ? [] : conditions);
}

function brushHeatmap({x0, x1, y0, y1}) {
  const inside = (axis, low, high) => {
    const levels = [...Array(axis.levels.length + 1).keys()].filter(
      (level) => level >= low - 0.5 && level <= high + 0.5,
    );
    return {
      column: axis.name,
      codes: levels.flatMap((level) => codesOfLevel(axis, level)),
      missing: levels.includes(axis.levels.length) && axis.name === state.heatY,
      source: "heatmap",
    };
  };
  const y = state.heatY && axes.get(state.heatY);
  replace("heatmap", [inside(axes.get(state.heatX), x0, x1), ...(y ? [inside(y, y0, y1)] : [])]);
}

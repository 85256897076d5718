// Lines: the metric over an axis, one line per level of another axis; diverged rows are at the worse edge.

const MAX_DRAWN_POINTS = 10000;
const MAX_GHOST_POINTS = 2000; // of rows that are not kept
const lines = {rows: [], x: [], y: []}; // what is drawn where, for the pointer

function drawLines() {
  const x = axes.get(state.x);
  by("panel-lines").classList.toggle("empty", !x);
  if (!x) return say("lines-note", "The runs differ in no axis.");
  const color = state.color ? axes.get(state.color) : null;
  const plot = {x, color, ...summarize(x, color), ...rowsToDraw()};
  Object.assign(plot, frameOf(plot));
  drawParts(plot);
  drawPoints(plot);
  const {metric} = now;
  setAxis("lines.y", plot.low - plot.below, plot.high + plot.above, plot.ticks, metric.name);
  setAxis("lines.x", plot.left, plot.right, ticksOfAxis(x, plot.left, plot.right, innerWidth("lines")), x.name);
  say("lines-title", `${metric.name} across ${x.name}${color ? `, by ${color.name}` : ""}`);
  drawLegend(plot);
  noteLines(plot);
}

// The kept rows grouped by the levels of both axes, placed on the figure.
function summarize(x, color) {
  const {view, selection, metric} = now;
  const places = levelPlaces(x);
  const groups = group(view, selection.rows, x, color, metric, state.others).map((each) => ({
    ...each,
    x: places[each.level],
    y: placeOfMetric(metric, each.value),
  }));
  return {groups, isSummary: groups.some(({rows}) => rows.length > 1)};
}

// The rows that are drawn as points: kept ones, and as ghosts others.
function rowsToDraw() {
  const {view, selection} = now;
  const others = selection.isAll ? [] : all(view).filter((row) => !selection.isChosen[row]);
  return {ghosts: thin(others, MAX_GHOST_POINTS), chosen: thin(selection.rows, MAX_DRAWN_POINTS)};
}

// The limits of the figure, with a lane at the worse edge where rows diverged.
function frameOf({x, groups, chosen}) {
  const {view, metric} = now;
  const heights = [...chosen.map(heightOf), ...groups.map(({y}) => y)].filter(Number.isFinite);
  const [low, high] = extent([...heights, ...boundsOf(groups, heights)]);
  const isCut = groups.some((each) => placeOfMetric(metric, each.low) < low || placeOfMetric(metric, each.high) > high);
  const [left, right] = extent(x.positions);
  const numLost = chosen.filter((row) => view.numDiverged[row] > 0 || !Number.isFinite(heightOf(row))).length;
  const lane = numLost ? 0.09 * (high - low) : 0;
  const isTop = metric.higher === false;
  const edge = isTop ? high + 0.6 * lane : low - 0.6 * lane;
  const ticks = ticksOf(metric.scale, low, high, 6);
  if (numLost) ticks.push([edge, "diverged"]);
  return {low, high, left, right, numLost, isCut, edge, ticks, above: isTop ? lane : 0, below: isTop ? 0 : lane};
}

// The bounds of intervals, clipped to one median width beyond the means: with few seeds, some are very wide.
function boundsOf(groups, heights) {
  const place = (bound) => placeOfMetric(now.metric, bound);
  const bounds = groups.map(({low, high}) => [place(low), place(high)]).filter((pair) => pair.every(Number.isFinite));
  const widths = bounds.map(([low, high]) => high - low).sort((a, b) => a - b);
  const [least, most] = extent(heights, 0);
  const beyond = widths[widths.length >> 1] ?? 0;
  return bounds.flat().map((bound) => Math.max(least - beyond, Math.min(most + beyond, bound)));
}

// The place of a row's value; NaN where it stands at the edge.
function heightOf(row) {
  const {view, metric} = now;
  const value = view.metrics.get(metric.name).value[row];
  return isLost(view, row, value) ? NaN : placeOfMetric(metric, value);
}

function drawParts({color, groups, low, high}) {
  const {metric} = now;
  const parts = {xs: [], ys: [], color: []};
  const bands = {xs: [], ys: [], color: []};
  const clip = (bound) => {
    if (Number.isNaN(bound)) return NaN;
    const place = metric.scale !== "log" ? bound : bound > 0 ? Math.log10(bound) : -Infinity;
    return Math.max(low, Math.min(high, place));
  };
  for (const [level, points] of Map.groupBy(groups, ({otherLevel}) => otherLevel)) {
    const shown = color ? levelColor(color, level) : hue(0);
    const ordered = points.map((each) => ({...each, low: clip(each.low), high: clip(each.high)}));
    for (const part of segments(ordered.sort((a, b) => a.x - b.x))) {
      addPart(parts, part.x, part.y, {color: shown});
      const band = outline(part);
      addPart(bands, band.x, band.y, {color: shown});
    }
  }
  put("lines.lines", parts);
  put("lines.bands", bands);
}

function drawPoints({x, color, ghosts, chosen, isSummary, edge}) {
  const {view, selection} = now;
  const codes = view.codes.get(x.name);
  const drawn = [...ghosts, ...chosen].filter((row) => codes[row] >= 0);
  lines.rows = drawn;
  lines.x = drawn.map((row) => x.positions[codes[row]]);
  lines.y = drawn.map((row) => (Number.isFinite(heightOf(row)) ? heightOf(row) : edge));
  const isKept = (i) => selection.isChosen[drawn[i]];
  const inside = [...drawn.keys()].filter((i) => lines.y[i] !== edge);
  put("lines.points", {
    x: inside.map((i) => lines.x[i]),
    y: inside.map((i) => lines.y[i]),
    color: inside.map((i) => (isKept(i) ? rowColor(color, drawn[i]) : theme.ghost)),
    alpha: inside.map((i) => (isKept(i) && !isSummary ? 1 : isKept(i) ? 0.65 : 0.5)),
    size: inside.map(() => (isSummary ? 5 : 6)),
  });
  const share = (i) => view.numDiverged[drawn[i]] / view.numRuns[drawn[i]];
  const lost = [...drawn.keys()].filter((i) => isKept(i) && (share(i) > 0 || lines.y[i] === edge));
  put("lines.edge", {
    x: lost.map((i) => lines.x[i]),
    y: lost.map(() => edge),
    color: lost.map((i) => rowColor(color, drawn[i])),
    alpha: lost.map((i) => Math.max(0.25, share(i))),
  });
}

function rowColor(axis, row) {
  if (!axis) return hue(0);
  const code = now.view.codes.get(axis.name)[row];
  return levelColor(axis, code < 0 ? axis.levels.length : axis.levelOfValue[code]);
}

function drawLegend({color, groups}) {
  if (!color) return legend("lines-legend", "", []);
  const levels = [...new Set(groups.map(({otherLevel}) => otherLevel))].sort((a, b) => a - b);
  const entries = levels.map((level) => ({
    color: levelColor(color, level),
    text: level < color.levels.length ? color.levels[level] : `${color.name} is missing`,
    onClick: () => toggle(levelCondition(color, level, "legend")),
  }));
  legend("lines-legend", color.name, entries);
}

function noteLines({x, groups, isSummary, numLost, isCut, chosen}) {
  const {view, selection} = now;
  const unit = unitOf(view);
  const notes = [];
  if (!isSummary && unit === "run") notes.push("Each point is a run.");
  else if (!isSummary) notes.push("Each point is the mean of a configuration's seeds; bands are 95 % intervals.");
  else if (state.others === "best") notes.push(`Points are ${unit}s; a line follows the best of each group.`);
  else {
    notes.push(`Points are ${unit}s; a line is the mean of those at the same ${x.name}, with a 95 % interval.`);
    if (groups.some(({y}) => !Number.isFinite(y))) notes.push("It breaks where a value is not finite.");
  }
  if (isCut) notes.push("Bands that leave the figure are cut.");
  if (x.levels.length < x.values.length) {
    const bins = `${x.levels.length} bins of as many ${unit}s`;
    notes.push(`${x.name} has ${count(x.values.length)} values, so a line averages over ${bins}.`);
  }
  if (numLost) {
    const what = unit === "run" ? "that diverged" : "with diverged runs, the paler the fewer,";
    notes.push(`× at the edge: ${count(numLost)} ${what} or without a finite value.`);
  }
  if (chosen.length < selection.rows.length) {
    notes.push(`${count(chosen.length)} of ${count(selection.rows.length)} points are drawn; lines use all.`);
  }
  const numMissing = selection.rows.filter((row) => view.codes.get(x.name)[row] < 0).length;
  if (numMissing) notes.push(`${count(numMissing)} ${unit}s have no ${x.name}.`);
  say("lines-note", notes.join(" "));
}

// Where the levels of an axis lie: at their values, or in the middle of their bin.
function levelPlaces(axis) {
  const sums = new Float64Array(axis.levels.length);
  const numbers = new Float64Array(axis.levels.length);
  axis.positions.forEach((place, code) => {
    sums[axis.levelOfValue[code]] += place;
    numbers[axis.levelOfValue[code]] += 1;
  });
  return sums.map((sum, level) => sum / numbers[level]);
}

function codesOfLevel(axis, level) {
  return [...axis.levelOfValue.keys()].filter((code) => axis.levelOfValue[code] === level);
}

function levelCondition(axis, level, source) {
  if (level >= axis.levels.length) return {column: axis.name, codes: [], missing: true, source};
  return {column: axis.name, codes: codesOfLevel(axis, level), source};
}

// The values of an axis between two places, as a condition.
function axisCondition(axis, low, high, source) {
  const codes = [...axis.positions.keys()].filter(
    (code) => axis.positions[code] >= low && axis.positions[code] <= high,
  );
  return {column: axis.name, codes, source};
}

function metricCondition(metric, low, high, source) {
  return {column: metric.name, low: valueAt(metric.scale, low), high: valueAt(metric.scale, high), source};
}

function brushLines({x0, x1, y0, y1}) {
  const x = axes.get(state.x);
  const {metric} = now;
  const limits = model("lines").y_range;
  const edge = model("lines.edge").data.get("y")[0];
  const condition = metricCondition(metric, y0, y1, "lines");
  if (edge !== undefined && y0 <= edge && edge <= y1) condition.diverged = condition.missing = true;
  if (y0 <= limits.start) delete condition.low;
  if (y1 >= limits.end) delete condition.high;
  if (!("low" in condition) && !("high" in condition)) condition.low = -Infinity;
  replace("lines", [axisCondition(x, x0, x1, "lines"), condition]);
}

function rowAtLines(event) {
  const found = nearest("lines", event, lines.x, lines.y);
  return found < 0 ? -1 : lines.rows[found];
}

function hoverLines(row) {
  const i = row < 0 ? -1 : lines.rows.indexOf(row);
  put("lines.hover", i < 0 ? {x: [], y: [], color: []} : {x: [lines.x[i]], y: [lines.y[i]], color: [theme.ink]});
}

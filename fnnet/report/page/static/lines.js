// Lines: an axis against the metric, one line per level of another axis; diverged rows stand at the worse edge.

const MAX_DRAWN_POINTS = 10000;
const MAX_GHOST_POINTS = 2000; // of rows that are not kept
const lines = {rows: [], x: [], y: []}; // what is drawn where, for the pointer

function drawLines() {
  const {view, selection, metric} = now;
  const x = axes.get(state.x), color = state.color ? axes.get(state.color) : null;
  if (!x) return;
  const codes = view.codes.get(x.name), colorCodes = color && view.codes.get(color.name);
  const values = view.metrics.get(metric.name).value;
  const place = (row) => (isLost(view, row, values[row]) ? NaN : placeOfMetric(metric, values[row]));
  const colorOf = (row) => (!color ? hue(0)
    : levelColor(color, colorCodes[row] < 0 ? color.levels.length : color.levelOfValue[colorCodes[row]]));

  const groups = group(view, selection.rows, x, color, metric, state.others);
  const isSummary = groups.some((each) => each.rows.length > 1);
  const levels = levelPlaces(x);
  const summaries = groups.map((each) => ({...each, x: levels[each.level], y: placeOfMetric(metric, each.value)}));
  const ghosts = selection.isAll ? [] : thin(all(view).filter((row) => !selection.isChosen[row]), MAX_GHOST_POINTS);
  const chosen = thin(selection.rows, MAX_DRAWN_POINTS);

  const heights = [...chosen.map(place), ...summaries.map(({y}) => y)].filter(Number.isFinite);
  const [low, high] = extent(heights), isTop = metric.higher === false;
  const lost = chosen.filter((row) => view.numDiverged[row] > 0 || !Number.isFinite(place(row)));
  const lane = lost.length ? 0.09 * (high - low) : 0;
  const edge = isTop ? high + 0.6 * lane : low - 0.6 * lane;
  const [left, right] = extent(x.positions.length ? x.positions : [0]);
  const clip = (value) => (Number.isNaN(value) ? NaN : Math.max(low, Math.min(high, metric.scale === "log" ? (value > 0 ? Math.log10(value) : low) : value)));

  const parts = {xs: [], ys: [], color: []}, bands = {xs: [], ys: [], color: []};
  const ofColor = Map.groupBy(summaries, (each) => each.otherLevel);
  for (const [level, points] of ofColor) {
    points.sort((a, b) => a.x - b.x);
    const shown = color ? levelColor(color, level) : hue(0);
    for (const part of segments(points.map((each) => ({...each, low: clip(each.low), high: clip(each.high)})))) {
      parts.xs.push(part.x); parts.ys.push(part.y); parts.color.push(shown);
      const band = outline(part);
      bands.xs.push(band.x); bands.ys.push(band.y); bands.color.push(shown);
    }
  }
  put("lines.lines", parts);
  put("lines.bands", bands);

  const drawn = [...ghosts, ...chosen].filter((row) => codes[row] >= 0);
  Object.assign(lines, {rows: drawn, x: drawn.map((row) => x.positions[codes[row]]), y: drawn.map((row) => {
    const height = place(row);
    return Number.isFinite(height) ? height : edge;
  })});
  const atValue = drawn.map((row, i) => i).filter((i) => lines.y[i] !== edge);
  put("lines.points", {
    x: atValue.map((i) => lines.x[i]), y: atValue.map((i) => lines.y[i]),
    color: atValue.map((i) => (selection.isChosen[drawn[i]] ? colorOf(drawn[i]) : theme.ghost)),
    alpha: atValue.map((i) => (selection.isChosen[drawn[i]] ? (isSummary ? 0.65 : 1) : 0.5)),
    size: atValue.map(() => (isSummary ? 5 : 6)),
  });
  const atEdge = drawn.map((row, i) => i).filter((i) => codes[drawn[i]] >= 0 && selection.isChosen[drawn[i]] &&
    (view.numDiverged[drawn[i]] > 0 || lines.y[i] === edge));
  put("lines.edge", {
    x: atEdge.map((i) => lines.x[i]), y: atEdge.map(() => edge),
    color: atEdge.map((i) => colorOf(drawn[i])),
    alpha: atEdge.map((i) => Math.max(0.25, view.numDiverged[drawn[i]] / view.numRuns[drawn[i]])),
  });

  const ticks = ticksOf(metric.scale, low, high, 6);
  if (lost.length) ticks.push([edge, "diverged"]);
  setAxis("lines.y", isTop ? low : low - lane, isTop ? high + lane : high, ticks, metric.name);
  setAxis("lines.x", left, right, ticksOfAxis(x, left, right, innerWidth("lines")), x.name);
  say("lines-title", `${metric.name} across ${x.name}${color ? `, by ${color.name}` : ""}`);
  const entries = !color ? [] : [...ofColor.keys()].sort((a, b) => a - b).map((level) => ({
    color: levelColor(color, level),
    text: level < color.levels.length ? color.levels[level] : `${color.name} is missing`,
    onClick: () => toggle(levelCondition(color, level, "legend")),
  }));
  legend("lines-legend", color ? color.name : "", entries);
  noteLines(x, groups, isSummary, lost.length, chosen.length);
}

function noteLines(x, groups, isSummary, numLost, numDrawn) {
  const {view, selection} = now, notes = [];
  const unit = view === views.get("means") ? "configuration" : "run";
  if (!isSummary) notes.push(view === views.get("means") ? "Each point is the mean of a configuration's seeds; bands are 95 % intervals." : "Each point is a run.");
  else if (state.others === "best") notes.push(`Points are ${unit}s; a line follows the best of each group.`);
  else notes.push(`Points are ${unit}s; a line is the mean of those at the same ${x.name}, with a 95 % interval; it breaks where a value is not finite.`);
  if (x.levels.length < x.values.length) notes.push(`${x.name} has ${x.values.length.toLocaleString("en")} values, so the line averages over ${x.levels.length} bins of as many rows.`);
  if (numLost) notes.push(`× at the edge: some or all runs diverged, or the value is not finite (${numLost.toLocaleString("en")} ${unit}s).`);
  if (numDrawn < selection.rows.length) notes.push(`${numDrawn.toLocaleString("en")} of ${selection.rows.length.toLocaleString("en")} points are drawn; lines use all.`);
  const numMissing = selection.rows.filter((row) => view.codes.get(x.name)[row] < 0).length;
  if (numMissing) notes.push(`${numMissing.toLocaleString("en")} ${unit}s have no ${x.name}.`);
  say("lines-note", notes.join(" "));
}

// Where the levels of an axis lie: at their values, or in the middle of their bin.
function levelPlaces(axis) {
  const sums = new Float64Array(axis.levels.length), numbers = new Float64Array(axis.levels.length);
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
  const codes = [...axis.positions.keys()].filter((code) => axis.positions[code] >= low && axis.positions[code] <= high);
  return {column: axis.name, codes, source};
}

function metricCondition(metric, low, high, source) {
  return {column: metric.name, low: valueAt(metric.scale, low), high: valueAt(metric.scale, high), source};
}

function brushLines({x0, x1, y0, y1}) {
  const x = axes.get(state.x), {metric} = now, limits = model("lines").y_range;
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

// Parallel coordinates: each row is a line across the axes that vary, and the metric last. Rows without a value pass
// through lanes below the axes.

const MAX_DRAWN_LINES = 10000;
const MAX_GHOST_LINES = 1000; // of rows that are not kept
const MAX_BUNDLES = 500; // of lines that are drawn together
const LANES = {missing: -0.1, diverged: -0.2};
const parallel = {columns: [], rows: [], ys: []};

function parallelColumns() {
  const {view, metric} = now;
  const columns = [...view.codes.keys()].map((name) => {
    const axis = axes.get(name);
    const [low, high] = extent(axis.positions, 0);
    const codes = view.codes.get(name);
    const scaled = axis.positions.map((place) => (axis.positions.length > 1 ? (place - low) / (high - low || 1) : 0.5));
    return {name, axis, low, high, scaled, at: (row) => (codes[row] < 0 ? LANES.missing : scaled[codes[row]])};
  });
  const values = view.metrics.get(metric.name).value;
  const places = Float64Array.from(values, (value, row) =>
    isLost(view, row, value) ? NaN : placeOfMetric(metric, value),
  );
  const [low, high] = extent(places.filter(Number.isFinite), 0);
  columns.push({
    name: metric.name,
    metric,
    low,
    high,
    at: (row) =>
      Number.isFinite(places[row])
        ? high > low
          ? (places[row] - low) / (high - low)
          : 0.5
        : view.numDiverged[row] > 0
          ? LANES.diverged
          : LANES.missing,
  });
  return columns;
}

function drawParallel() {
  const {view, selection, metric} = now;
  const columns = parallelColumns();
  const last = columns.at(-1);
  const better = (row) => (last.at(row) < 0 ? -1 : metric.higher === false ? 1 - last.at(row) : last.at(row));
  const chosen = thin(selection.rows, MAX_DRAWN_LINES).toSorted((a, b) => better(a) - better(b));
  const others = selection.isAll ? [] : all(view).filter((row) => !selection.isChosen[row]);
  const ghosts = thin(others, MAX_GHOST_LINES);
  const rows = [...ghosts, ...chosen];
  const ys = rows.map((row) => columns.map((column) => column.at(row)));
  Object.assign(parallel, {columns, rows, ys, numGhosts: ghosts.length});
  const colorOf = (row) =>
    last.at(row) === LANES.diverged ? LOST : last.at(row) < 0 ? theme.muted : shade(better(row));
  const ghost = {color: theme.ghost, alpha: 0.25, width: 0.7};
  const line = chosen.length <= 300 ? {alpha: 0.8, width: 1.4} : {alpha: 0.35, width: 1};
  put(
    "parallel.lines",
    bundled(ys, [...ghosts.map(() => ghost), ...chosen.map((row) => ({...line, color: colorOf(row)}))]),
  );
  const lanes = lanesIn(ys);
  drawParallelAxes(columns, lanes);
  drawBrushes();
  say("parallel-title", `All axes of ${count(chosen.length)} ${unitOf(view)}s`);
  const help = "drag along an axis to keep rows, click it to release";
  const notes = [`Colors follow ${metric.name}, the better the brighter; ${help}.`];
  if (lanes.diverged) notes.push("Vermilion lines diverged.");
  if (chosen.length < selection.rows.length) {
    notes.push(`${count(chosen.length)} of ${count(selection.rows.length)} lines are drawn, evenly chosen.`);
  }
  say("parallel-note", notes.join(" "));
}

// Draw consecutive lines of nearly the same style together, so that thousands are drawn at once.
function bundled(ys, styles) {
  const most = Math.ceil(ys.length / MAX_BUNDLES);
  const bundles = {xs: [], ys: [], color: [], alpha: [], width: []};
  const isShade = ({color}) => ![LOST, theme.muted, theme.ghost].includes(color);
  let number = most;
  ys.forEach((line, i) => {
    const isAlike =
      i > 0 && (styles[i].color === styles[i - 1].color || (isShade(styles[i]) && isShade(styles[i - 1])));
    if (number < most && isAlike) {
      bundles.xs.at(-1).push(NaN, ...line.keys());
      bundles.ys.at(-1).push(NaN, ...line);
      number += 1;
      return;
    }
    addPart(bundles, [...line.keys()], [...line], styles[i]);
    number = 1;
  });
  return bundles;
}

// Which lanes are in use.
function lanesIn(ys) {
  const isUsed = (lane) => ys.some((line) => line.includes(lane));
  return {missing: isUsed(LANES.missing), diverged: isUsed(LANES.diverged)};
}

function drawParallelAxes(columns, lanes) {
  const margin = 76; // for the ticks of the first and the last axis
  const room = Math.max(40, (innerWidth("parallel") - 2 * margin) / Math.max(1, columns.length - 1));
  const low = lanes.diverged ? LANES.diverged - 0.07 : lanes.missing ? LANES.missing - 0.07 : -0.05;
  setAxis("parallel.x", -margin / room, columns.length - 1 + margin / room, []);
  setAxis("parallel.y", low, 1.17, []);
  const texts = columns.flatMap((column, i) => [
    {
      x: i,
      y: 1.07,
      text: wrapped(column.name, Math.max(6, Math.floor(room / 6.6))),
      align: "center",
      baseline: "bottom",
    },
    ...parallelTicks(column, i === 0, room).map((tick) => ({x: i, ...tick})),
  ]);
  if (lanes.missing) texts.push({x: 0, y: LANES.missing, text: "missing", align: "right", offset: -6});
  if (lanes.diverged) texts.push({x: columns.length - 1, y: LANES.diverged, text: "diverged", offset: 5, color: LOST});
  put("parallel.text", {
    x: texts.map(({x}) => x),
    y: texts.map(({y}) => y),
    text: texts.map(({text}) => plain(text)),
    color: texts.map(({color = theme.ink}) => color),
    align: texts.map(({align = "left"}) => align),
    baseline: texts.map(({baseline = "middle"}) => baseline),
    offset: texts.map(({offset = 0}) => offset),
    back: texts.map(() => theme.panel),
  });
  const foot = lanes.missing || lanes.diverged ? -0.03 : 0;
  put("parallel.axes", {
    x: [...columns.keys()],
    y0: columns.map(() => foot),
    y1: columns.map(() => 1),
    color: columns.map(() => theme.muted),
  });
}

// The ticks of an axis: those of the first one are outside, away from the lines.
function parallelTicks({axis, metric, low, high}, isFirst, room) {
  const pixels = 0.9 * innerHeight("parallel");
  const ticks = axis ? ticksOfAxis(axis, low, high, pixels) : ticksOf(metric.scale, low, high, 6);
  const most = Math.min(12, Math.max(4, Math.floor(room / 6.6) - 1));
  const side = isFirst ? {align: "right", offset: -6} : {align: "left", offset: 5};
  const place = (at) => (high > low ? (at - low) / (high - low) : 0.5);
  return ticks.map(([at, text]) => ({y: place(at), text: shorten(text, most), ...side}));
}

// Break a name at its underscores so that it fits.
function wrapped(name, most) {
  const rows = [""];
  for (const word of shorten(name, 3 * most).split(/(?<=[_ ])/)) {
    if (rows.at(-1) && rows.at(-1).length + word.length > most) rows.push("");
    rows[rows.length - 1] += word;
  }
  return rows.map((row) => shorten(row, most + 1)).join("\n");
}

// Mark on each axis what its conditions keep.
function drawBrushes() {
  const brushes = {left: [], right: [], bottom: [], top: []};
  parallel.columns.forEach((column, i) => {
    for (const condition of state.conditions.filter(({column: name}) => name === column.name)) {
      for (const [bottom, top] of kept(column, condition)) {
        brushes.left.push(i - 0.05);
        brushes.right.push(i + 0.05);
        brushes.bottom.push(bottom);
        brushes.top.push(top);
      }
    }
  });
  put("parallel.brushes", brushes);
}

function kept(column, condition) {
  const parts = [];
  const pad = 0.012;
  if (condition.codes && column.axis) {
    const places = condition.codes.map((code) => column.scaled[code]);
    const isRun = condition.codes.every((code, i) => i === 0 || code === condition.codes[i - 1] + 1);
    if (isRun && places.length) parts.push([places[0] - pad, places.at(-1) + pad]);
    else parts.push(...places.map((place) => [place - pad, place + pad]));
  } else if ("low" in condition || "high" in condition) {
    const at = (value, otherwise) => {
      const scale = (column.axis || column.metric).scale;
      const place = scale === "log" ? (value > 0 ? Math.log10(value) : NaN) : value;
      return Number.isFinite(place)
        ? Math.max(-0.02, Math.min(1.02, (place - column.low) / (column.high - column.low)))
        : otherwise;
    };
    parts.push([at(condition.low, 0), at(condition.high, 1)]);
  }
  for (const lane of ["missing", "diverged"]) if (condition[lane]) parts.push([LANES[lane] - 0.03, LANES[lane] + 0.03]);
  return parts;
}

function brushParallel({x0, x1, y0, y1}) {
  const inside = parallel.columns.map((column, i) => [column, i]).filter(([, i]) => i >= x0 - 0.1 && i <= x1 + 0.1);
  const middle = Math.round((x0 + x1) / 2);
  const brushed = inside.length ? inside.map(([column]) => column) : [parallel.columns[middle]].filter(Boolean);
  const reaches = (place) => y0 <= place && place <= y1;
  for (const column of brushed) {
    const low = column.low + y0 * (column.high - column.low);
    const high = column.low + y1 * (column.high - column.low);
    const condition = column.axis
      ? axisCondition(column.axis, low, high, "parallel")
      : metricCondition(column.metric, low, high, "parallel");
    if (y1 < -0.02) {
      // only lanes
      delete condition.low;
      delete condition.high;
      if (column.axis) condition.codes = [];
    }
    if (reaches(LANES.missing)) condition.missing = true;
    if (!column.axis && reaches(LANES.diverged)) condition.diverged = true;
    state.conditions = state.conditions.filter(
      ({column: name, source}) => !(source === "parallel" && name === column.name),
    );
    state.conditions.push(condition);
  }
  refresh();
}

// The row whose line is nearest below the pointer; of the kept ones.
function rowAtParallel(event) {
  const i = Math.max(0, Math.min(parallel.columns.length - 2, Math.floor(event.x)));
  const share = event.x - i;
  if (share < -0.2 || share > 1.2 || parallel.columns.length < 2) return -1;
  const figure = model("parallel");
  let found = -1;
  let least = 8 / (innerHeight("parallel") / (figure.y_range.end - figure.y_range.start));
  for (let k = parallel.numGhosts; k < parallel.rows.length; k++) {
    const line = parallel.ys[k];
    const distance = Math.abs(line[i] + share * (line[i + 1] - line[i]) - event.y);
    if (distance <= least) [found, least] = [k, distance];
  }
  return found < 0 ? -1 : parallel.rows[found];
}

function hoverParallel(row) {
  const xs = [];
  const ys = [];
  const color = [];
  for (const each of [...now.pins, row]) {
    if (each === undefined || each < 0) continue;
    xs.push(parallel.columns.map((_, i) => i));
    ys.push(parallel.columns.map((column) => column.at(each)));
    color.push(each === row ? theme.ink : pinColor(each));
  }
  put("parallel.hover", {xs, ys, color});
}

function tapParallel(event) {
  const i = Math.round(event.x);
  const column = parallel.columns[i];
  const isOnAxis = column && Math.abs(event.x - i) < 0.08;
  const has = isOnAxis && state.conditions.some(({column: name}) => name === column.name);
  if (!has) return pin(rowAtParallel(event));
  state.conditions = state.conditions.filter(({column: name}) => name !== column.name);
  refresh();
}

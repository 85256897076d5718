// Curves: the learning curves of the hovered and the chosen rows, over the envelope of all runs.

const MAX_DRAWN_CURVES = 30;
const curveData = data.curves && {
  steps: data.curves.steps,
  envelope: decodedOnDemand(data.curves.envelope),
  ...Object.fromEntries(
    ["runs", "means"].map((view) => [
      view,
      {
        place: new Map([...decode(data.curves[view].rows)].map((row, place) => [row, place])),
        ...Object.fromEntries(["value", "low", "high"].map((kind) => [kind, decodedOnDemand(data.curves[view][kind])])),
      },
    ]),
  ),
};
const curveNames = curveData ? curveData.envelope.names : [];

function drawCurves() {
  by("panel-curves").classList.toggle("empty", !curveData);
  if (!curveData) {
    say("curves-title", "Learning curves");
    say("curves-note", "Runs were evaluated once, at their end; a sweep with eval_every (--eval-every) has curves.");
    return;
  }
  const {steps} = curveData;
  const quantiles = rowsOf(curveData.envelope.get(state.curve));
  const isLog = spansDecades(quantiles.flatMap((values) => [...values]));
  const place = (value) => placeOfMetric({scale: isLog ? "log" : "linear"}, value);
  drawEnvelope(quantiles, place);
  const shown = curvesShown();
  const {heights, numLeftOut} = drawRowCurves(shown, place);
  const [low, high] = extent(
    [...quantiles.flatMap((values) => [...values].map(place)), ...heights].filter(Number.isFinite),
  );
  const [left, right] = extent(steps, 0.02);
  const most = Math.max(3, Math.floor(innerWidth("curves") / 80));
  setAxis("curves.y", low, high, ticksOf(isLog ? "log" : "linear", low, high, 6), state.curve);
  setAxis("curves.x", left, right, ticksOf("linear", Math.max(0, left), right, most), "step");
  say("curves-title", `Learning curves of ${state.curve}`);
  drawCurveLegend(shown);
  const numRuns = count(views.get("runs").size);
  const notes = [`Gray: 5 to 95 % and 25 to 75 % of all ${numRuns} runs, dashed their median.`];
  if (state.view === "means") notes.push("Curves are means over seeds with 95 % intervals.");
  if (numLeftOut) notes.push(`${count(numLeftOut)} of these curves are not in this page.`);
  say("curves-note", [...notes, ...data.left_out].join(" "));
}

// Cut an array into rows of one value per step.
function rowsOf(values) {
  const length = curveData.steps.length;
  return Array.from({length: values.length / length}, (_, i) => values.subarray(i * length, (i + 1) * length));
}

function spansDecades(values) {
  const known = values.filter(Number.isFinite);
  const least = Math.min(...known);
  return known.length > 0 && least > 0 && Math.max(...known) / least >= 50;
}

function drawRowCurves(shown, place) {
  const held = curveData[state.view];
  const parts = {xs: [], ys: [], color: [], width: []};
  const bands = {xs: [], ys: [], color: []};
  const known = shown.filter(({row}) => held.place.has(row));
  for (const {row, color, width, hasBand} of known) {
    for (const part of segments(curvePoints(held, held.place.get(row), place))) {
      addPart(parts, part.x, part.y, {color, width});
      if (!hasBand || state.view === "runs") continue;
      const band = outline(part);
      addPart(bands, band.x, band.y, {color});
    }
  }
  put("curves.lines", parts);
  put("curves.bands", bands);
  return {heights: parts.ys.flat(), numLeftOut: shown.length - known.length};
}

function curvePoints(held, at, place) {
  const {steps} = curveData;
  const values = (kind) => held[kind].get(state.curve)?.subarray(at * steps.length, (at + 1) * steps.length);
  const [value, low, high] = ["value", "low", "high"].map(values);
  const points = steps.map((x, i) => ({x, y: place(value[i]), low: place(low?.[i]), high: place(high?.[i])}));
  return points.filter((_, i) => !isSkipped(value, i));
}

function drawCurveLegend(shown) {
  const named = shown.filter(({hasBand}) => hasBand);
  const labels = labelsOf(named.map(({row}) => row));
  const entries = named.map(({color, row}, i) => {
    const onClick = now.pins.includes(row) ? () => pin(row) : undefined;
    return {color, text: labels[i], onClick};
  });
  legend("curves-legend", "", entries);
}

// Whether a run was merely not evaluated at a step at which others were: its curve then has no gap there.
function isSkipped(values, i) {
  return Number.isNaN(values[i]) && values.subarray(i).some(Number.isFinite);
}

function drawEnvelope(quantiles, place) {
  const envelope = {xs: [], ys: [], alpha: []};
  const median = {xs: [], ys: []};
  const [lowest, lower, middle, upper, highest] = quantiles;
  for (const [low, high, alpha] of [
    [lowest, highest, 0.15],
    [lower, upper, 0.22],
  ]) {
    const points = curveData.steps.map((x, i) => ({x, y: place(middle[i]), low: place(low[i]), high: place(high[i])}));
    for (const part of segments(points)) {
      const band = outline(part);
      addPart(envelope, band.x, band.y, {alpha});
      if (low === lowest) addPart(median, part.x, part.y, {});
    }
  }
  put("curves.envelope", envelope);
  put("curves.median", median);
}

// The rows whose curves are drawn: pinned ones, or else those that are kept, or the three best of all; and the hovered.
function curvesShown() {
  const {selection, pins, hover, metric, view} = now;
  const values = view.metrics.get(metric.name).value;
  now.bestFirst ??= selection.rows.toSorted((a, b) => compare(metric, values[a], values[b]));
  const entry = (row, color, width) => ({row, color, width, hasBand: true});
  const few = selection.isAll ? now.bestFirst.slice(0, 3) : now.bestFirst.slice(0, NUM_HUES);
  let shown = pins.map((row) => entry(row, pinColor(row), 2));
  if (!pins.length && (selection.isAll || few.length === selection.rows.length)) {
    shown = few.map((row, i) => entry(row, hue(i), 1.8));
  } else if (!pins.length) {
    const rows = thin(now.bestFirst, MAX_DRAWN_CURVES);
    shown = rows.map((row, i) => ({row, color: shade(1 - i / rows.length), width: 1}));
  }
  if (hover >= 0) shown = [...shown.filter(({row}) => row !== hover), entry(hover, theme.ink, 2.6)];
  return shown;
}

// Name rows by the axes in which they differ.
function labelsOf(rows) {
  const {view} = now;
  const names = [...view.codes.keys()].filter(
    (name) => rows.length === 1 || new Set(rows.map((row) => view.codes.get(name)[row])).size > 1,
  );
  return rows.map((row) =>
    names
      .map((name) => [name, axisValue(view, name, row)])
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name} ${typeof value === "number" ? short(value, 4) : value}`)
      .join(", "),
  );
}

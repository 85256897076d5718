// Curves: the learning curves of the hovered and the chosen rows, over the envelope of all runs.

const MAX_DRAWN_CURVES = 30;
const curveData = data.curves && {
  steps: data.curves.steps,
  envelope: mapValues(data.curves.envelope, decode),
  ...Object.fromEntries(["runs", "means"].map((view) => [view, {
    place: new Map([...decode(data.curves[view].rows)].map((row, place) => [row, place])),
    ...Object.fromEntries(["value", "low", "high"].map((kind) => [kind, mapValues(data.curves[view][kind] || {}, decode)])),
  }])),
};
const curveNames = curveData ? [...curveData.envelope.keys()] : [];

function drawCurves() {
  if (!curveData) {
    say("curves-title", "Learning curves");
    say("curves-note", "Runs were evaluated once, at their end, so there are no curves; a sweep with eval_every (--eval-every) has them.");
    by("panel-curves").classList.add("empty");
    return;
  }
  const name = state.curve, {steps} = curveData, count = steps.length, held = curveData[state.view];
  const quantiles = data.curves.quantiles.map((_, i) => curveData.envelope.get(name).subarray(i * count, (i + 1) * count));
  const known = [...curveData.envelope.get(name)].filter(Number.isFinite);
  const isLog = known.length > 0 && Math.min(...known) > 0 && Math.max(...known) / Math.min(...known) >= 50;
  const place = (value) => (Number.isFinite(value) ? (isLog ? (value > 0 ? Math.log10(value) : NaN) : value) : NaN);
  const [envelope, median] = envelopeOf(quantiles, steps, place);
  put("curves.envelope", envelope);
  put("curves.median", median);

  const shown = curvesShown(), parts = {xs: [], ys: [], color: [], width: []}, bands = {xs: [], ys: [], color: []};
  let numLeftOut = 0;
  for (const {row, color, width, hasBand} of shown) {
    const at = held.place.get(row);
    if (at === undefined) { numLeftOut++; continue; }
    const of = (kind) => held[kind].get(name)?.subarray(at * count, (at + 1) * count);
    const value = of("value"), low = of("low"), high = of("high");
    const points = steps.map((x, i) => ({x, y: place(value[i]), low: low ? place(low[i]) : NaN, high: high ? place(high[i]) : NaN}));
    for (const part of segments(points.filter((point, i) => !isSkipped(value, i)))) {
      parts.xs.push(part.x); parts.ys.push(part.y); parts.color.push(color); parts.width.push(width);
      if (!hasBand || !low) continue;
      const band = outline(part);
      bands.xs.push(band.x); bands.ys.push(band.y); bands.color.push(color);
    }
  }
  put("curves.lines", parts);
  put("curves.bands", bands);
  const inner = quantiles.flatMap((values) => [...values].map(place)).filter(Number.isFinite);
  const [low, high] = extent([...inner, ...parts.ys.flat()]);
  const [left, right] = extent(steps, 0.02);
  setAxis("curves.y", low, high, ticksOf(isLog ? "log" : "linear", low, high, 6), name);
  setAxis("curves.x", left, right, ticksOf("linear", Math.max(0, left), right, Math.max(3, Math.floor(innerWidth("curves") / 80))), "step");
  say("curves-title", `Learning curves of ${name}`);
  const named = shown.filter(({hasBand}) => hasBand), labels = labelsOf(named.map(({row}) => row));
  legend("curves-legend", "", named.map(({color, row}, i) => ({color, text: labels[i], onClick: now.pins.includes(row) ? () => pin(row) : undefined})));
  const notes = [`Gray: 5 to 95 % and 25 to 75 % of all ${views.get("runs").size.toLocaleString("en")} runs, dashed their median.`];
  if (state.view === "means") notes.push("Curves are means over seeds with 95 % intervals.");
  if (numLeftOut) notes.push(`${numLeftOut.toLocaleString("en")} of these curves are not in this page.`);
  say("curves-note", [...notes, ...data.left_out].join(" "));
}

// Whether a run was not evaluated at a step at which others were: no gap, unless its loss was not finite.
function isSkipped(values, i) {
  return Number.isNaN(values[i]) && values.subarray(i).some(Number.isFinite);
}

function envelopeOf(quantiles, steps, place) {
  const envelope = {xs: [], ys: [], alpha: []}, median = {xs: [], ys: []};
  const part = (low, high, alpha) => {
    const points = steps.map((x, i) => ({x, y: place(quantiles[2][i]), low: place(quantiles[low][i]), high: place(quantiles[high][i])}));
    for (const each of segments(points)) {
      const {x, y} = outline(each);
      envelope.xs.push(x); envelope.ys.push(y); envelope.alpha.push(alpha);
    }
    return points;
  };
  part(0, 4, 0.15);
  for (const each of segments(part(1, 3, 0.22))) {
    median.xs.push(each.x); median.ys.push(each.y);
  }
  return [envelope, median];
}

// The rows whose curves are drawn: pinned ones, or else those that are kept, or the three best of all; and the hovered.
function curvesShown() {
  const {selection, pins, hover, metric, view} = now;
  const values = view.metrics.get(metric.name).value;
  const ordered = () => selection.rows.toSorted((a, b) => compare(metric, values[a], values[b]));
  const entry = (row, color, width) => ({row, color, width, hasBand: true});
  let shown = pins.map((row) => entry(row, pinColor(row), 2));
  if (!shown.length && selection.rows.length <= 8 || selection.isAll && !shown.length) {
    shown = ordered().slice(0, selection.isAll ? 3 : 8).map((row, i) => entry(row, hue(i), 1.8));
  } else if (!shown.length) {
    const rows = thin(ordered(), MAX_DRAWN_CURVES);
    shown = rows.map((row, i) => ({row, color: shade(1 - i / rows.length), width: 1}));
  }
  if (hover >= 0) shown = [...shown.filter(({row}) => row !== hover), entry(hover, theme.ink, 2.6)];
  return shown;
}

// Name rows by the axes in which they differ.
function labelsOf(rows) {
  const {view} = now;
  const names = [...view.codes.keys()].filter((name) => rows.length === 1 || new Set(rows.map((row) => view.codes.get(name)[row])).size > 1);
  return rows.map((row) => names.map((name) => [name, axisValue(view, name, row)]).filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${typeof value === "number" ? short(value, 4) : value}`).join(", "));
}
